//! Request and reply by the peers' programs: `batched` with many in flight, `raw` with one.

use std::path::Path;

use anyhow::Context;

use super::super::number::number;
use super::super::program::result_of;
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;

const RATE_RATIO_MIN: f64 = 2.0;
const LATENCY_RATIO_MAX: f64 = 0.8;
const BATCHED: &str = "`batched`, 64 calls in flight";
const RAW: &str = "`raw`, one call in flight, p50";

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let bounds = [format!(">= {RATE_RATIO_MIN} times"), format!("<= {LATENCY_RATIO_MAX} times")];
    let Some(peers) = &bench.peers else {
        let why = "no peers: give their workspace with --peers";
        eprintln!("bench: calls are skipped: {why}");
        return Ok(vec![Row::skipped(BATCHED, &bounds[0], why), Row::skipped(RAW, &bounds[1], why)]);
    };
    let listening = bench.listen()?;
    let [mut batched, mut raw] = [[(); 2]; 2].map(|sides| sides.map(|()| Series::default()));
    for _ in 0..bench.runs {
        for (side, url) in [&listening.url, &bench.node.url()].into_iter().enumerate() {
            batched[side].push(run(peers, "batched", url, ["64", "40000"], "calls_per_s")?);
            raw[side].push(run(peers, "raw", url, ["1", "5000"], "p50_us")?);
        }
    }
    let rate_ratio = batched[0].median() / batched[1].median();
    let latency_ratio = raw[0].median() / raw[1].median();
    let [rates, latencies] = [
        batched.map(|series| series.text(|rate| format!("{}/s", number(rate, 0)))),
        raw.map(|series| series.text(|us| format!("{} µs", number(us, 0)))),
    ];
    Ok(vec![
        row(BATCHED, &bounds[0], rates, rate_ratio, rate_ratio >= RATE_RATIO_MIN),
        row(RAW, &bounds[1], latencies, latency_ratio, latency_ratio <= LATENCY_RATIO_MAX),
    ])
}

fn row(what: &str, bound: &str, [ours, theirs]: [String; 2], ratio: f64, held: bool) -> Row {
    Row {
        what: what.to_owned(),
        bound: bound.to_owned(),
        ours,
        theirs,
        ratio: number(ratio, 2),
        verdict: Verdict::of(held),
    }
}

/// Runs a peer and takes one figure of its line of JSON.
fn run(peers: &Path, name: &str, url: &str, [inflight, calls]: [&str; 2], figure: &str) -> anyhow::Result<f64> {
    let line = result_of(peers, name, &["--url", url, "--inflight", inflight, "--calls", calls, "--payload", "256"])?;
    let result: serde_json::Value = serde_json::from_str(&line).with_context(|| format!("{name} printed {line}"))?;
    result[figure].as_f64().with_context(|| format!("{name} printed no {figure}: {line}"))
}
