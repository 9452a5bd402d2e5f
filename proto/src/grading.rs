//! Submissions and their verdicts.

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Event, Method};

use crate::Decimal;
pub use crate::{
    language::{Language, UnknownLanguage},
    verdict::Verdict,
};

/// Most bytes of a submission's source.
pub const SOURCE_BYTES_MAX: usize = 256 << 10;

/// Stores a submission and puts it in line. Returns at once: [`Wait`] waits for the verdict.
///
/// Idempotent: the call's id is kept with the submission, so a repeated call answers the same one.
#[derive(Debug)]
pub struct Submit;

impl Method for Submit {
    const NAME: &'static str = "grading.submit";
    const EFFECT: Effect = Effect::Repeatable;
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
    const EFFECT: Effect = Effect::Repeatable;
    type Request = SubmissionRequest;
    type Reply = Submission;
}

/// Tells what is known of a submission now.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "grading.get";
    const EFFECT: Effect = Effect::Repeatable;
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
    /// The most of its cases' [`CaseResult::time_ms`].
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

impl Judgement {
    /// The judgement of a submission that was run on no case: `CE` or `JE`. `message` is cut to
    /// [`MESSAGE_BYTES_MAX`], between two characters.
    #[must_use]
    pub fn without_cases(verdict: Verdict, message: &str, judged_by: &str) -> Self {
        let cut = message.floor_char_boundary(MESSAGE_BYTES_MAX);
        Self {
            verdict,
            score: Decimal::zero(),
            time_ms: 0,
            memory_bytes: 0,
            message: Some(message[..cut].to_owned()),
            judged_by: judged_by.to_owned(),
            groups: Vec::new(),
        }
    }
}

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
    /// CPU time; at least the time limit if the run was killed for its time, though it may have slept through it.
    /// 0 if it was not run.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_cut_between_characters() {
        let judgement = Judgement::without_cases(Verdict::Je, &"ñ".repeat(MESSAGE_BYTES_MAX), "grading-1");
        assert_eq!(judgement.verdict, Verdict::Je);
        assert_eq!(judgement.message.map(|message| message.len()), Some(MESSAGE_BYTES_MAX));
        let judgement = Judgement::without_cases(Verdict::Ce, "no main", "runner-1");
        assert_eq!(judgement.message.as_deref(), Some("no main"));
    }
}
