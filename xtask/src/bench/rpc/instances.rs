//! Handlers that sleep: what more instances are worth.

use super::super::number::rate;
use super::super::series::Series;
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::contestants::Load;

const RATIO_MIN: f64 = 15.0;
/// Instances, and the calls that take them some seconds.
const MANY: (&str, u32) = ("16", 3_200);
const ONE: (&str, u32) = ("1", 400);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let mut sides = [Series::default(), Series::default()];
    for _ in 0..bench.runs {
        for (side, (instances, calls)) in sides.iter_mut().zip([MANY, ONE]) {
            let load = Load { calls: bench.calls(calls), in_flight: 64, prefetch: 1 };
            side.push(bench.ours(load, &["--instances", instances, "--work", "10ms"])?.calls_per_s);
        }
    }
    let what = "handlers that sleep 10 ms, prefetch 1, 64 in flight: 16 instances, beside one";
    let [many, one] = sides;
    Ok(vec![row(what, Bound::AtLeast(RATIO_MIN), &many, &Ok(one), rate)])
}
