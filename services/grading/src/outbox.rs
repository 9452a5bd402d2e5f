//! Publishes the events in the outbox, each until the broker has confirmed it.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warren_host::{clock, store::StoreError};
use warren_proto::grading::{Judged, Submission, Submitted};
use warren_rpc::{Client, Event, PublishError, RejectReason};

use crate::{
    state::State,
    store::{OutboxEvent, Result, Store},
    trouble::Trouble,
};

/// Events that are read at a time.
const BATCH: usize = 64;

/// How long the right to publish lasts without a renewal. A batch takes one; an instance that dies holds others up for
/// so long.
const LEASE_MS: i64 = 30_000;

/// Longest the broker may take to confirm an event.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the outbox is looked at without being told: another instance may have filled it and died.
const POLL: Duration = Duration::from_secs(1);

/// Why an event was not published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not now.
    Again(String),
    /// Not ever: it would hold up all that come after it.
    Never(String),
}

/// Where events go: the broker, or a test.
pub(crate) trait Publisher: Send + Sync {
    /// Returns when the event is confirmed.
    fn publish(&self, event: &OutboxEvent) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Publisher for Client {
    async fn publish(&self, event: &OutboxEvent) -> Result<(), Failure> {
        let body: Submission = serde_json::from_str(&event.body).map_err(|error| Failure::Never(error.to_string()))?;
        let published = async {
            match event.key.as_str() {
                Submitted::KEY => Self::publish::<Submitted>(self, &body).await.map_err(|error| failure(&error)),
                Judged::KEY => Self::publish::<Judged>(self, &body).await.map_err(|error| failure(&error)),
                key => Err(Failure::Never(format!("{key:?} is no event of grading"))),
            }
        };
        let late = |_| Err(Failure::Again("the broker does not confirm".to_owned()));
        timeout(CONFIRM_TIMEOUT, published).await.unwrap_or_else(late)
    }
}

/// What a failed publish means for the next try.
fn failure(error: &PublishError) -> Failure {
    match error {
        PublishError::Rejected(RejectReason::BodyTooLarge { .. } | RejectReason::Encode(_)) => {
            Failure::Never(error.to_string())
        }
        _ => Failure::Again(error.to_string()),
    }
}

/// Publishes until the instance stops.
pub(crate) async fn run<P: Publisher>(state: Arc<State>, publisher: P, shutdown: CancellationToken) {
    let name = Uuid::now_v7().to_string();
    let mut committed = state.committed.subscribe();
    let mut trouble = Trouble::default();
    while !shutdown.is_cancelled() {
        let failed = tokio::select! {
            published = publish_all(&state.store, &publisher, &name) => published.err(),
            () = shutdown.cancelled() => break,
        };
        match &failed {
            Some(reason) if trouble.failed(Instant::now()) => {
                tracing::warn!(reason, "events cannot be published: they wait");
            }
            None if trouble.ended() => tracing::info!("events are published again"),
            _ => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(POLL.max(trouble.pause(Instant::now()))) => {}
            _ = committed.changed(), if failed.is_none() => {}
        }
    }
    if let Err(error) = state.store.release_outbox(&name).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the outbox is not released: its lease ends by itself"
        );
    }
}

/// Publishes what is there, if no other instance does. The error is for the log.
async fn publish_all<P: Publisher>(store: &Store, publisher: &P, name: &str) -> Result<(), String> {
    let failed = |error: StoreError| match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    while store.has_events().await.map_err(failed)? {
        let now_ms = clock::now_ms();
        if !store.lease_outbox(name, now_ms, now_ms + LEASE_MS).await.map_err(failed)? {
            return Ok(());
        }
        // Read under the lease: whoever had it before may have published some.
        let events = store.outbox(BATCH).await.map_err(failed)?;
        let (published, outcome) = publish_batch(publisher, &events).await;
        if let Some(id) = published {
            store.published_up_to(id).await.map_err(failed)?;
        }
        outcome?;
    }
    Ok(())
}

/// Publishes in order, up to the first that fails: the last one that is done with.
async fn publish_batch<P: Publisher>(publisher: &P, events: &[OutboxEvent]) -> (Option<i64>, Result<(), String>) {
    let mut published = None;
    for event in events {
        match publisher.publish(event).await {
            Ok(()) => {}
            Err(Failure::Again(reason)) => return (published, Err(reason)),
            Err(Failure::Never(reason)) => {
                tracing::error!(key = event.key, reason, "an event cannot be published: it is dropped");
            }
        }
        published = Some(event.id);
    }
    (published, Ok(()))
}
