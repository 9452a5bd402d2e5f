//! `warren submit PROBLEM FILE`.

use std::{path::Path, time::Duration};

use warren_proto::{
    contests,
    grading::{self, Language, SOURCE_BYTES_MAX, Submission, SubmissionRequest, SubmitReply, SubmitRequest},
};
use warren_rpc::{CallError, CallOptions, Code};

use super::Session;
use crate::{
    arguments::read_file,
    cli::Submit,
    failure::{Exit, Failure},
    output,
};

/// How long `--wait` waits if `--timeout` does not say otherwise: a compile, all cases, and others in line.
const WAIT: Duration = Duration::from_secs(120);

pub(super) async fn run(session: &Session, submit: &Submit) -> Result<(), Failure> {
    let request = SubmitRequest {
        problem: submit.problem.clone(),
        language: language(submit)?,
        source: read_source(&submit.file)?,
        contest: submit.contest.clone(),
        contestant: submit.contestant.clone(),
        submitted_at_ms: None,
    };
    if let Some(contest) = &submit.contest {
        check_contest(session, submit, contest).await?;
    }
    let SubmitReply { submission } = session.client.call_with::<grading::Submit>(&request, session.options()).await?;
    if !submit.wait {
        return session.output.value(&SubmitReply { submission });
    }
    let judged = wait(session, submission).await?;
    session.output.value_or(&judged, || output::verdict(&judged))
}

/// A submission for a contest that is not there would be judged, and stand on no board. Grading knows no contests, so
/// this is looked up where they are kept; if nobody keeps any here, the submission goes its way.
async fn check_contest(session: &Session, submit: &Submit, id: &str) -> Result<(), Failure> {
    let request = contests::GetRequest { contest: id.to_owned() };
    let contest = match session.client.call_with::<contests::Get>(&request, session.options()).await {
        Ok(contest) => contest,
        Err(CallError::Unroutable { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let refuse = |message: String| Err(Failure::new(Exit::Status(Code::NotFound), message));
    if !contest.problems.iter().any(|problem| problem.id == submit.problem) {
        return refuse(format!("problem: {:?} is not of the contest {id:?}", submit.problem));
    }
    match &submit.contestant {
        Some(contestant) if !contest.contestants.iter().any(|known| known.id == *contestant) => {
            refuse(format!("contestant: {contestant:?} does not take part in {id:?}"))
        }
        _ => Ok(()),
    }
}

/// Waits for a verdict.
pub(super) async fn wait(session: &Session, submission: String) -> Result<Submission, Failure> {
    let options = CallOptions { deadline: session.timeout.unwrap_or(WAIT), ..CallOptions::default() };
    Ok(session.client.call_with::<grading::Wait>(&SubmissionRequest { submission }, options).await?)
}

fn language(submit: &Submit) -> Result<Language, Failure> {
    if let Some(name) = &submit.language {
        return name.parse().map_err(|error| Failure::usage(format!("--language: {error}")));
    }
    let extension = submit.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Language::from_extension(extension).ok_or_else(|| {
        Failure::usage(format!("{}: the language cannot be told from the file's ending", submit.file.display()))
            .with_hint(format!("--language says: {}", Language::ALL.map(Language::name).join(", ")))
    })
}

/// Reads a source; looks at its size first, so that a wrong file is not read whole.
fn read_source(file: &Path) -> Result<String, Failure> {
    let metadata = file.metadata().map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
    if metadata.len() > SOURCE_BYTES_MAX as u64 {
        let bytes = metadata.len();
        return Err(Failure::usage(format!("source: {bytes} bytes in {}, at most {SOURCE_BYTES_MAX}", file.display())));
    }
    read_file(file)
}
