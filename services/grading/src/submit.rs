//! `grading.submit`.

use std::sync::Arc;

use uuid::Uuid;
use warren_host::{clock, digest::sha256_hex, ids};
use warren_proto::grading::{SOURCE_BYTES_MAX, SubmitReply, SubmitRequest};
use warren_rpc::{Context, Status};

use crate::{
    names,
    state::State,
    store::{NewSubmission, Stored},
};

/// The last instant of the year 9999: later ones are a mistake in the unit.
const INSTANT_MS_MAX: i64 = 253_402_300_799_999;

pub(crate) async fn submit(state: Arc<State>, context: Context, request: SubmitRequest) -> Result<SubmitReply, Status> {
    store(&state, context.call_id(), &request).await
}

/// Stores a request that came under a call's id, once.
pub(crate) async fn store(state: &State, call_id: &str, request: &SubmitRequest) -> Result<SubmitReply, Status> {
    check(request)?;
    let submission = Uuid::now_v7().to_string();
    let new = NewSubmission {
        id: &submission,
        call_id,
        request_sha256: &sha256_of(request)?,
        request,
        received_at_ms: clock::now_ms(),
    };
    match state.store.submit(&new).await? {
        Stored::New => {
            state.queued.raise();
            state.committed.raise();
            Ok(SubmitReply { submission })
        }
        Stored::Repeated(submission) => Ok(SubmitReply { submission }),
        Stored::OtherRequest => {
            let text = "the same call id was here with another request: a new submission needs a new id";
            Err(Status::failed_precondition(text))
        }
        Stored::NoSuchProblem(known) => Err(names::no_such_problem(&request.problem, &known)),
    }
}

/// What makes two requests the same: every field of them.
fn sha256_of(request: &SubmitRequest) -> Result<String, Status> {
    let text = serde_json::to_vec(request).map_err(|error| {
        tracing::error!(%error, "a request cannot be written as JSON");
        Status::internal("the request cannot be stored")
    })?;
    Ok(sha256_hex(&text))
}

/// Says what is wrong with a request, by field.
fn check(request: &SubmitRequest) -> Result<(), Status> {
    ids::check_name("problem", &request.problem)?;
    check_source(&request.source)?;
    if let Some(contest) = &request.contest {
        ids::check_name("contest", contest)?;
    }
    match &request.contestant {
        Some(contestant) => ids::check_person("contestant", contestant)?,
        None if request.contest.is_some() => {
            return Err(Status::invalid_argument("contestant: a contest's submission needs one"));
        }
        None => {}
    }
    match request.submitted_at_ms {
        Some(at) if !(0..=INSTANT_MS_MAX).contains(&at) => Err(Status::invalid_argument(format!(
            "submitted_at_ms: {at} is not in 0 to {INSTANT_MS_MAX} (milliseconds since 1970)"
        ))),
        _ => Ok(()),
    }
}

fn check_source(source: &str) -> Result<(), Status> {
    if source.len() > SOURCE_BYTES_MAX {
        let text = format!("source: {} bytes, at most {SOURCE_BYTES_MAX}", source.len());
        return Err(Status::invalid_argument(text));
    }
    if source.trim().is_empty() {
        return Err(Status::invalid_argument("source: is empty"));
    }
    match source.lines().position(|line| line.contains('\0')) {
        Some(index) => Err(Status::invalid_argument(format!(
            "source: a NUL character in line {}: this is no program text",
            index + 1
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use warren_proto::grading::Language;
    use warren_rpc::Code;

    use super::*;

    fn request() -> SubmitRequest {
        SubmitRequest {
            problem: "sum".to_owned(),
            language: Language::Python,
            source: "print(5)".to_owned(),
            contest: None,
            contestant: None,
            submitted_at_ms: None,
        }
    }

    /// The message for a request that is wrong in one thing.
    fn refusal(wrong: impl FnOnce(&mut SubmitRequest)) -> String {
        let mut request = request();
        wrong(&mut request);
        let status = check(&request).expect_err("it is wrong");
        assert_eq!(status.code, Code::InvalidArgument);
        status.message
    }

    #[test]
    fn a_right_request_is_taken() {
        assert!(check(&request()).is_ok());
        let contest = Some("spring".to_owned());
        assert!(check(&SubmitRequest { contest, contestant: Some("ana".to_owned()), ..request() }).is_ok());
    }

    #[test]
    fn a_source_that_is_too_long_is_told_by_how_much() {
        let message = refusal(|request| request.source = "x".repeat(300_000));
        assert_eq!(message, "source: 300000 bytes, at most 262144");
    }

    #[test]
    fn an_empty_source_and_nul_bytes_are_refused() {
        assert_eq!(refusal(|request| request.source = " \n".to_owned()), "source: is empty");
        let message = refusal(|request| request.source = "a\nb\0".to_owned());
        assert_eq!(message, "source: a NUL character in line 2: this is no program text");
    }

    #[test]
    fn a_contest_needs_a_contestant() {
        let message = refusal(|request| request.contest = Some("spring".to_owned()));
        assert_eq!(message, "contestant: a contest's submission needs one");
    }

    #[test]
    fn wrong_ids_and_instants_name_their_field() {
        assert!(refusal(|request| request.problem = "a b".to_owned()).starts_with("problem: \"a b\""));
        assert!(refusal(|request| request.contest = Some(String::new())).starts_with("contest: \"\""));
        assert!(refusal(|request| request.contestant = Some("\n".to_owned())).starts_with("contestant: "));
        assert!(refusal(|request| request.submitted_at_ms = Some(-1)).starts_with("submitted_at_ms: -1"));
        assert!(refusal(|request| request.submitted_at_ms = Some(i64::MAX)).starts_with("submitted_at_ms: "));
    }

    #[test]
    fn requests_that_differ_in_anything_have_another_hash() {
        let other = SubmitRequest { submitted_at_ms: Some(0), ..request() };
        assert_eq!(sha256_of(&request()).unwrap(), sha256_of(&request()).unwrap());
        assert_ne!(sha256_of(&request()).unwrap(), sha256_of(&other).unwrap());
    }
}
