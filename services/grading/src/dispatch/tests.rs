use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;
use tokio::{sync::Semaphore, task::JoinHandle};
use warren_proto::{
    grading::{Judgement, Submission, SubmitRequest, Verdict},
    runner::JudgeRequest,
};

use super::*;
use crate::{
    store::tests::{by, judgement, lease_of, practice, refuse_verdicts, store, take_verdicts},
    submissions, submit, verdicts,
};

/// What the runners do with the n-th request (from 0) for a source.
type Script = fn(&str, usize) -> Act;

enum Act {
    Answer(Verdict),
    Fail(Setback),
    Hang,
    /// Answers when the test lets it.
    AnswerWhenLet,
}

/// Runners that do as they are told.
struct Fake {
    script: Script,
    requests: Mutex<Vec<JudgeRequest>>,
    let_go: Semaphore,
    running: AtomicUsize,
    running_most: AtomicUsize,
}

impl Fake {
    fn new(script: Script) -> Arc<Self> {
        Arc::new(Self {
            script,
            requests: Mutex::default(),
            let_go: Semaphore::new(0),
            running: AtomicUsize::new(0),
            running_most: AtomicUsize::new(0),
        })
    }

    fn sources(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|request| request.source.clone()).collect()
    }

    fn act(&self, request: &JudgeRequest) -> Act {
        let mut requests = self.requests.lock().unwrap();
        let nth = requests.iter().filter(|earlier| earlier.source == request.source).count();
        requests.push(request.clone());
        (self.script)(&request.source, nth)
    }
}

impl Runner for Arc<Fake> {
    async fn judge(&self, request: &JudgeRequest, _: Duration) -> Result<Judgement, Setback> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_most.fetch_max(running, Ordering::SeqCst);
        let result = match self.act(request) {
            Act::Answer(verdict) => Ok(judgement(verdict)),
            Act::Fail(setback) => Err(setback),
            Act::Hang => pending().await,
            Act::AnswerWhenLet => {
                self.let_go.acquire().await.unwrap().forget();
                Ok(judgement(Verdict::Ac))
            }
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        result
    }
}

fn quick() -> DispatchOptions {
    DispatchOptions {
        poll: Duration::from_millis(20),
        lost_pause: Duration::from_millis(5),
        drain_timeout: Duration::from_millis(50),
        ..DispatchOptions::default()
    }
}

async fn open() -> (TempDir, Arc<State>) {
    let (folder, _) = store().await;
    let state = reopen(&folder).await;
    (folder, state)
}

async fn reopen(folder: &TempDir) -> Arc<State> {
    Arc::new(State::open(&folder.path().join("grading.sqlite")).await.unwrap())
}

/// Starts a dispatcher that stops with the token.
fn start(state: &Arc<State>, runner: &Arc<Fake>, options: DispatchOptions) -> (CancellationToken, JoinHandle<()>) {
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(run(Arc::clone(state), Arc::clone(runner), shutdown.clone(), options));
    (shutdown, task)
}

/// Hands in a source; the source is the call's id as well.
async fn hand_in(state: &State, source: &str) -> String {
    hand_in_as(state, source, practice()).await
}

async fn hand_in_as(state: &State, source: &str, request: SubmitRequest) -> String {
    let request = SubmitRequest { source: source.to_owned(), ..request };
    submit::store(state, source, &request).await.unwrap().submission
}

async fn verdict_of(state: &State, submission: &str) -> Submission {
    let judged = submissions::judged(state, submission);
    timeout(Duration::from_secs(20), judged).await.expect("a verdict in time").unwrap()
}

/// Waits until something is so; what is waited for has no event of its own.
async fn until(is_so: impl Fn() -> bool) {
    let poll = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), poll).await.expect("it is so in time");
}

/// The same for what the store is asked.
async fn until_async(is_so: impl AsyncFn() -> bool) {
    let poll = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), poll).await.expect("it is so in time");
}

#[tokio::test]
async fn who_waits_gets_the_verdict_and_the_event_is_in_the_outbox() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let _running = start(&state, &runner, quick());
    let submission = hand_in(&state, "a").await;
    let judged = verdict_of(&state, &submission).await;
    assert_eq!(judged.judgement, Some(judgement(Verdict::Ac)));
    assert_eq!(state.store.outbox(9).await.unwrap()[0].key, "grading.judged");
}

