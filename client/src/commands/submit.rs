//! `warren submit PROBLEM FILE`.

use std::{path::Path, time::Duration};

use warren_proto::grading::{
    self, Language, SOURCE_BYTES_MAX, Submission, SubmissionRequest, SubmitReply, SubmitRequest,
};
use warren_rpc::CallOptions;

use super::Session;
use crate::{arguments::read_file, cli::Submit, failure::Failure, output};

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
    let SubmitReply { submission } = session.client.call_with::<grading::Submit>(&request, session.options()).await?;
    if !submit.wait {
        return session.output.value(&SubmitReply { submission });
    }
    let judged = wait(session, submission).await?;
    session.output.value_or(&judged, || output::verdict(&judged))
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
