use std::collections::HashSet;

use tempfile::TempDir;
use warren_proto::{
    Decimal,
    grading::{Judgement, Language, SubmitRequest, Verdict},
    problems::{Limits, Problem},
};

use super::*;

const NOW: i64 = 1_700_000_000_000;
const LEASE: i64 = NOW + 30_000;

/// A store in a folder of its own, with the problem `sum`.
pub(crate) async fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("grading.sqlite")).await.unwrap();
    store.put_problem(&package("sum", "aa", b"0123456789")).await.unwrap();
    (folder, store)
}

pub(crate) fn package(name: &str, sha256: &str, bytes: &[u8]) -> NewPackage {
    let limits = Limits { time_ms: 1_000, memory_bytes: 1 << 25, output_bytes: 1 << 14, overall_wall_ms: 60_000 };
    let info = Problem {
        problem: name.to_owned(),
        package_sha256: sha256.to_owned(),
        package_bytes: bytes.len() as u64,
        cases: Vec::new(),
        limits,
        validator: "token".to_owned(),
    };
    NewPackage { info, bytes: bytes.to_vec() }
}

pub(crate) fn practice() -> SubmitRequest {
    SubmitRequest {
        problem: "sum".to_owned(),
        language: Language::Python,
        source: "print(5)".to_owned(),
        contest: None,
        contestant: None,
        submitted_at_ms: None,
    }
}

pub(crate) fn by(contestant: &str) -> SubmitRequest {
    SubmitRequest { contest: Some("spring".to_owned()), contestant: Some(contestant.to_owned()), ..practice() }
}

pub(crate) fn judgement(verdict: Verdict) -> Judgement {
    Judgement {
        verdict,
        score: Decimal::zero(),
        time_ms: 1,
        memory_bytes: 2,
        message: None,
        judged_by: "runner-1".to_owned(),
        groups: Vec::new(),
    }
}

/// Until when a submission is claimed.
pub(crate) async fn lease_of(store: &Store, id: &str) -> Option<i64> {
    let lease = sqlx::query_scalar("SELECT lease_until_ms FROM submissions WHERE id = ?1").bind(id);
    lease.fetch_one(&store.pool).await.unwrap()
}

/// From here on the store fails to take a verdict, until [`take_verdicts`].
pub(crate) async fn refuse_verdicts(store: &Store) {
    let trigger = "CREATE TRIGGER refused BEFORE UPDATE ON submissions WHEN NEW.state = 'judged' \
                   BEGIN SELECT RAISE(ABORT, 'refused'); END";
    sqlx::query(trigger).execute(&store.pool).await.unwrap();
}

pub(crate) async fn take_verdicts(store: &Store) {
    sqlx::query("DROP TRIGGER refused").execute(&store.pool).await.unwrap();
}

async fn submit(store: &Store, id: &str, request: &SubmitRequest, received_at_ms: i64) -> Stored {
    let new = NewSubmission { id, call_id: id, request_sha256: "h", request, received_at_ms };
    store.submit(&new).await.unwrap()
}

async fn claim_all(store: &Store) -> Vec<Claim> {
    store.claim("d1", 100, NOW, LEASE).await.unwrap()
}

fn ids(claims: &[Claim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.submission.as_str()).collect()
}

async fn finish(store: &Store, claim: &Claim, verdict: Verdict) -> bool {
    let judgement = judgement(verdict);
    store.finish(&claim.request.attempt, AttemptOutcome::Judged, None, &judgement).await.unwrap()
}

#[tokio::test]
async fn the_same_call_hands_in_one_submission() {
    let (_folder, store) = store().await;
    let request = practice();
    let new = |id, hash| NewSubmission {
        id,
        call_id: "call-1",
        request_sha256: hash,
        request: &request,
        received_at_ms: NOW,
    };
    assert_eq!(store.submit(&new("s1", "h1")).await.unwrap(), Stored::New);
    assert_eq!(store.submit(&new("s2", "h1")).await.unwrap(), Stored::Repeated("s1".to_owned()));
    assert_eq!(store.submit(&new("s3", "h2")).await.unwrap(), Stored::OtherRequest);
    assert_eq!(ids(&claim_all(&store).await), ["s1"]);
}

