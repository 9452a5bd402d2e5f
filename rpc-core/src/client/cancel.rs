//! Telling an instance that nobody waits for a request any more.

use tokio::time::Instant;

use crate::{
    link::Link,
    progress::Inbox,
    publisher::{Outgoing, Receipt},
    wire,
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
        let queue = self.inbox.and_then(Inbox::control_queue);
        let Some((exchange, routing_key)) = wire::control_address(self.method, queue) else { return };
        let remaining = self.ends_at.saturating_duration_since(Instant::now());
        let cancel = Outgoing {
            exchange,
            routing_key,
            mandatory: false,
            properties: wire::cancel_properties(self.link.origin.correlation_id(self.number), remaining),
            body: bytes::Bytes::new(),
            receipt: Receipt::Nobody { _until_told: Some(self.link.last_words()) },
        };
        if !self.link.requests.try_send(cancel) {
            tracing::debug!(method = self.method, "a cancel was not sent: too much is on its way");
        }
    }
}
