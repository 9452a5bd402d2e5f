//! Stored contests: what is refused, and what their boards are made of. No I/O.

use std::collections::{BTreeMap, HashSet};

use warren_host::ids::{check_name, quoted};
use warren_proto::{
    Decimal,
    contests::Contest,
    grading::{Submission, Verdict},
    scoreboard::{Audience, ComputeRequest, PenaltyType, Rules, Run},
};
use warren_rpc::Status;

use crate::{
    limits::CONTEST_BYTES_MAX,
    validate::{self, wrong},
};

/// Most characters of a contest's title.
const TITLE_CHARS_MAX: usize = 200;

/// Checks a contest before it is stored.
pub(crate) fn check(contest: &Contest) -> Result<(), Status> {
    check_name("contest", &contest.contest)?;
    if contest.title.trim().is_empty() || contest.title.chars().count() > TITLE_CHARS_MAX {
        return Err(wrong("title", format!("must have 1 to {TITLE_CHARS_MAX} characters")));
    }
    validate::rules(&contest.rules)?;
    if let Rules::Points { penalty_type: PenaltyType::ProblemOpen, .. } = contest.rules {
        let why = "\"problem_open\" needs to know when contestants open problems, which grading does not record";
        return Err(wrong("rules.penalty_type", format!("{why}; allowed are none, runtime and contest_start")));
    }
    validate::span(contest.duration_ms, contest.freeze_ms)?;
    for (index, problem) in contest.problems.iter().enumerate() {
        check_name(format_args!("problems[{index}].id"), &problem.id)?;
    }
    validate::participants(&contest.problems, &contest.contestants)?;
    // Defaults that the request left out are in the answer.
    let bytes = serde_json::to_vec(contest).map_or(usize::MAX, |json| json.len());
    if bytes > CONTEST_BYTES_MAX {
        return Err(Status::invalid_argument(format!(
            "the contest: at most {CONTEST_BYTES_MAX} bytes as JSON, not {bytes}"
        )));
    }
    Ok(())
}

/// What is kept of a contest's submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRun {
    pub(crate) submission: String,
    pub(crate) contest: String,
    pub(crate) contestant: String,
    pub(crate) problem: String,
    pub(crate) submitted_at_ms: i64,
    pub(crate) judgement: Option<StoredJudgement>,
}

/// What is kept of a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredJudgement {
    pub(crate) verdict: Verdict,
    pub(crate) score: Decimal,
    pub(crate) groups: BTreeMap<String, Decimal>,
    pub(crate) runtime_ms: u64,
}

impl StoredRun {
    /// What to keep of an event's submission; nothing of practice.
    ///
    /// # Errors
    ///
    /// `invalid_argument` for what no board can show: nobody's submission, or more than all points.
    pub(crate) fn from_event(submission: Submission) -> Result<Option<Self>, Status> {
        let Some(contest) = submission.contest else { return Ok(None) };
        let Some(contestant) = submission.contestant else {
            return Err(wrong("contestant", "a contest's submission needs one"));
        };
        let judgement = submission.judgement.map(|judgement| StoredJudgement {
            verdict: judgement.verdict,
            score: judgement.score,
            groups: judgement.groups.into_iter().map(|group| (group.group, group.score)).collect(),
            runtime_ms: judgement.time_ms,
        });
        if let Some(judgement) = &judgement {
            validate::share(|| "judgement.score".to_owned(), &judgement.score)?;
            for (group, score) in &judgement.groups {
                validate::share(|| format!("judgement.groups[{}].score", quoted(group)), score)?;
            }
            validate::runtime(|| "judgement.time_ms".to_owned(), judgement.runtime_ms)?;
        }
        Ok(Some(Self {
            submission: submission.submission,
            contest,
            contestant,
            problem: submission.problem,
            submitted_at_ms: submission.submitted_at_ms,
            judgement,
        }))
    }

    /// The run as [`ComputeRequest`] takes it; nothing if it is from before the start.
    fn into_run(self, starts_at_ms: i64) -> Option<Run> {
        let time_ms = u64::try_from(self.submitted_at_ms.checked_sub(starts_at_ms)?).ok()?;
        let (verdict, score, groups, runtime_ms) = match self.judgement {
            Some(judged) => (Some(judged.verdict), Some(judged.score), judged.groups, judged.runtime_ms),
            None => (None, None, BTreeMap::new(), 0),
        };
        let (id, contestant, problem) = (self.submission, self.contestant, self.problem);
        Some(Run { id, contestant, problem, time_ms, verdict, score, groups, runtime_ms, opened_ms: 0 })
    }
}

/// The request whose board is the contest's, for an audience. Runs from before the start, and of contestants or
/// problems that the contest does not name, are left out.
pub(crate) fn request(contest: Contest, stored: Vec<StoredRun>, audience: Audience) -> ComputeRequest {
    let contestants: HashSet<&str> = contest.contestants.iter().map(|contestant| contestant.id.as_str()).collect();
    let problems: HashSet<&str> = contest.problems.iter().map(|problem| problem.id.as_str()).collect();
    let mut runs = Vec::with_capacity(stored.len());
    for run in stored {
        let submission = run.submission.clone();
        let takes_part = contestants.contains(run.contestant.as_str()) && problems.contains(run.problem.as_str());
        match run.into_run(contest.starts_at_ms).filter(|_| takes_part) {
            Some(run) => runs.push(run),
            None => tracing::debug!(contest = contest.contest, submission, "left out of the board"),
        }
    }
    ComputeRequest {
        rules: contest.rules,
        duration_ms: contest.duration_ms,
        freeze_ms: contest.freeze_ms.filter(|_| !contest.thawed),
        audience,
        problems: contest.problems,
        contestants: contest.contestants,
        runs,
    }
}

/// Whether the public sees no verdicts now: the freeze has begun, and nobody has ended it.
pub(crate) fn is_frozen(contest: &Contest, now_ms: i64) -> bool {
    let elapsed_ms = now_ms.saturating_sub(contest.starts_at_ms);
    let reached = |freeze_ms| u64::try_from(elapsed_ms).is_ok_and(|elapsed_ms| elapsed_ms >= freeze_ms);
    !contest.thawed && contest.freeze_ms.is_some_and(reached)
}

#[cfg(test)]
mod tests;