#[tokio::test]
async fn an_unknown_problem_is_answered_with_the_known_ones() {
    let (_folder, store) = store().await;
    let request = SubmitRequest { problem: "smu".to_owned(), ..practice() };
    assert_eq!(submit(&store, "s1", &request, NOW).await, Stored::NoSuchProblem(vec!["sum".to_owned()]));
}

#[tokio::test]
async fn only_a_contests_submission_is_told_and_the_event_is_committed_with_it() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    assert!(!store.has_events().await.unwrap());
    submit(&store, "s2", &SubmitRequest { submitted_at_ms: Some(7), ..by("ana") }, NOW).await;
    let events = store.outbox(10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].key, "grading.submitted");
    let body: warren_proto::grading::Submission = serde_json::from_str(&events[0].body).unwrap();
    assert_eq!(Some(body), store.submission("s2").await.unwrap());
}

#[tokio::test]
async fn contest_goes_first_and_a_flood_waits_for_the_others() {
    let (_folder, store) = store().await;
    submit(&store, "practice", &practice(), NOW).await;
    for (id, contestant) in [("ana-1", "ana"), ("ana-2", "ana"), ("ana-3", "ana"), ("bo-1", "bo"), ("bo-2", "bo")] {
        submit(&store, id, &by(contestant), NOW + 1_000).await;
    }
    let claims = store.claim("d1", 100, NOW + 2_000, LEASE).await.unwrap();
    assert_eq!(ids(&claims), ["ana-1", "bo-1", "ana-2", "bo-2", "ana-3", "practice"]);
}

#[tokio::test]
async fn a_judged_submission_no_longer_delays_its_team() {
    let (_folder, store) = store().await;
    submit(&store, "ana-1", &by("ana"), NOW).await;
    let claims = claim_all(&store).await;
    assert!(finish(&store, &claims[0], Verdict::Ac).await);
    submit(&store, "ana-2", &by("ana"), NOW + 1_000).await;
    submit(&store, "bo-1", &by("bo"), NOW + 2_000).await;
    assert_eq!(ids(&claim_all(&store).await), ["ana-2", "bo-1"]);
}

#[tokio::test]
async fn a_claim_says_all_that_a_runner_needs() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    store.put_problem(&package("sum", "bb", b"newer")).await.unwrap();
    let claims = claim_all(&store).await;
    let request = &claims[0].request;
    assert_eq!((request.problem.as_str(), request.source.as_str()), ("sum", "print(5)"));
    assert_eq!(request.package_sha256, "aa", "the version of the moment of submission");
    assert_eq!((claims[0].overall_wall_ms, claims[0].lost_before), (60_000, 0));
}

#[tokio::test]
async fn two_dispatchers_never_claim_the_same() {
    let (folder, first) = store().await;
    let second = Store::open(&folder.path().join("grading.sqlite")).await.unwrap();
    for number in 0..40 {
        submit(&first, &format!("s{number}"), &practice(), NOW).await;
    }
    let take = |store: Store, name: &'static str| async move {
        let mut claimed = Vec::new();
        loop {
            let claims = store.claim(name, 3, NOW, LEASE).await.unwrap();
            if claims.is_empty() {
                return claimed;
            }
            claimed.extend(claims.into_iter().map(|claim| claim.submission));
        }
    };
    let (one, two) = tokio::join!(tokio::spawn(take(first, "d1")), tokio::spawn(take(second, "d2")));
    let claimed = [one.unwrap(), two.unwrap()].concat();
    assert_eq!(claimed.len(), 40);
    assert_eq!(claimed.iter().collect::<HashSet<_>>().len(), 40);
}

#[tokio::test]
async fn an_expired_lease_goes_to_another_and_the_late_result_is_refused() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    let old = claim_all(&store).await;
    assert_eq!(store.take_back_expired(LEASE - 1).await.unwrap(), 0);
    assert_eq!(store.take_back_expired(LEASE).await.unwrap(), 1);
    let new = store.claim("d2", 1, LEASE, LEASE + 30_000).await.unwrap();
    assert_eq!(new[0].lost_before, 0, "no runner is to blame for it");

    assert!(!finish(&store, &old[0], Verdict::Wa).await);
    assert!(!store.put_back(&old[0].request.attempt, &PutBack::NotTried).await.unwrap());
    assert!(finish(&store, &new[0], Verdict::Ac).await);
    assert!(!finish(&store, &new[0], Verdict::Wa).await, "a verdict stays");
    let submission = store.submission("s1").await.unwrap().unwrap();
    assert_eq!(submission.judgement.unwrap().verdict, Verdict::Ac);
}

