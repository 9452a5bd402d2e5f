//! Runs one program that nobody trusts, and measures it.
//!
//! Who starts whom:
//!
//! ```text
//! runner ── launcher ── bwrap ── bwrap (PID 1 inside) ── prlimit ── the program
//!    control pipe: its end means kill        namespaces, mounts     processes, CPU time
//!    result: one JSON line        rlimits, watchdog: 5 ms
//! ```
//!
//! - The *launcher* is the runner's own program, started again with a hidden first argument ([`launcher_main`]). It is
//!   single-threaded and small, so resource limits and `getrusage` are exactly the run's, without unsafe code. When
//!   its control pipe ends (the run's future was dropped, or the runner died, be it by `kill -9`) it kills everything.
//! - *bubblewrap* gives the program namespaces of its own (no network, no other process, no host file but the
//!   system's programs and libraries, read only), no capability, and no way to another user namespace.
//! - A runner that is root runs all of it as a user id of its own for each box: inside bubblewrap's user namespace the
//!   program may be called 60001, but it would still be the host's root to `/proc/sys` and to process counting.
//! - The *watchdog* in the launcher adds up memory and CPU time of the process tree every 5 ms and kills what is over.
//!   It remembers the CPU time of processes that are gone, for a parent may have the kernel forget it (`SIGCHLD`
//!   ignored). Forgotten children that live shorter than 5 ms stay mostly unseen, and so does the last moment of any:
//!   a program made of such can use more CPU time than its limit, up to the wall limit on every core.
//!
//! Not here yet, and so not claimed by [`Sandbox::tier`]: a system call filter, Landlock, cgroups (whose `cpu.stat`
//! misses no process). Until then memory
//! that belongs to no process (System V shared memory, `memfd_create`) is bounded by the wall limit alone.
//!
//! Reading order: [`Command`] and [`Outcome`], `bubblewrap` (the box's content), `launcher`, `probe`.

mod bubblewrap;
mod command;
mod launcher;
mod probe;
mod scratch;
mod wire;

use std::{
    ffi::OsString,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use tokio::{io::AsyncReadExt, process::ChildStderr};

use self::wire::{Report, Spec};
pub use self::{
    command::{Access, Command, End, Limit, Limits, Outcome},
    launcher::launcher_main,
    scratch::Scratch,
};

/// The hidden first argument that turns the `warren` program into the launcher.
pub const LAUNCHER_ARGUMENT: &str = "__sandbox-launcher";

/// Most bytes of the launcher's result line that are read.
const REPORT_BYTES_MAX: u64 = 64 << 10;

/// Kept of the end of the launcher's own standard error, which is empty unless it panics or cannot be loaded.
const LAST_WORDS_BYTES_MAX: usize = 2 << 10;

/// Why a program could not be run: the judge's fault, never the program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A file of the run cannot be made or read.
    #[error("the sandbox: {what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The launcher or bubblewrap could not start the program.
    #[error("the sandbox did not start the program: {0}")]
    NotStarted(String),
    /// The launcher ended before it gave its result: how, and what it said last.
    #[error("the sandbox's launcher ended without a result ({status}){}", after_colon(.last_words))]
    LauncherLost {
        /// Its exit code, or the signal that killed it.
        status: ExitStatus,
        /// The end of its standard error.
        last_words: String,
    },
    /// The probe got out, or could not be made to run.
    #[error("the sandbox does not contain: {0}")]
    NotContained(String),
}

impl SandboxError {
    fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

/// How the sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// The program that calls [`launcher_main`] first thing in `main`. Default: the running program itself.
    pub launcher: PathBuf,
    /// Where boxes are made, a folder each, removed after use. Every user must be able to pass through it. Default: the
    /// system's folder for temporary files.
    pub scratch: PathBuf,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self { launcher: PathBuf::from("/proc/self/exe"), scratch: std::env::temp_dir() }
    }
}

/// Runs programs in bubblewrap.
#[derive(Clone, Debug)]
pub struct Sandbox {
    options: SandboxOptions,
}

impl Sandbox {
    /// A sandbox that was seen to contain: the probe tries the host's loopback, its files and its settings. Boxes that
    /// killed runners left behind are removed first.
    ///
    /// # Errors
    ///
    /// If bubblewrap is missing or does not work here, or anything got out.
    pub async fn probed(options: SandboxOptions) -> Result<Self, SandboxError> {
        scratch::sweep(&options.scratch);
        let sandbox = Self { options };
        probe::probe(&sandbox).await?;
        Ok(sandbox)
    }

    /// What stands between a program and the host.
    #[must_use]
    pub fn tier(&self) -> &'static str {
        "sandbox: bubblewrap + rlimits"
    }

    /// A new box.
    ///
    /// # Errors
    ///
    /// If its folders cannot be made.
    pub fn scratch(&self) -> Result<Scratch, SandboxError> {
        Scratch::make(&self.options.scratch)
    }

    /// Runs `command` in the box and waits for its end.
    ///
    /// # Errors
    ///
    /// If the program was not started. Whatever it did once started is an [`Outcome`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills the program and all it started.
    pub async fn run(&self, scratch: &Scratch, command: &Command) -> Result<Outcome, SandboxError> {
        let spec = Spec::new(scratch, command);
        let mut launcher = self.start(&spec)?;
        // Held until the result is there: its end is the launcher's sign to kill.
        let control = launcher.stdin.take();
        let mut result = launcher.stdout.take().expect("stdout is piped").take(REPORT_BYTES_MAX);
        let stderr = launcher.stderr.take().expect("stderr is piped");
        let mut line = Vec::new();
        let (read, last_words) = tokio::join!(result.read_to_end(&mut line), last_words(stderr));
        read.map_err(|error| SandboxError::io("the launcher's result", error))?;
        drop(control);
        let status = launcher.wait().await.map_err(|error| SandboxError::io("the launcher", error))?;
        match serde_json::from_slice(&line) {
            Ok(Report::Finished(outcome)) => Ok(outcome),
            Ok(Report::Failed(problem)) => Err(SandboxError::NotStarted(problem)),
            Err(_) => Err(SandboxError::LauncherLost { status, last_words }),
        }
    }

    fn start(&self, spec: &Spec) -> Result<tokio::process::Child, SandboxError> {
        let spec = serde_json::to_string(spec).expect("a specification is plain data");
        tokio::process::Command::new(&self.options.launcher)
            .args([OsString::from(LAUNCHER_ARGUMENT), spec.into()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Not in the terminal's group: an interrupt there drains the runner instead of killing the run.
            .process_group(0)
            .spawn()
            .map_err(|error| SandboxError::io(format!("the launcher {}", self.options.launcher.display()), error))
    }
}

/// The end of what the launcher itself says, read until it ends.
async fn last_words(mut stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        words.extend_from_slice(&buffer[..length]);
        words.drain(..words.len().saturating_sub(LAST_WORDS_BYTES_MAX));
    }
    String::from_utf8_lossy(&words).trim().to_owned()
}

fn after_colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
