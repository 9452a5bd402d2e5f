//! What instances are told beside a request: that nobody waits for it any more, or how much progress of it is wanted.

use std::convert::Infallible;

use bytes::Bytes;
use lapin::types::ShortString;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::call::Call;
use crate::{
    deadline,
    link::Link,
    progress::{Grant, Inbox},
    publisher::{Outgoing, Receipt},
    wire::{self, Properties},
};

/// Dropped, it tells the instances of a method that a request is given up: unless it is disarmed.
pub(super) struct CancelOnDrop<'a> {
    pub(super) link: &'a Link,
    pub(super) method: &'a str,
    /// The attempt.
    pub(super) number: u64,
    pub(super) ends_at: Instant,
    /// Knows which instance has the request, if it sends progress.
    pub(super) inbox: Option<&'a Inbox>,
    pub(super) armed: bool,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let remaining = deadline::remaining(self.ends_at);
        let properties = wire::cancel_properties(self.link.origin.correlation_id(self.number), remaining);
        let queue = self.inbox.and_then(Inbox::control_queue);
        let Some(cancel) = message(self.method, queue, properties, Some(self.link.last_words())) else { return };
        if !self.link.requests.try_send(cancel) {
            tracing::debug!(method = self.method, "a cancel was not sent: too much is on its way");
        }
    }
}

impl Call<'_> {
    /// Tells instances how much progress is wanted, as long as it is polled.
    pub(super) async fn give_credit(&self, link: &Link, inbox: &Inbox) -> Infallible {
        loop {
            let Grant { attempt, run, credit } = inbox.due().await;
            let number = run.as_ref().map(|run| run.number);
            let queue = run.and_then(|run| run.control_queue);
            let properties = wire::credit_properties(attempt, number, credit);
            if let Some(credit) = message(self.method.name, queue, properties, None) {
                link.requests.send(credit).await;
            }
        }
    }
}

/// A message to the instance with this control queue, or to all of the method, if AMQP can carry it.
fn message(
    method: &str,
    queue: Option<ShortString>,
    properties: Properties,
    until_told: Option<TaskTrackerToken>,
) -> Option<Outgoing> {
    let (exchange, routing_key) = wire::control_address(method, queue)?;
    let receipt = Receipt::Nobody { _until_told: until_told };
    Some(Outgoing { exchange, routing_key, mandatory: false, properties, body: Bytes::new(), receipt })
}