#[tokio::test]
async fn a_renewed_lease_is_kept() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    let claims = claim_all(&store).await;
    let attempts = [claims[0].request.attempt.clone()];
    store.renew_claims("other", &attempts, LEASE + 60_000).await.unwrap();
    store.renew_claims("d1", &attempts, LEASE + 30_000).await.unwrap();
    assert_eq!(lease_of(&store, "s1").await, Some(LEASE + 30_000));
    assert_eq!(store.take_back_expired(LEASE + 29_999).await.unwrap(), 0);
    assert!(finish(&store, &claims[0], Verdict::Ac).await);
}

#[tokio::test]
async fn a_claim_that_nobody_works_on_runs_out_beside_those_that_are_renewed() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    submit(&store, "s2", &practice(), NOW + 1).await;
    let claims = claim_all(&store).await;
    store.renew_claims("d1", &[claims[1].request.attempt.clone()], LEASE + 30_000).await.unwrap();
    assert_eq!(store.take_back_expired(LEASE).await.unwrap(), 1);
    assert_eq!(ids(&store.claim("d1", 9, LEASE, LEASE + 1).await.unwrap()), ["s1"]);
}

#[tokio::test]
async fn a_restart_keeps_the_line() {
    let (folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    submit(&store, "s2", &practice(), NOW + 1).await;
    store.claim("d1", 1, NOW, LEASE).await.unwrap();
    drop(store);

    let store = Store::open(&folder.path().join("grading.sqlite")).await.unwrap();
    assert_eq!(ids(&claim_all(&store).await), ["s2"]);
    store.take_back_expired(LEASE).await.unwrap();
    assert_eq!(ids(&store.claim("d1", 9, LEASE, LEASE + 1).await.unwrap()), ["s1", "s2"]);
}

#[tokio::test]
async fn a_dispatcher_that_stops_gives_back_its_own() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    submit(&store, "s2", &practice(), NOW + 1).await;
    store.claim("d1", 1, NOW, LEASE).await.unwrap();
    store.claim("d2", 1, NOW, LEASE).await.unwrap();
    store.release_claims("d1").await.unwrap();
    assert_eq!(ids(&claim_all(&store).await), ["s1"]);
}

#[tokio::test]
async fn lost_attempts_are_counted_and_rest_and_the_others_are_not() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    let attempt = claim_all(&store).await.remove(0).request.attempt;
    let lost = PutBack::Lost { reason: "died", not_before_ms: NOW + 500 };
    assert!(store.put_back(&attempt, &lost).await.unwrap());
    assert!(claim_all(&store).await.is_empty(), "it rests");

    for why in [PutBack::NotTried, PutBack::Overdue { turn_ms: NOW + 600 }] {
        let claim = store.claim("d1", 1, NOW + 500, LEASE).await.unwrap().remove(0);
        assert_eq!(claim.lost_before, 1);
        assert!(store.put_back(&claim.request.attempt, &why).await.unwrap());
    }
    assert_eq!(store.claim("d1", 1, NOW + 500, LEASE).await.unwrap()[0].lost_before, 1);
}

#[tokio::test]
async fn an_overdue_submission_goes_behind_what_is_in_line() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    let attempt = claim_all(&store).await.remove(0).request.attempt;
    submit(&store, "s2", &practice(), NOW + 1).await;
    store.put_back(&attempt, &PutBack::Overdue { turn_ms: NOW + 2 }).await.unwrap();
    assert_eq!(ids(&claim_all(&store).await), ["s2", "s1"]);
}

