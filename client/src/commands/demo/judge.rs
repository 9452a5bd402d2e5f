//! Hands the demo's submissions in, and prints each verdict as it comes.

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use warren_proto::grading::{self, Judgement, Submission, SubmissionRequest, Verdict};
use warren_rpc::CallOptions;

use super::{
    super::Session,
    script::{Script, Scripted},
};
use crate::{
    cli::Form,
    failure::{Exit, Failure},
    output::{mebibytes, print},
};

/// Longest the demo waits for a verdict: on a slow machine all submissions stand in line before the last.
const WAIT: Duration = Duration::from_secs(15 * 60);

/// A verdict, and whether it is the one that the example says.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) submission: Submission,
    pub(super) as_expected: bool,
}

impl Outcome {
    /// Whether a board by points counts it as a try.
    pub(super) fn counts(&self) -> bool {
        let verdict = self.submission.judgement.as_ref().map(|judgement| judgement.verdict);
        !matches!(verdict, None | Some(Verdict::Ce | Verdict::Je | Verdict::Ve))
    }
}

pub(super) async fn all(session: &Session, script: &Script) -> Result<Vec<Outcome>, Failure> {
    let mut waiting = FuturesUnordered::new();
    for scripted in &script.submissions {
        let handed_in =
            session.client.call_with::<grading::Submit>(&script.request(scripted)?, session.options()).await?;
        waiting.push(wait(session, handed_in.submission, scripted));
    }
    let mut judged = Vec::new();
    while let Some(outcome) = waiting.next().await {
        let outcome = outcome?;
        if session.output.form != Form::Json {
            print(&line(&outcome))?;
        }
        judged.push(outcome);
    }
    judged.sort_by_key(|outcome| outcome.submission.submitted_at_ms);
    Ok(judged)
}

async fn wait(session: &Session, submission: String, scripted: &Scripted) -> Result<Outcome, Failure> {
    let options = CallOptions { deadline: session.timeout.unwrap_or(WAIT), ..CallOptions::default() };
    let submission = session.client.call_with::<grading::Wait>(&SubmissionRequest { submission }, options).await?;
    let Some(judgement) = &submission.judgement else {
        return Err(Failure::new(Exit::Internal, "grading.wait answered without a judgement"));
    };
    let as_expected = judgement.verdict == scripted.verdict && judgement.score == scripted.score;
    Ok(Outcome { as_expected, submission })
}

fn line(outcome: &Outcome) -> String {
    let Submission { problem, language, contestant, judgement, .. } = &outcome.submission;
    let Some(Judgement { verdict, score, time_ms, memory_bytes, .. }) = judgement else {
        return String::new();
    };
    let memory = mebibytes(*memory_bytes);
    let contestant = contestant.as_deref().unwrap_or_default();
    let unexpected = if outcome.as_expected { "" } else { "  (not what the example says)" };
    format!(
        "{contestant:<8} {problem:<6} {:<7} {:<4} {:>4} {time_ms:>5} ms {memory:>6} MiB{unexpected}",
        language.name(),
        verdict.name(),
        score.to_string()
    )
}
