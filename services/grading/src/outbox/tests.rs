use std::sync::Mutex;

use super::*;
use crate::{
    store::tests::{by, store},
    submit,
};

/// Takes down what is published; what is scripted fails first.
#[derive(Default)]
struct Paper {
    failures: Mutex<Vec<Failure>>,
    published: Mutex<Vec<i64>>,
}

impl Publisher for Paper {
    async fn publish(&self, event: &OutboxEvent) -> Result<(), Failure> {
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        self.published.lock().unwrap().push(event.id);
        Ok(())
    }
}

/// A store with `count` events in its outbox.
async fn with_events(count: usize) -> (tempfile::TempDir, State) {
    let (folder, _) = store().await;
    let state = State::open(&folder.path().join("grading.sqlite")).await.unwrap();
    for number in 0..count {
        submit::store(&state, &format!("call-{number}"), &by("ana")).await.unwrap();
    }
    (folder, state)
}

#[tokio::test]
async fn events_are_published_in_order_and_forgotten() {
    let (_folder, state) = with_events(BATCH + 2).await;
    let paper = Paper::default();
    publish_all(&state.store, &paper, "p1").await.unwrap();
    let published = paper.published.into_inner().unwrap();
    assert_eq!(published.len(), BATCH + 2);
    assert!(published.is_sorted());
    assert!(!state.store.has_events().await.unwrap());
}

#[tokio::test]
async fn what_is_not_confirmed_stays_and_is_published_again() {
    let (_folder, state) = with_events(2).await;
    let paper = Paper { failures: Mutex::new(vec![Failure::Again("blocked".to_owned())]), ..Paper::default() };
    assert_eq!(publish_all(&state.store, &paper, "p1").await, Err("blocked".to_owned()));
    assert_eq!(state.store.outbox(9).await.unwrap().len(), 2);
    publish_all(&state.store, &paper, "p1").await.unwrap();
    assert_eq!(paper.published.into_inner().unwrap().len(), 2);
}

#[tokio::test]
async fn what_can_never_be_published_does_not_hold_up_the_rest() {
    let (_folder, state) = with_events(2).await;
    let paper = Paper { failures: Mutex::new(vec![Failure::Never("too large".to_owned())]), ..Paper::default() };
    publish_all(&state.store, &paper, "p1").await.unwrap();
    assert_eq!(paper.published.into_inner().unwrap().len(), 1);
    assert!(!state.store.has_events().await.unwrap());
}

#[tokio::test]
async fn while_another_publishes_nothing_is_done() {
    let (_folder, state) = with_events(1).await;
    let now_ms = clock::now_ms();
    assert!(state.store.lease_outbox("p1", now_ms, now_ms + LEASE_MS).await.unwrap());
    let paper = Paper::default();
    publish_all(&state.store, &paper, "p2").await.unwrap();
    assert!(paper.published.into_inner().unwrap().is_empty());
}

#[tokio::test]
async fn events_of_an_instance_that_died_before_publishing_are_published_by_the_next() {
    let (folder, state) = with_events(1).await;
    drop(state);
    let state = State::open(&folder.path().join("grading.sqlite")).await.unwrap();
    let paper = Paper::default();
    publish_all(&state.store, &paper, "p2").await.unwrap();
    assert_eq!(paper.published.into_inner().unwrap().len(), 1);
}

#[test]
fn an_event_that_is_too_large_is_never_published() {
    let reason = RejectReason::BodyTooLarge { method: "grading.judged".to_owned(), body_bytes: 2, body_bytes_max: 1 };
    assert!(matches!(failure(&PublishError::Rejected(reason)), Failure::Never(_)));
    assert!(matches!(failure(&PublishError::Rejected(RejectReason::Broker)), Failure::Again(_)));
    assert!(matches!(failure(&PublishError::ConnectionLost { source: None }), Failure::Again(_)));
}