#[tokio::test]
async fn verdicts_have_an_order_and_an_event_each() {
    let (_folder, store) = store().await;
    for id in ["s1", "s2", "s3"] {
        submit(&store, id, &practice(), NOW).await;
    }
    let claims = claim_all(&store).await;
    for index in [2, 0] {
        finish(&store, &claims[index], Verdict::Wa).await;
    }
    assert_eq!(store.judged_after(0, 10).await.unwrap(), [("s3".to_owned(), 1), ("s1".to_owned(), 2)]);
    assert_eq!(store.judged_after(1, 10).await.unwrap(), [("s1".to_owned(), 2)]);
    let events = store.outbox(10).await.unwrap();
    assert!(events.iter().all(|event| event.key == "grading.judged" && event.body.contains("\"WA\"")));
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn older_versions_stay_as_long_as_a_submission_names_them() {
    let (_folder, store) = store().await;
    store.put_problem(&package("sum", "bb", b"second")).await.unwrap();
    assert!(store.package_chunk("aa", 0, 10).await.unwrap().is_none(), "nobody named the first");
    submit(&store, "s1", &practice(), NOW).await;
    store.put_problem(&package("sum", "cc", b"third")).await.unwrap();
    assert!(store.package_chunk("bb", 0, 10).await.unwrap().is_some());
    assert_eq!(store.problem("sum").await.unwrap().unwrap().package_sha256, "cc");
    assert_eq!(store.problem_names().await.unwrap(), ["sum"]);
}

#[tokio::test]
async fn two_problems_may_share_a_package() {
    let (_folder, store) = store().await;
    store.put_problem(&package("sum2", "aa", b"0123456789")).await.unwrap();
    store.put_problem(&package("sum", "bb", b"other")).await.unwrap();
    assert!(store.package_chunk("aa", 0, 10).await.unwrap().is_some());
    assert_eq!(store.problem("sum2").await.unwrap().unwrap().problem, "sum2");
}

#[tokio::test]
async fn packages_are_read_in_chunks() {
    let (_folder, store) = store().await;
    let mut read = Vec::new();
    loop {
        let chunk = store.package_chunk("aa", read.len() as u64, 4).await.unwrap().unwrap();
        assert_eq!(chunk.package_bytes, 10);
        if chunk.bytes.is_empty() {
            break;
        }
        read.extend(chunk.bytes);
    }
    assert_eq!(read, b"0123456789");
    assert!(store.package_chunk("aa", u64::MAX, 4).await.unwrap().unwrap().bytes.is_empty());
    assert!(store.package_chunk("zz", 0, 4).await.unwrap().is_none());
}

#[tokio::test]
async fn a_damaged_row_is_not_called_a_store_that_does_not_answer() {
    let (_folder, store) = store().await;
    submit(&store, "s1", &practice(), NOW).await;
    sqlx::query("UPDATE submissions SET language = 'klingon'").execute(&store.pool).await.unwrap();
    let status = warren_rpc::Status::from(store.submission("s1").await.unwrap_err());
    assert_eq!(status.to_string(), "internal: the store is damaged");
}

#[tokio::test]
async fn a_damaged_submission_stops_no_other_and_is_judged_once_it_is_repaired() {
    let (_folder, store) = store().await;
    for (place, id) in (0..).zip(["s1", "s2", "s3"]) {
        submit(&store, id, &practice(), NOW - 10 + place).await;
    }
    let speak = async |language: &str| {
        let damage = sqlx::query("UPDATE submissions SET language = ?1 WHERE id = 's1'").bind(language.to_owned());
        damage.execute(&store.pool).await.unwrap();
    };
    speak("cobol").await;
    // One place a time: it must not take the only one for ever.
    assert!(store.claim("d1", 1, NOW, LEASE).await.unwrap().is_empty());
    assert_eq!(ids(&claim_all(&store).await), ["s2", "s3"]);
    speak("python").await;
    let later = NOW + 3_600_000;
    let claims = store.claim("d1", 100, later, later + 1).await.unwrap();
    assert_eq!(ids(&claims), ["s1"]);
    assert_eq!(claims[0].lost_before, 0);
}

#[tokio::test]
async fn one_publishes_at_a_time() {
    let (_folder, store) = store().await;
    assert!(store.lease_outbox("p1", NOW, LEASE).await.unwrap());
    assert!(store.lease_outbox("p1", NOW, LEASE).await.unwrap(), "its own lease is renewed");
    assert!(!store.lease_outbox("p2", NOW, LEASE).await.unwrap());
    assert!(store.lease_outbox("p2", LEASE, LEASE + 1).await.unwrap(), "the first is gone");
    store.release_outbox("p1").await.unwrap();
    assert!(!store.lease_outbox("p1", NOW, LEASE).await.unwrap(), "p1 cannot give what p2 has");
    store.release_outbox("p2").await.unwrap();
    assert!(store.lease_outbox("p1", NOW, LEASE).await.unwrap());
}
