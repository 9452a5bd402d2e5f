//! One call in flight: how long it takes beside lapin by hand.

use super::super::number::number;
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::contestants::{Figures, Load, RAW};

const RATIO_MAX: f64 = 1.1;
const CALLS: u32 = 5_000;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let load = Load { calls: bench.calls(CALLS), in_flight: 1, prefetch: 256 };
    let turns = bench.in_turn(load, &[RAW])?;
    let figure: fn(&Figures) -> f64 = |figures| figures.p50_us;
    let us = |us| format!("{} µs", number(us, 0));
    let what = "one in flight, p50, beside `raw`";
    Ok(vec![row(what, Bound::AtMost(RATIO_MAX), &turns.ours(figure), &turns.theirs(0, figure), us)])
}
