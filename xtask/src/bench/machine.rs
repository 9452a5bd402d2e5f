//! Where figures were measured: they mean nothing without it.

use std::fs;
use std::process::Command;

/// One line: processor, memory, systems.
pub(super) fn describe() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = value_of("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory_kib: u64 = value_of("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = value_of("/etc/os-release", "PRETTY_NAME").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    format!(
        "{processors} x {model}, {} GiB, {}, Linux {}, {}",
        memory_kib >> 20,
        system.trim_matches('"'),
        kernel.trim(),
        String::from_utf8_lossy(&rustc).trim()
    )
}

/// `value` of the first line `key: value` or `key=value` of a file.
fn value_of(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    let (_, value) = line.split_once([':', '='])?;
    Some(value.trim().to_owned())
}

/// How busy the machine is before anything is measured: the load average of the last minute.
pub(super) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}
