//! What grading asks of a runner. A runner keeps no state but a cache of packages.

use serde::{Deserialize, Serialize};
use warren_rpc::Method;

use crate::grading::{Judgement, Language};

/// Compiles a submission, runs it on every case in the sandbox and judges what it printed.
///
/// A package that the runner has not got is fetched by `problems.fetch`, once.
#[derive(Debug)]
pub struct Judge;

impl Method for Judge {
    const NAME: &'static str = "runner.judge";
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
