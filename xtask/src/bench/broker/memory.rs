//! Resident memory of the whole process: idle, with a million messages, and after they are gone.

use anyhow::ensure;

use super::super::number::number;
use super::super::program::Program;
use super::super::series::Series;
use super::super::table::{Row, Verdict};
use super::Bench;

const MESSAGES: &str = "1000000";
const IDLE_BOUND_MIB: f64 = 15.0;
const FULL_BOUND_MIB: f64 = 600.0;

/// Resident memory in MiB with the messages, and after they were purged.
struct Weights {
    full: f64,
    purged: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let idle: Series =
        (0..bench.runs).map(|_| bench.listen()?.program.resident_mib()).collect::<anyhow::Result<_>>()?;
    let listening = bench.listen()?;
    let ours = weigh(bench, &listening.url, || listening.program.resident_mib())?;
    let theirs = weigh(bench, &bench.node.url(), || bench.node_resident_mib())?;
    let mib = |value: f64| format!("{} MiB", number(value, 1));
    let row = |what: &str, bound: String, ours: String, theirs: f64, verdict: Verdict| Row {
        what: what.to_owned(),
        bound,
        ours,
        theirs: mib(theirs),
        ratio: String::new(),
        verdict,
    };
    Ok(vec![
        row(
            "resident memory of the whole process, idle",
            format!("< {IDLE_BOUND_MIB} MiB"),
            idle.text(mib),
            bench.node_idle_mib,
            Verdict::of(idle.median() < IDLE_BOUND_MIB),
        ),
        row(
            "the same with a million ready messages of 256 bytes",
            format!("< {FULL_BOUND_MIB} MiB"),
            mib(ours.full),
            theirs.full,
            Verdict::of(ours.full < FULL_BOUND_MIB),
        ),
        row("the same after they are purged", String::new(), mib(ours.purged), theirs.purged, Verdict::Unbound),
    ])
}

fn weigh(bench: &Bench, url: &str, resident_mib: impl Fn() -> anyhow::Result<f64>) -> anyhow::Result<Weights> {
    let mut filler = Program::start(&bench.examples, "fill", &[url, MESSAGES])?;
    let line = filler.line()?;
    ensure!(line == "filled", "the queue was not filled: {line}");
    let full = resident_mib()?;
    filler.go_on()?;
    let line = filler.line()?;
    ensure!(line == format!("purged {MESSAGES}"), "the queue held something else: {line}");
    Ok(Weights { full, purged: resident_mib()? })
}