#[tokio::test]
async fn after_three_lost_attempts_it_is_je_with_the_reason() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, nth| Act::Fail(Setback::Lost(format!("lost {nth}"))));
    let _running = start(&state, &runner, quick());
    let submission = hand_in(&state, "a").await;
    let judged = verdict_of(&state, &submission).await.judgement.unwrap();
    assert_eq!((judged.verdict, judged.message.as_deref()), (Verdict::Je, Some("lost 2")));
    assert_eq!(runner.sources(), ["a"; 3]);
}

#[tokio::test]
async fn a_judge_error_of_one_runner_is_not_the_last_word() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, nth| match nth {
        0 => Act::Answer(Verdict::Je),
        1 => Act::Fail(Setback::Lost("killed".to_owned())),
        _ => Act::Answer(Verdict::Wa),
    });
    let _running = start(&state, &runner, quick());
    let submission = hand_in(&state, "a").await;
    assert_eq!(verdict_of(&state, &submission).await.judgement.unwrap().verdict, Verdict::Wa);
    let attempts: std::collections::HashSet<String> =
        runner.requests.lock().unwrap().iter().map(|request| request.attempt.clone()).collect();
    assert_eq!(attempts.len(), 3, "each attempt has an id of its own");
}

#[tokio::test]
async fn without_runners_submissions_wait_and_lose_nothing() {
    let (_folder, state) = open().await;
    // More refusals than there are attempts.
    let runner = Fake::new(|source, nth| match (source, nth) {
        ("a", 0..3) => Act::Fail(Setback::NoRunner("nobody".to_owned())),
        ("a", 3) => Act::Fail(Setback::Lost("killed".to_owned())),
        ("a", 4) => Act::Fail(Setback::Overdue),
        _ => Act::Answer(Verdict::Ac),
    });
    let _running = start(&state, &runner, quick());
    let submission = hand_in(&state, "a").await;
    assert_eq!(verdict_of(&state, &submission).await.judgement.unwrap().verdict, Verdict::Ac);
    assert_eq!(runner.sources().len(), 6);
}

#[tokio::test]
async fn no_more_are_in_flight_than_allowed() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, _| Act::AnswerWhenLet);
    let mut submissions = Vec::new();
    for number in 0..10 {
        submissions.push(hand_in(&state, &number.to_string()).await);
    }
    let _running = start(&state, &runner, DispatchOptions { in_flight_max: 3, ..quick() });
    until(|| runner.running.load(Ordering::SeqCst) == 3).await;
    runner.let_go.add_permits(10);
    for submission in &submissions {
        verdict_of(&state, submission).await;
    }
    assert_eq!(runner.running_most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn runners_get_them_in_the_order_of_turns() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let mut last = String::new();
    hand_in(&state, "practice").await;
    for (source, contestant) in [("ana-1", "ana"), ("ana-2", "ana"), ("bo-1", "bo")] {
        last = hand_in_as(&state, source, by(contestant)).await;
    }
    let _running = start(&state, &runner, DispatchOptions { in_flight_max: 1, ..quick() });
    verdict_of(&state, &last).await;
    until(|| runner.sources().len() == 4).await;
    assert_eq!(runner.sources(), ["ana-1", "bo-1", "ana-2", "practice"]);
}

#[tokio::test]
async fn a_dispatcher_that_stops_hands_over_what_it_has() {
    let (_folder, state) = open().await;
    let hung = Fake::new(|_, _| Act::Hang);
    let (shutdown, task) = start(&state, &hung, quick());
    let submission = hand_in(&state, "a").await;
    until(|| hung.sources().len() == 1).await;
    shutdown.cancel();
    task.await.unwrap();
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let _running = start(&state, &runner, quick());
    verdict_of(&state, &submission).await;
}

#[tokio::test]
async fn a_dispatcher_that_stops_stores_what_is_judged_meanwhile() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, _| Act::AnswerWhenLet);
    let options = DispatchOptions { drain_timeout: Duration::from_secs(20), ..quick() };
    let (shutdown, task) = start(&state, &runner, options);
    let submission = hand_in(&state, "a").await;
    until(|| runner.sources().len() == 1).await;
    shutdown.cancel();
    runner.let_go.add_permits(1);
    task.await.unwrap();
    assert!(state.store.submission(&submission).await.unwrap().unwrap().judgement.is_some());
}

