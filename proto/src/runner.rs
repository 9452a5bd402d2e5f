//! What grading asks of a runner. A runner keeps no state but a cache of packages.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Method};

use crate::grading::{Judgement, Language};

/// What compiling may take, of CPU time and of wall time each; more is `CE`.
pub const COMPILE_TIME_MAX: Duration = Duration::from_secs(30);

/// What compiling may take of memory; more is `CE`.
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 1 << 30;

/// Compiles a submission, runs it on every case in the sandbox and judges what it printed.
///
/// A package that the runner has not got is fetched by `problems.fetch`, once.
///
/// Answers `aborted` to a request that another runner had before and did not answer: it may be what ended that runner,
/// so whoever asks counts the attempt and asks anew, or gives up.
#[derive(Debug)]
pub struct Judge;

impl Method for Judge {
    const NAME: &'static str = "runner.judge";
    const EFFECT: Effect = Effect::Repeatable;
    type Request = JudgeRequest;
    type Reply = JudgeReply;
}

/// What [`Judge`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRequest {
    /// This attempt at judging, unique: a late result of an older one is refused.
    pub attempt: String,
    /// The problem's name, for messages.
    pub problem: String,
    /// The version of its package.
    pub package_sha256: String,
    /// The source's language.
    pub language: Language,
    /// The program.
    pub source: String,
}

/// What [`Judge`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JudgeReply {
    /// [`JudgeRequest::attempt`].
    pub attempt: String,
    /// What came out.
    pub judgement: Judgement,
}
