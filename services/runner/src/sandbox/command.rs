//! What to run, within which limits, and what came out.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// A program and what it may use.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program's path inside the sandbox.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What the program may do with the box's folder, `/box`, in which it starts.
    pub access: Access,
    /// A host file to read from; absent: empty.
    pub stdin: Option<PathBuf>,
    /// A host file to be made for what it prints; absent: thrown away.
    pub stdout: Option<PathBuf>,
    /// What it may use.
    pub limits: Limits,
}

/// What a program may do with the box's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read: running.
    Read,
    /// Read and write: compiling.
    Write,
}

/// What a run may use, all its processes together unless it says otherwise.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time.
    pub cpu: Duration,
    /// Wall time, the start of the sandbox included.
    pub wall: Duration,
    /// Memory resident at a time, and the stack.
    pub memory_bytes: u64,
    /// Bytes of standard output; also of any file, each.
    pub file_bytes: u64,
    /// Bytes in `/tmp`.
    pub tmp_bytes: u64,
    /// Processes and threads at a time.
    pub processes: u32,
}

/// What came out of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// CPU time, with some milliseconds of the sandbox's own. Of processes that nobody waits for only what was seen of
    /// them every 5 ms.
    pub cpu: Duration,
    /// Wall time, with some milliseconds of the sandbox's own.
    pub wall: Duration,
    /// Most memory resident at a time. What lives shorter than 5 ms is only seen if it is one process's; if that is
    /// less than the launcher's own few MiB, those are reported.
    pub memory_bytes: u64,
    /// Bytes of standard output.
    pub stdout_bytes: u64,
    /// The beginning of standard error.
    pub stderr: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// By itself, with this exit code; 128 + n usually means signal n.
    Exited(i32),
    /// It was killed for passing a limit.
    Killed(Limit),
}

/// The limit that a run was killed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// [`Limits::cpu`].
    Cpu,
    /// [`Limits::wall`].
    Wall,
    /// [`Limits::memory_bytes`].
    Memory,
}

impl Command {
    /// The same with host files to read from and to print to.
    #[must_use]
    pub fn with_files(self, stdin: Option<PathBuf>, stdout: Option<PathBuf>) -> Self {
        Self { stdin, stdout, ..self }
    }
}