#[tokio::test]
async fn what_a_killed_instance_had_is_judged_by_another_on_the_same_store() {
    let (folder, state) = open().await;
    let options = DispatchOptions { lease: Duration::from_millis(300), ..quick() };
    let hung = Fake::new(|_, _| Act::Hang);
    let (_shutdown, task) = start(&state, &hung, options);
    let submission = hand_in(&state, "a").await;
    until(|| hung.sources().len() == 1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());

    let other = reopen(&folder).await;
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let _running = start(&other, &runner, options);
    verdict_of(&other, &submission).await;
    let late = hung.requests.lock().unwrap()[0].attempt.clone();
    let wrong = judgement(Verdict::Wa);
    assert!(!state.store.finish(&late, crate::store::AttemptOutcome::Judged, None, &wrong).await.unwrap());
}

#[tokio::test]
async fn a_living_dispatcher_keeps_what_takes_longer_than_its_lease() {
    let (folder, state) = open().await;
    let options = DispatchOptions { lease: Duration::from_secs(2), ..quick() };
    let slow = Fake::new(|_, _| Act::AnswerWhenLet);
    let _running = start(&state, &slow, options);
    let submission = hand_in(&state, "a").await;
    until(|| slow.sources().len() == 1).await;
    let first_lease = lease_of(&state.store, &submission).await.unwrap();
    until_async(async || lease_of(&state.store, &submission).await.unwrap() > first_lease).await;
    let other = reopen(&folder).await;
    assert_eq!(other.store.take_back_expired(first_lease).await.unwrap(), 0, "it was renewed before it ended");
    slow.let_go.add_permits(1);
    assert_eq!(verdict_of(&state, &submission).await.judgement.unwrap().verdict, Verdict::Ac);
}

#[tokio::test]
async fn an_attempt_whose_end_cannot_be_stored_is_made_again() {
    let (_folder, state) = open().await;
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let lease = Duration::from_millis(300);
    let options = DispatchOptions { lease, store_pause: Duration::from_millis(1), ..quick() };
    refuse_verdicts(&state.store).await;
    let _running = start(&state, &runner, options);
    let submission = hand_in(&state, "a").await;
    until(|| runner.sources().len() == 2).await;
    take_verdicts(&state.store).await;
    verdict_of(&state, &submission).await;
}

#[tokio::test]
async fn a_verdict_of_another_instance_wakes_who_waits_here() {
    let (folder, state) = open().await;
    let submission = hand_in(&state, "a").await;
    let here = reopen(&folder).await;
    let shutdown = CancellationToken::new();
    tokio::spawn(verdicts::watch(Arc::clone(&here), shutdown.clone()));
    let waiting = tokio::spawn({
        let (here, submission) = (Arc::clone(&here), submission.clone());
        async move { verdict_of(&here, &submission).await }
    });
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let _running = start(&state, &runner, quick());
    assert_eq!(waiting.await.unwrap().submission, submission);
    shutdown.cancel();
}

#[tokio::test]
async fn many_submissions_on_two_instances_are_judged_once_each() {
    let (folder, state) = open().await;
    let other = reopen(&folder).await;
    let runner = Fake::new(|_, _| Act::Answer(Verdict::Ac));
    let _first = start(&state, &runner, quick());
    let _second = start(&other, &runner, quick());
    let mut submissions = Vec::new();
    for number in 0..60 {
        submissions.push(hand_in(if number % 2 == 0 { &state } else { &other }, &number.to_string()).await);
    }
    let watch = CancellationToken::new();
    tokio::spawn(verdicts::watch(Arc::clone(&state), watch.clone()));
    for submission in &submissions {
        verdict_of(&state, submission).await;
    }
    watch.cancel();
    let mut counts: HashMap<String, usize> = HashMap::new();
    runner.sources().into_iter().for_each(|source| *counts.entry(source).or_default() += 1);
    assert!(counts.len() == 60 && counts.values().all(|&count| count == 1));
}

#[tokio::test]
async fn an_unknown_submission_is_not_waited_for() {
    let (_folder, state) = open().await;
    let status = submissions::judged(&state, "nonsense").await.unwrap_err();
    assert_eq!(status.to_string(), "not_found: submission: no submission \"nonsense\"");
}
