//! Faults from code.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Broker;
use super::listening::Listeners;
use crate::connection::ConnectionId;
use crate::connection::control::Control;
use crate::{StartError, Tampering};

/// Clients that do not answer that the broker closes are cut off after this.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a restart leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survives {
    /// Durable queues and exchanges with their bindings, and the persistent messages in them: as a RabbitMQ that is
    /// restarted.
    Durable,
    /// Nothing: as a RabbitMQ whose disk was lost.
    Nothing,
}

impl Broker {
    fn control(&self, id: ConnectionId) -> Option<Arc<Control>> {
        self.shared.connections().get(&id).map(|(control, _)| Arc::clone(control))
    }

    fn controls(&self) -> Vec<Arc<Control>> {
        self.shared.connections().values().map(|(control, _)| Arc::clone(control)).collect()
    }

    /// Cuts a connection without a word, and returns when everything it held is given back. One that is gone is left
    /// alone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the waiting only.
    pub async fn cut(&self, id: ConnectionId) {
        if let Some(control) = self.control(id) {
            control.cut();
            control.ended().await;
        }
    }

    /// Cuts every connection without a word, and returns when everything they held is given back.
    ///
    /// # Cancel safety
    ///
    /// As [`Broker::cut`].
    pub async fn cut_all(&self) {
        let controls = self.controls();
        controls.iter().for_each(|control| control.cut());
        for control in controls {
            control.ended().await;
        }
    }

    /// Freezes a connection, or lets it go on: it stays open, but nothing is read or written, no heartbeat either.
    pub fn freeze(&self, id: ConnectionId, frozen: bool) {
        if let Some(control) = self.control(id) {
            control.set_frozen(frozen);
        }
    }

    /// Delays everything on a connection by so much, in each direction: each byte for itself, so that as much comes
    /// through as before. What is on its way already waits for the new delay instead; zero lets it go at once. While
    /// more than 4 MiB from the client are on their way, it is not read.
    pub fn delay(&self, id: ConnectionId, delay: Duration) {
        if let Some(control) = self.control(id) {
            control.set_delay(delay);
        }
    }

    /// Blocks publishers, as RabbitMQ does when memory or disk runs out: a connection that publishes is told so
    /// (`connection.blocked`), and read no further until [`Broker::unblock_publishers`]. `reason` is at most 255 bytes;
    /// RabbitMQ says `low on memory`.
    ///
    /// # Panics
    ///
    /// If the reason is longer.
    pub fn block_publishers(&self, reason: &str) {
        assert!(reason.len() <= 255, "the reason has to fit a short string of 255 bytes");
        *self.shared.blocked_reason.write().unwrap_or_else(PoisonError::into_inner) = reason.to_owned();
        self.shared.blocked.store(true, Ordering::Release);
    }

    /// Lets publishers go on.
    pub fn unblock_publishers(&self) {
        self.shared.blocked.store(false, Ordering::Release);
        self.controls().iter().for_each(|control| control.outbox.wake());
    }

    /// Tampers with the `nth` delivery from now (1: the next) of a queue, in any vhost, to a consumer: what `basic.get`
    /// fetches does not count.
    pub fn tamper_with_delivery(&self, queue: &str, nth: u64, tampering: Tampering) {
        self.shared.faults.plan_delivery(queue, nth, tampering);
    }

    /// Tampers with the `nth` publisher confirm from now (1: the next).
    pub fn tamper_with_confirm(&self, nth: u64, tampering: Tampering) {
        self.shared.faults.plan_confirm(nth, tampering);
    }

    /// Drops and repeats deliveries and confirms at random, by shares of one: the same for the same seed and the same
    /// order of events. What is planned by number comes first.
    pub fn tamper_at_random(&self, seed: u64, drop_share: f64, repeat_share: f64) {
        self.shared.faults.randomize(seed, drop_share, repeat_share);
    }

    /// Ends all tampering.
    pub fn stop_tampering(&self) {
        self.shared.faults.clear();
    }

    /// Restarts: clients are told to go (320), nobody can connect for `downtime`, and only what `survives` is there
    /// again.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if another program took the port meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a restart that is dropped may leave a broker that does not listen. Restart it again then.
    pub async fn restart(&self, survives: Survives, downtime: Duration) -> Result<(), StartError> {
        self.close_all().await;
        for vhost in self.shared.vhosts.values() {
            vhost.with(|state| {
                state.forget(survives == Survives::Durable);
                state.set_halted(false);
            });
        }
        tokio::time::sleep(downtime).await;
        *self.listening() = Listeners::open(self.addresses)?.accept(&self.shared);
        Ok(())
    }

    /// Listens no more, and tells every client to go. Nothing is given out from here on: what one client gives back
    /// would go to the next, and back, and count as delivered each time.
    pub(super) async fn close_all(&self) {
        let listening: Vec<_> = self.listening().drain(..).collect();
        listening.iter().for_each(|task| task.abort());
        for task in listening {
            // Until it has ended it may still accept someone, and hold the port.
            if task.await.is_err_and(|ended| ended.is_panic()) {
                tracing::error!("the task that accepts connections had panicked");
            }
        }
        self.shared.set_halted(true);
        let controls = self.controls();
        controls.iter().for_each(|control| control.force_out());
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for control in controls {
            if tokio::time::timeout_at(deadline, control.ended()).await.is_err() {
                control.cut();
                control.ended().await;
            }
        }
    }
}
