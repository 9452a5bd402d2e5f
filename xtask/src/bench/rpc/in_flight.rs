//! A client with ten thousand calls in flight, and after them. The instance that holds their requests is a process of
//! its own.

use serde::Deserialize;

use super::super::number::number;
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;
use super::compare::{Bound, row};
use super::memory::{kib, mib};

const CALLS: u32 = 10_000;
const RESIDENT_MAX_MIB: f64 = 64.0;
const HEAP_RATIO_MAX: f64 = 1.05;

#[derive(Deserialize)]
struct Weights {
    calls: u32,
    resident_kib_before: f64,
    resident_kib: f64,
    heap_bytes_before: f64,
    heap_bytes: f64,
    heap_bytes_after: f64,
    heap_bytes_after_second: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let runs: Vec<Weights> =
        (0..bench.runs).map(|_| bench.weigh("in-flight", bench.calls(CALLS))).collect::<anyhow::Result<_>>()?;
    let series = |figure: fn(&Weights) -> f64| -> Series { runs.iter().map(figure).collect() };
    let calls = number(runs.first().map_or(f64::NAN, |run| run.calls.into()), 0);
    let resident = series(|run| run.resident_kib);
    let bound = Bound::AtMost(HEAP_RATIO_MAX);
    let before = series(|run| run.heap_bytes_before);
    let after = series(|run| run.heap_bytes_after);
    let after_second = series(|run| run.heap_bytes_after_second);
    let heap = "its live heap bytes after they have ended";
    Ok(vec![
        Row {
            what: format!(
                "resident memory of a client's whole process with {calls} calls in flight, beside before them"
            ),
            bound: format!("< {RESIDENT_MAX_MIB} MiB"),
            ours: format!("{}; live heap {}", resident.text(mib), series(|run| run.heap_bytes).text(kib)),
            theirs: series(|run| run.resident_kib_before).text(mib),
            ratio: String::new(),
            verdict: Verdict::of(resident.median() < RESIDENT_MAX_MIB * 1024.0),
        },
        row(&format!("{heap}, beside before them"), bound, &after, &Ok(before), kib),
        row(&format!("{heap} once more, beside after the first time"), bound, &after_second, &Ok(after), kib),
    ])
}
