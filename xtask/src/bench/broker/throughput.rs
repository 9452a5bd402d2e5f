//! Publish, deliver and ack through one queue, with confirms, by one lapin program.

use anyhow::Context;

use super::super::number::number;
use super::super::program::result_of;
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;

const RATIO_MIN: f64 = 3.0;
const MESSAGES: &str = "200000";

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let listening = bench.listen()?;
    let mut sides = [Series::default(), Series::default()];
    for _ in 0..bench.runs {
        for (side, url) in [&listening.url, &bench.node.url()].into_iter().enumerate() {
            let line = result_of(&bench.examples, "throughput", &[url, MESSAGES])?;
            let rate = line.split(' ').next().and_then(|word| word.parse().ok());
            sides[side].push(rate.with_context(|| format!("throughput printed {line}"))?);
        }
    }
    let ratio = sides[0].median() / sides[1].median();
    let [ours, theirs] = sides.map(|series| series.text(|rate| format!("{}/s", number(rate, 0))));
    Ok(vec![Row {
        what: "publish, deliver and ack of 256 bytes through one queue, with confirms".to_owned(),
        bound: format!(">= {RATIO_MIN} times"),
        ours,
        theirs,
        ratio: number(ratio, 2),
        verdict: Verdict::of(ratio >= RATIO_MIN),
    }])
}
