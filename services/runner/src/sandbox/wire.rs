//! What runner and launcher tell each other: a JSON argument there, a JSON line back.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Command, Limits, Outcome, Scratch, bubblewrap};

/// A run, for the launcher.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    /// bubblewrap's arguments, up to the program and its own.
    pub(super) bwrap: Vec<String>,
    /// The program and its arguments.
    pub(super) program: Vec<String>,
    pub(super) stdin: Option<PathBuf>,
    pub(super) stdout: Option<PathBuf>,
    pub(super) limits: Limits,
    /// The user and group to become; absent: stay who we are.
    pub(super) user: Option<u32>,
}

impl Spec {
    pub(super) fn new(scratch: &Scratch, command: &Command) -> Self {
        Self {
            bwrap: bubblewrap::arguments(&scratch.files(), command.access, command.limits.tmp_bytes),
            program: std::iter::once(&command.program).chain(&command.args).cloned().collect(),
            stdin: command.stdin.clone(),
            stdout: command.stdout.clone(),
            limits: command.limits,
            user: scratch.user(),
        }
    }
}

/// What the launcher answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// The program ran.
    Finished(Outcome),
    /// It was not started, and why.
    Failed(String),
}
