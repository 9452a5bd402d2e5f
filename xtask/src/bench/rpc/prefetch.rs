//! One instance that holds one request at a time, beside lapin by hand.

use super::super::number::rate;
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::contestants::{Figures, Load, RAW};

const RATIO_MIN: f64 = 0.95;
const CALLS: u32 = 20_000;

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let load = Load { calls: bench.calls(CALLS), in_flight: 64, prefetch: 1 };
    let turns = bench.in_turn(load, &[RAW])?;
    let figure: fn(&Figures) -> f64 = |figures| figures.calls_per_s;
    let what = "64 in flight, one instance with prefetch 1, beside `raw` with prefetch 1";
    Ok(vec![row(what, Bound::AtLeast(RATIO_MIN), &turns.ours(figure), &turns.theirs(0, figure), rate)])
}
