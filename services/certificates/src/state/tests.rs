use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;
use warren_proto::certificates::Kind;

use super::*;

async fn open(dir: &tempfile::TempDir) -> State {
    State::open(dir.path(), Options::default()).await.unwrap()
}

/// A request for the first place.
fn request(person: &str) -> IssueRequest {
    IssueRequest {
        contest: "spring".to_owned(),
        contest_title: "Spring Cup".to_owned(),
        person: person.to_owned(),
        name: "Ana Ñandú".to_owned(),
        place: Some(1),
        date: Some("2024-03-09".to_owned()),
    }
}

#[tokio::test]
async fn asking_again_answers_what_was_printed_first() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let first = state.issue(request("ana")).await.unwrap();
    let file = state.get(&first.code).await.unwrap();
    let changed = IssueRequest {
        contest_title: "Autumn Cup".to_owned(),
        name: "Ana María".to_owned(),
        place: Some(2),
        date: None,
        ..request("ana")
    };
    assert_eq!(state.issue(changed).await.unwrap(), first);
    assert_eq!(state.get(&first.code).await.unwrap().pdf, file.pdf);
    assert_eq!((first.name.as_str(), first.place, first.date.as_str()), ("Ana Ñandú", Some(1), "2024-03-09"));
}

#[tokio::test]
async fn certificates_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let before = open(&dir).await;
    let issued = before.issue(request("ana")).await.unwrap();
    let file = before.get(&issued.code).await.unwrap().pdf;
    drop(before);

    let after = open(&dir).await;
    let got = after.get(&issued.code).await.unwrap();
    assert_eq!((&got.certificate, &got.pdf), (&issued, &file));
    assert_eq!(after.issue(request("ana")).await.unwrap(), issued);
}

#[tokio::test]
async fn a_place_and_participation_are_two_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let place = state.issue(request("ana")).await.unwrap();
    let participation = state.issue(IssueRequest { place: None, ..request("ana") }).await.unwrap();
    assert_eq!((place.kind, participation.kind), (Kind::Place, Kind::Participation));
    assert_ne!(place.code, participation.code);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_issues_at_once_every_caller_gets_the_same_certificate() {
    let dir = tempfile::tempdir().unwrap();
    // Two openings of one file: two processes on one machine.
    let states = [Arc::new(open(&dir).await), Arc::new(open(&dir).await)];
    let mut issues = JoinSet::new();
    for (index, state) in states.iter().cycle().take(16).cloned().enumerate() {
        issues.spawn(async move {
            let named = IssueRequest { name: format!("Ana {index}"), ..request("ana") };
            state.issue(named).await.unwrap()
        });
    }
    let issued = issues.join_all().await;
    assert_eq!(issued.iter().map(|certificate| &certificate.code).collect::<HashSet<_>>().len(), 1);
    assert!(issued.iter().all(|certificate| *certificate == issued[0]));
    assert!(states[1].verify(&issued[0].code).await.unwrap().valid);
}

#[tokio::test]
async fn verifying_is_always_an_answer_and_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let issued = state.issue(request("ana")).await.unwrap();

    let typed = issued.code.replace('-', " ").to_lowercase();
    let genuine = state.verify(&typed).await.unwrap();
    assert_eq!((genuine.valid, genuine.reason, genuine.certificate), (true, None, Some(issued.clone())));

    let mut mistyped = issued.code.clone().into_bytes();
    mistyped[0] = if mistyped[0] == b'2' { b'3' } else { b'2' };
    let mistyped = String::from_utf8(mistyped).unwrap();
    for (code, reason) in [
        (mistyped.as_str(), "check symbol does not fit"),
        ("0123-4567-89BC-DFGM", "well formed, but no certificate"),
        ("469CGJPGR9", "omegaUp"),
        ("hello", "not a certificate code"),
        ("", "not a certificate code"),
    ] {
        let answer = state.verify(code).await.unwrap();
        assert!(!answer.valid && answer.certificate.is_none(), "{code}");
        assert!(answer.reason.as_ref().is_some_and(|told| told.contains(reason)), "{code}: {:?}", answer.reason);
        let refused = state.get(code).await.unwrap_err();
        assert_eq!((refused.code, Some(refused.message)), (warren_rpc::Code::NotFound, answer.reason));
    }
}

#[tokio::test]
async fn a_wrong_request_is_refused_and_issues_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let refused = state.issue(IssueRequest { place: Some(0), ..request("ana") }).await.unwrap_err();
    assert_eq!(refused.code, warren_rpc::Code::InvalidArgument);
    assert!(refused.message.starts_with("place: "), "{}", refused.message);
}

fn same_code() -> Result<Code, getrandom::Error> {
    let Ok(Reading::Ours(code)) = code::read("0123-4567-89BC-DFGM") else { unreachable!("it is well formed") };
    Ok(code)
}

/// The taken code twice, then new ones.
fn unlucky() -> Result<Code, getrandom::Error> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::Relaxed) < 2 { same_code() } else { Code::generate() }
}

#[tokio::test]
async fn a_taken_code_is_replaced_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir).await;
    state.new_code = same_code;
    let first = state.issue(request("ana")).await.unwrap();
    state.new_code = unlucky;
    let second = state.issue(request("bo")).await.unwrap();
    assert_eq!(first.code, "0123-4567-89BC-DFGM");
    assert_ne!(first.code, second.code);
    assert_eq!(state.get(&first.code).await.unwrap().certificate, first);
}

#[tokio::test]
async fn a_generator_that_repeats_itself_ends_the_call_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = open(&dir).await;
    state.new_code = same_code;
    let first = state.issue(request("ana")).await.unwrap();
    let refused = state.issue(request("bo")).await.unwrap_err();
    assert_eq!(refused.code, warren_rpc::Code::Unavailable);
    assert_eq!(state.issue(request("ana")).await.unwrap(), first);
    state.store.close().await;
}

#[tokio::test]
async fn a_link_prefix_that_no_qr_code_should_carry_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for prefix in ["x".repeat(LINK_PREFIX_BYTES_MAX + 1), "https://a b/".to_owned(), "https://é/".to_owned()] {
        let refused = State::open(dir.path(), Options { link_prefix: prefix }).await;
        assert!(matches!(refused, Err(SetupError::LinkPrefix { .. })));
    }
}
