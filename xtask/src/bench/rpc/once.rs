//! A `Once` method on a quorum queue, whose replies are kept in SQLite: for scale.

use super::super::number::{number, rate};
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;
use super::contestants::{Figures, Load};

const CALLS: u32 = 5_000;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let load = Load { calls: bench.calls(CALLS), in_flight: 64, prefetch: 256 };
    let runs: Vec<Figures> = (0..bench.runs).map(|_| bench.ours(load, &["--once"])).collect::<anyhow::Result<_>>()?;
    let rates: Series = runs.iter().map(|figures| figures.calls_per_s).collect();
    let latencies: Series = runs.iter().map(|figures| figures.p99_us / 1e3).collect();
    Ok(vec![Row {
        what: "`Once`, quorum queue, replies kept in SQLite, 64 in flight".to_owned(),
        bound: String::new(),
        ours: format!("{}; p99 {}", rates.text(rate), latencies.text(|ms| format!("{} ms", number(ms, 1)))),
        theirs: String::new(),
        ratio: String::new(),
        verdict: Verdict::Unbound,
    }])
}
