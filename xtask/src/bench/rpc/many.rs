//! A client over a million calls, weighed after each tenth of them. The instance is a process of its own.

use serde::Deserialize;

use super::super::number::{number, rate};
use super::super::table::Row;
use super::Bench;
use super::compare::{Bound, row};
use super::memory::{kib, mib};

const CALLS: u32 = 1_000_000;
/// No growth; a buffer more or less at the moment of weighing is none.
const RATIO_MAX: f64 = 1.01;

#[derive(Deserialize)]
struct Weights {
    calls: u32,
    calls_per_s: f64,
    heap_bytes: Vec<f64>,
    resident_kib: Vec<f64>,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let weights: Weights = bench.weigh("many", bench.calls(CALLS))?;
    let calls = format!("{} calls at {}", number(weights.calls.into(), 0), rate(weights.calls_per_s));
    let bound = Bound::AtMost(RATIO_MAX);
    let what = |what: &str| format!("{what} of a client after {calls}, beside after the first tenth");
    let first = |tenths: &[f64]| Ok(tenths.first().copied().into_iter().collect());
    let last = |tenths: &[f64]| tenths.last().copied().into_iter().collect();
    let (heap, resident) = (&weights.heap_bytes, &weights.resident_kib);
    Ok(vec![
        row(&what("live heap bytes"), bound, &last(heap), &first(heap), kib),
        row(&what("resident memory"), bound, &last(resident), &first(resident), mib),
    ])
}
