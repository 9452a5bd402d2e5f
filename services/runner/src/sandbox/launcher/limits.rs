//! Resource limits of each process of a run: the second line behind the watchdog, and the first for files.
//!
//! The launcher has those that it can live with itself, and hands them down. The number of processes and the CPU time
//! are set inside the box: watching a crowd of processes costs CPU time too, and the kernel must not kill who measures.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::sandbox::Limits;

/// Address space beyond four times the memory limit: interpreters and threads reserve much more than they use, and the
/// watchdog counts what is used.
const SPARE_ADDRESS_BYTES: u64 = 4 << 30;

/// Open files.
const FILES: u64 = 256;

/// Least stack: what programs are used to.
const STACK_BYTES_MIN: u64 = 8 << 20;

/// CPU time after which the kernel kills a process of the run, whole seconds: later than the watchdog would.
pub(super) fn cpu_s(limits: &Limits) -> u64 {
    limits.cpu.as_secs().saturating_add(2)
}

/// Sets the others on this process, to be inherited.
pub(super) fn set(limits: &Limits) -> Result<(), String> {
    let address_bytes = limits.memory_bytes.saturating_mul(4).saturating_add(SPARE_ADDRESS_BYTES);
    for (resource, value) in [
        // One more than allowed: a file of that size has passed the limit.
        (Resource::RLIMIT_FSIZE, limits.file_bytes.saturating_add(1)),
        (Resource::RLIMIT_AS, address_bytes),
        (Resource::RLIMIT_STACK, limits.memory_bytes.max(STACK_BYTES_MIN)),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_CORE, 0),
    ] {
        let failed = |error| format!("{resource:?}: {error}");
        let (_, hard) = getrlimit(resource).map_err(failed)?;
        let value = value.min(hard);
        setrlimit(resource, value, value).map_err(failed)?;
    }
    Ok(())
}
