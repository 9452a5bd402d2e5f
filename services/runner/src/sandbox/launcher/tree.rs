//! The processes of a run, read from `/proc`: everything that descends from the launcher.

use std::{collections::HashMap, fs, time::Duration};

/// Of a kernel clock tick in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux that Rust runs on.
const TICK_MS: u64 = 10;

/// Bytes of a page in `/proc/PID/statm`.
const PAGE_BYTES: u64 = 4096;

/// What a run uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Resident memory of the living; pages that processes share count for each.
    pub(super) memory_bytes: u64,
    /// CPU time of the living and of the ended.
    pub(super) cpu: Duration,
}

/// A process for ever: numbers are given again, but not within the tick that they began in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Process {
    number: u32,
    start_ticks: u64,
}

/// The own CPU time of every process ever seen, as it was last seen.
///
/// The kernel adds an ended child's time to the parent that waits for it, and to nobody if the parent ignores
/// `SIGCHLD`. So there are two counts, and neither counts anything twice: what was seen here, which misses each ended
/// process's last moments and those never seen, and what the living and their waited-for children used. The larger is
/// the better. None is forgotten: one that is missed while it changes parents is there again at the next look.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last_seen: HashMap<Process, Duration>,
}

impl Ledger {
    /// Adds up the process `root` and all below it. `allowance_bytes` is how much of a process's memory is the
    /// sandbox's own.
    pub(super) fn look(&mut self, root: u32, allowance_bytes: impl Fn(u32) -> u64) -> Usage {
        let mut memory_bytes = 0;
        let mut living = Duration::ZERO;
        let mut open = vec![root];
        // Parents first: a child that is waited for in between is missed once, not counted twice.
        while let Some(number) = open.pop() {
            open.extend(children(&number.to_string()));
            if let Some(stat) = stat(number) {
                living += stat.own + stat.waited_for;
                self.note(Process { number, start_ticks: stat.start_ticks }, stat.own.max(on_cpu(number)));
            }
            memory_bytes += resident_bytes(number).unwrap_or(0).saturating_sub(allowance_bytes(number));
        }
        Usage { memory_bytes, cpu: living.max(self.cpu()) }
    }

    fn note(&mut self, process: Process, own: Duration) {
        let last = self.last_seen.entry(process).or_default();
        *last = own.max(*last);
    }

    fn cpu(&self) -> Duration {
        self.last_seen.values().sum()
    }
}

/// The children of this process.
pub(super) fn own_children() -> Vec<u32> {
    children("self")
}

/// The children that any thread of a process started. A process that ended meanwhile has none.
fn children(process: &str) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>()).collect()
}

fn resident_bytes(process: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

/// The first thread's CPU time, finer than ticks. Zero where the kernel does not tell.
fn on_cpu(process: u32) -> Duration {
    let schedstat = fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    Duration::from_nanos(schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// Of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// User and system time of all its threads.
    own: Duration,
    /// The same of its ended children that it waited for, and theirs.
    waited_for: Duration,
    /// When it began.
    start_ticks: u64,
}

fn stat(process: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The name, in parentheses, may hold anything, also `)`.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    // proc(5) numbers from 1; the third field is the first here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let time = |ticks: u64| Duration::from_millis(ticks * TICK_MS);
    Some(Stat {
        own: time(field(14)? + field(15)?),
        waited_for: time(field(16)? + field(17)?),
        start_ticks: field(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a) R 1 (b)) S 1 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(parse_stat(stat), Some(Stat { own: ms(300), waited_for: ms(700), start_ticks: 5 }));
        assert_eq!(parse_stat("garbage"), None);
    }

    #[test]
    fn a_process_counts_once_and_after_its_end() {
        let mut ledger = Ledger::default();
        let first = Process { number: 7, start_ticks: 1 };
        ledger.note(first, ms(10));
        ledger.note(first, ms(30));
        ledger.note(Process { number: 8, start_ticks: 1 }, ms(5));
        assert_eq!(ledger.cpu(), ms(35));
    }

    #[test]
    fn a_number_given_again_is_another_process() {
        let mut ledger = Ledger::default();
        ledger.note(Process { number: 7, start_ticks: 1 }, ms(30));
        ledger.note(Process { number: 7, start_ticks: 2 }, ms(20));
        assert_eq!(ledger.cpu(), ms(50));
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let this = std::process::id();
        let usage = Ledger::default().look(this, |_| 0);
        assert!(usage.memory_bytes > 0 && usage.cpu > Duration::ZERO, "{usage:?}");
        assert_eq!(Ledger::default().look(this, |_| u64::MAX).memory_bytes, 0);
    }
}
