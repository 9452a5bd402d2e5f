//! Submissions and their verdicts.

use std::fmt;

use serde::{Deserialize, Serialize};
use warren_rpc::{Event, Method};

use crate::Decimal;

/// Most bytes of a submission's source.
pub const SOURCE_BYTES_MAX: usize = 256 << 10;

/// The languages a submission may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// C17.
    C,
    /// C++20.
    Cpp,
    /// Python 3.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::C, Self::Cpp, Self::Python];

    /// The name on the wire and on the command line: `cpp`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Python => "python",
        }
    }

    /// The language that a file of this ending (without the dot) is usually in.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "c" => Some(Self::C),
            "cpp" | "cc" | "cxx" => Some(Self::Cpp),
            "py" => Some(Self::Python),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a judge says of a run, worst first (omegaUp's order): a submission's verdict is the worst of its cases'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Judge error: nobody's fault but the judge's. Pages an operator.
    Je,
    /// Compile error.
    Ce,
    /// Restricted function: the program tried what the sandbox forbids.
    Rfe,
    /// Validator error.
    Ve,
    /// Memory limit exceeded.
    Mle,
    /// Run-time error: a signal, or an exit code other than 0.
    Rte,
    /// Time limit exceeded.
    Tle,
    /// Output limit exceeded.
    Ole,
    /// Wrong answer.
    Wa,
    /// Partially accepted.
    Pa,
    /// Accepted.
    Ac,
}

impl Verdict {
    /// All of them, worst first.
    pub const ALL: [Self; 11] = [
        Self::Je,
        Self::Ce,
        Self::Rfe,
        Self::Ve,
        Self::Mle,
        Self::Rte,
        Self::Tle,
        Self::Ole,
        Self::Wa,
        Self::Pa,
        Self::Ac,
    ];

    /// The two or three letters on the wire and on a board: `AC`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Je => "JE",
            Self::Ce => "CE",
            Self::Rfe => "RFE",
            Self::Ve => "VE",
            Self::Mle => "MLE",
            Self::Rte => "RTE",
            Self::Tle => "TLE",
            Self::Ole => "OLE",
            Self::Wa => "WA",
            Self::Pa => "PA",
            Self::Ac => "AC",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Stores a submission and puts it in line. Returns at once: [`Wait`] waits for the verdict.
///
/// Idempotent: the call's id is kept with the submission, so a repeated call answers the same one.
#[derive(Debug)]
pub struct Submit;

impl Method for Submit {
    const NAME: &'static str = "grading.submit";
    type Request = SubmitRequest;
    type Reply = SubmitReply;
}

/// What [`Submit`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitRequest {
    /// A stored problem's name.
    pub problem: String,
    /// The source's language.
    pub language: Language,
    /// The program, at most [`SOURCE_BYTES_MAX`].
    pub source: String,
    /// The contest it counts for; absent: practice.
    #[serde(default)]
    pub contest: Option<String>,
    /// Who hands it in; needed with `contest`.
    #[serde(default)]
    pub contestant: Option<String>,
    /// When it was handed in; absent: now. For replaying a contest.
    #[serde(default)]
    pub submitted_at_ms: Option<i64>,
}

/// What [`Submit`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SubmitReply {
    /// The submission's id.
    pub submission: String,
}

/// Waits until a submission is judged. Ends `deadline_exceeded` if that is not within the call's deadline;
/// the submission goes on, and waiting again is right.
#[derive(Debug)]
pub struct Wait;

impl Method for Wait {
    const NAME: &'static str = "grading.wait";
    type Request = SubmissionRequest;
    type Reply = Submission;
}

/// Tells what is known of a submission now.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "grading.get";
    type Request = SubmissionRequest;
    type Reply = Submission;
}

/// What [`Wait`] and [`Get`] take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmissionRequest {
    /// [`SubmitReply::submission`].
    pub submission: String,
}

/// A submission without its source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// Its id.
    pub submission: String,
    /// The problem's name.
    pub problem: String,
    /// The source's language.
    pub language: Language,
    /// The contest it counts for.
    pub contest: Option<String>,
    /// Who handed it in.
    pub contestant: Option<String>,
    /// When it was handed in.
    pub submitted_at_ms: i64,
    /// What the judge said; absent: not judged yet.
    pub judgement: Option<Judgement>,
}

/// What came out of a submission.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The worst of the cases' verdicts.
    pub verdict: Verdict,
    /// Share of the problem's points, 0 to 1.
    pub score: Decimal,
    /// The most CPU time of a case.
    pub time_ms: u64,
    /// The most memory of a case.
    pub memory_bytes: u64,
    /// What the compiler (or, for `JE`, the judge) said, cut to [`MESSAGE_BYTES_MAX`].
    pub message: Option<String>,
    /// The instance that ran it.
    pub judged_by: String,
    /// Groups in the order of judging, each with its cases.
    pub groups: Vec<GroupResult>,
}

/// Most bytes of [`Judgement::message`].
pub const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// What came out of a group of cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupResult {
    /// Its name.
    pub group: String,
    /// Its share of the problem's points that was won.
    pub score: Decimal,
    /// Its cases.
    pub cases: Vec<CaseResult>,
}

/// What came out of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// Share of the case's own points, 0 to 1.
    pub score: Decimal,
    /// CPU time.
    pub time_ms: u64,
    /// Wall time.
    pub wall_ms: u64,
    /// Most memory resident at a time.
    pub memory_bytes: u64,
}

/// A contest's submission is stored and in line: boards count it as pending.
#[derive(Debug)]
pub struct Submitted;

impl Event for Submitted {
    const KEY: &'static str = "grading.submitted";
    type Body = Submission;
}

/// A submission has its verdict.
#[derive(Debug)]
pub struct Judged;

impl Event for Judged {
    const KEY: &'static str = "grading.judged";
    type Body = Submission;
}
