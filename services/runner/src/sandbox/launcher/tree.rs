//! The processes of a run, read from `/proc`: everything that descends from the launcher.

use std::fs;

/// Kernel clock ticks a second in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux that Rust runs on.
const TICK_MS: u64 = 10;

/// Bytes of a page in `/proc/PID/statm`.
const PAGE_BYTES: u64 = 4096;

/// What the living processes use, and what their ended children used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Resident memory; pages that processes share count for each.
    pub(super) memory_bytes: u64,
    /// CPU time.
    pub(super) cpu_ms: u64,
}

/// The children of this process.
pub(super) fn own_children() -> Vec<u32> {
    children("self")
}

/// Adds up the process `root` and all below it. `overhead` are processes whose memory is the sandbox's own.
pub(super) fn usage(root: u32, overhead: impl Fn(u32) -> bool) -> Usage {
    let mut usage = Usage::default();
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        open.extend(children(&process.to_string()));
        usage.cpu_ms += cpu_ms(process).unwrap_or(0);
        if !overhead(process) {
            usage.memory_bytes += memory_bytes(process).unwrap_or(0);
        }
    }
    usage
}

/// The children that any thread of a process started. A process that ended meanwhile has none.
fn children(process: &str) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<u32>>()).collect()
}

fn memory_bytes(process: u32) -> Option<u64> {
    let statm = fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

fn cpu_ms(process: u32) -> Option<u64> {
    parse_cpu_ms(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Own user and system time, and the ended children's. The name, in parentheses, may hold anything, also `)`.
fn parse_cpu_ms(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    // proc(5) numbers from 1; the third field is the first here.
    let times = fields.split(' ').skip(14 - 3).take(4).map(|ticks| ticks.parse::<u64>().ok());
    times.sum::<Option<u64>>().map(|ticks| ticks * TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_past_any_name() {
        let stat = "7 (a) R 1 (b)) S 1 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(parse_cpu_ms(stat), Some(1000));
        assert_eq!(parse_cpu_ms("garbage"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(usage(std::process::id(), |_| false).memory_bytes > 0);
        assert_eq!(usage(std::process::id(), |process| process == std::process::id()).memory_bytes, 0);
    }
}
