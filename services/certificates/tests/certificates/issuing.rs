//! Issued once, kept for ever.

use std::{collections::HashSet, sync::Arc};

use tokio::task::JoinSet;
use warren_certificates::{Options, State};
use warren_proto::certificates::{IssueRequest, Kind};
use warren_rpc::Code;

use crate::request;

async fn open(dir: &tempfile::TempDir) -> State {
    State::open(dir.path(), Options::default()).await.expect("the store opens")
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
        assert_eq!((refused.code, Some(refused.message)), (Code::NotFound, answer.reason));
    }
}

#[tokio::test]
async fn a_wrong_request_is_refused_and_issues_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = open(&dir).await;
    let refused = state.issue(IssueRequest { place: Some(0), ..request("ana") }).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    assert!(refused.message.starts_with("place: "), "{}", refused.message);
}
