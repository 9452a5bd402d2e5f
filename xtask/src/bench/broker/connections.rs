//! Ten thousand idle connections, opened by bare sockets in a process of their own.

use std::time::Duration;

use anyhow::ensure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::super::number::number;
use super::super::program::Program;
use super::super::table::{Row, Verdict};
use super::Bench;
use super::start::address_in;

const CONNECTIONS: u64 = 10_000;
const BOUND_KIB: f64 = 10.0;
/// For what a process has open beside its connections.
const OTHER_FILES: u64 = 100;
/// Idle for longer than the broker's half heartbeat (5 s), so that every connection's timer has fired once.
const IDLE: Duration = Duration::from_secs(8);

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let what = "10,000 idle connections: memory of each beyond its socket";
    let bound = format!("< {BOUND_KIB} KiB");
    if let Err(why) = raise_open_files_limit() {
        eprintln!("bench: connections are skipped: {why}");
        return Ok(vec![Row::skipped(what, &bound, &why.to_string())]);
    }
    let listening = bench.listen()?;
    let before = listening.program.resident_mib()?;
    let count = CONNECTIONS.to_string();
    let mut client = Program::start(&bench.examples, "connections", &[address_in(&listening.url)?, &count])?;
    let line = client.line()?;
    ensure!(line == format!("open {count}"), "the connections were not opened: {line}");
    std::thread::sleep(IDLE);
    let each_kib = (listening.program.resident_mib()? - before) * 1024.0 / CONNECTIONS as f64;
    client.go_on()?;
    let line = client.line()?;
    ensure!(line == format!("alive {count}, of which {count} had a heartbeat"), "they did not stay up: {line}");
    Ok(vec![Row {
        what: what.to_owned(),
        bound,
        ours: format!("{} KiB; all alive, each had its heartbeat", number(each_kib, 1)),
        theirs: "not measured".to_owned(),
        ratio: String::new(),
        verdict: Verdict::of(each_kib < BOUND_KIB),
    }])
}

/// This program's limit, and so its children's.
fn raise_open_files_limit() -> anyhow::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = CONNECTIONS + OTHER_FILES;
    ensure!(hard >= needed, "the limit of open files is {hard}, {needed} are needed (ulimit -n)");
    if soft < needed {
        setrlimit(Resource::RLIMIT_NOFILE, needed, hard)?;
    }
    Ok(())
}
