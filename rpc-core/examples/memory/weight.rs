//! How much memory this process has.

use std::{error::Error, fs, time::Duration};

use crate::ALLOCATOR;

/// Bytes that are alive on the heap now.
pub(crate) fn heap_bytes() -> usize {
    ALLOCATOR.allocated()
}

/// The same once what the last calls left has been cleared away: the least of half a second.
pub(crate) async fn settled_heap_bytes() -> usize {
    let mut least = heap_bytes();
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        least = least.min(heap_bytes());
    }
    least
}

/// Resident memory of the whole process.
pub(crate) fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
