//! 64 calls in flight: calls a second beside every peer, and what a call costs.

use super::super::chart::Bar;
use super::super::number::{number, rate};
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::contestants::{BATCHED, CONFIRMED, Figures, KANIN, Load, Peer, RAW, RUSTSTREAM};

/// The least ratio of the rates. `raw` comes first: its runs are those of the processor's row too.
const BOUNDS: [(Peer, f64); 5] = [(RAW, 1.8), (CONFIRMED, 1.2), (BATCHED, 0.9), (KANIN, 1.25), (RUSTSTREAM, 2.0)];
const CPU_RATIO_MAX: f64 = 0.55;
const CALLS: u32 = 40_000;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<(Vec<Row>, Vec<Bar>)> {
    let load = Load { calls: bench.calls(CALLS), in_flight: 64, prefetch: 256 };
    let turns = bench.in_turn(load, &BOUNDS.map(|(peer, _)| peer))?;
    let ours = turns.ours(|figures| figures.calls_per_s);
    let mut bars = vec![Bar { label: "warren".to_owned(), rates: ours.clone(), is_ours: true }];
    let mut rows = Vec::new();
    for (at, (peer, bound)) in BOUNDS.iter().enumerate() {
        let theirs = turns.theirs(at, |figures| figures.calls_per_s);
        let what = format!("64 in flight, beside `{}`", peer.name);
        rows.push(row(&what, Bound::AtLeast(*bound), &ours, &theirs, rate));
        bars.extend(theirs.ok().map(|rates| Bar { label: peer.name.to_owned(), rates, is_ours: false }));
    }
    let cost: fn(&Figures) -> f64 = |figures| figures.cpu_us_per_call;
    let what = "64 in flight, processor time a call, beside `raw`";
    rows.push(row(what, Bound::AtMost(CPU_RATIO_MAX), &turns.ours(cost), &turns.theirs(0, cost), |us| {
        format!("{} µs", number(us, 1))
    }));
    Ok((rows, bars))
}
