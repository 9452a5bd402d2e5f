//! 64 calls in flight: calls a second beside every peer, and what a call costs.

use super::super::chart::Bar;
use super::super::number::{number, rate};
use super::super::series::Series;
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::contestants::{BATCHED, CONFIRMED, KANIN, Load, Peer, RAW, RUSTSTREAM, Runs, series};

/// The least ratio of the rates. `raw` comes first: its runs are those of the processor's row too.
const BOUNDS: [(Peer, f64); 5] = [(RAW, 1.8), (CONFIRMED, 1.2), (BATCHED, 0.9), (KANIN, 1.25), (RUSTSTREAM, 2.0)];
const CPU_RATIO_MAX: f64 = 0.55;
const CALLS: u32 = 40_000;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<(Vec<Row>, Vec<Bar>)> {
    let load = Load { calls: bench.calls(CALLS), in_flight: 64, prefetch: 256 };
    let (ours, theirs) = bench.in_turn(load, &BOUNDS.map(|(peer, _)| peer))?;
    let rates = |runs: &Runs| series(runs, |figures| figures.calls_per_s);
    let costs = |runs: &Runs| series(runs, |figures| figures.cpu_us_per_call);
    let our_rates = rates(&ours);
    let mut bars = Vec::from_iter(bar("warren", &our_rates, true));
    let mut rows = Vec::new();
    for ((peer, bound), runs) in BOUNDS.iter().zip(&theirs) {
        let what = format!("64 in flight, beside `{}`", peer.name);
        rows.push(row(&what, Bound::AtLeast(*bound), &our_rates, &rates(runs), rate));
        bars.extend(bar(peer.name, &rates(runs), false));
    }
    let what = "64 in flight, processor time a call, beside `raw`";
    let us = |us| format!("{} µs", number(us, 1));
    rows.push(row(what, Bound::AtMost(CPU_RATIO_MAX), &costs(&ours), &costs(&theirs[0]), us));
    Ok((rows, bars))
}

fn bar(label: &str, rates: &Result<Series, String>, is_ours: bool) -> Option<Bar> {
    let rates = rates.as_ref().ok()?.clone();
    Some(Bar { label: label.to_owned(), rates, is_ours })
}
