//! Replies that came back, because their callers' queues were not there.
//!
//! Each is published once more after a rest: a node of a cluster that was cut off does not know at once what was
//! declared meanwhile, and sends back what goes there. What is lost twice is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Link,
    supervisor::{State, up},
};
use crate::{
    publisher::{Outgoing, Receipt, Returned},
    wire::Properties,
};

/// How long a reply rests. Longer than a node takes to learn what it missed, or that it has to make its clients go.
const REST: Duration = Duration::from_secs(1);

/// Most bytes of bodies that rest, and as many replies without one as it has KiB; what is more is lost at once.
const RESTING_KIB_MAX: u32 = 16 * 1024;

/// Counts the replies that came back to one client, and keeps them while they rest.
#[derive(Debug)]
pub(crate) struct LostReplies {
    count: AtomicU64,
    room: Arc<Semaphore>,
    resting: mpsc::UnboundedSender<Resting>,
}

/// Those that rest. Unbounded as a channel: the room bounds how many there are.
pub(super) type RestingReplies = mpsc::UnboundedReceiver<Resting>;

pub(super) struct Resting {
    until: Instant,
    reply: Outgoing,
    _room: OwnedSemaphorePermit,
}

impl LostReplies {
    pub(super) fn new() -> (Arc<Self>, RestingReplies) {
        let (resting, resting_rx) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(RESTING_KIB_MAX as usize));
        (Arc::new(Self { count: AtomicU64::new(0), room, resting }), resting_rx)
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// One came back.
    pub(super) fn came_back(&self, returned: Returned) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let kib = u32::try_from(returned.body.len() / 1024).map_or(u32::MAX, |whole| whole.saturating_add(1));
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) else {
            return tracing::debug!(queue = %returned.routing_key, "a reply came back: it is lost");
        };
        tracing::debug!(queue = %returned.routing_key, "a reply came back: its caller is gone, or not known yet");
        let reply = Outgoing {
            exchange: Default::default(),
            routing_key: returned.routing_key,
            // It is lost if it has nowhere to go now.
            mandatory: false,
            properties: Properties::Other(Box::new(returned.properties)),
            body: returned.body.into(),
            receipt: Receipt::Nobody { _until_told: None },
        };
        // An error means that the client is gone.
        let _ = self.resting.send(Resting { until: Instant::now() + REST, reply, _room: room });
    }
}

/// Publishes each once more when it has rested, on the link that is up then.
pub(super) async fn publish_again(mut resting: RestingReplies, links: watch::Receiver<State>) {
    while let Some(Resting { until, reply, .. }) = resting.recv().await {
        sleep_until(until).await;
        let Ok(link) = up(&links).await else { return };
        tokio::select! {
            () = publish(&link, reply) => {}
            () = link.lost() => {}
        }
    }
}

async fn publish(link: &Link, reply: Outgoing) {
    match link.replies().await {
        Ok(replies) => replies.send(reply).await,
        Err(error) => tracing::debug!(%error, "a reply that came back is lost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(bytes: usize) -> Returned {
        Returned { routing_key: "gone".into(), properties: Default::default(), body: vec![0; bytes] }
    }

    #[test]
    fn what_does_not_fit_is_lost_at_once_and_counted() {
        let (replies, mut resting) = LostReplies::new();
        let most = RESTING_KIB_MAX as usize * 1024;
        replies.came_back(returned(most));
        assert!(resting.try_recv().is_err(), "its head takes room too");
        replies.came_back(returned(most - 1024));
        replies.came_back(returned(0));
        let kept = resting.try_recv().unwrap();
        assert_eq!((kept.reply.body.len(), resting.len()), (most - 1024, 0));
        drop(kept);
        replies.came_back(returned(0));
        assert_eq!((resting.len(), replies.count()), (1, 4));
    }
}
