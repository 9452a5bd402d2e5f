//! Replies that came back, because their callers' queues were not there.
//!
//! Each rests and is published again, with its tries in a header, four times at most: a node of a cluster that was cut
//! off does not know at once what was declared meanwhile, and sends back what goes there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use lapin::{BasicProperties, types::ShortString};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    time::sleep,
};

use super::{
    Link,
    supervisor::{State, up},
};
use crate::{
    error::BrokerError,
    publisher::{Outgoing, Receipt, Returned},
    wire::{self, Properties},
};

/// How many seconds a reply rests before each try. A node learns within some seconds what it missed, or starts again.
const RESTS: [u64; 4] = [1, 2, 4, 8];

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
    queue: ShortString,
    properties: BasicProperties,
    body: Bytes,
    seconds: u64,
    room: OwnedSemaphorePermit,
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
        let Returned { routing_key: queue, properties, body } = returned;
        let tries = wire::tries(&properties);
        if tries == 0 {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        let seconds = usize::try_from(tries).ok().and_then(|tries| RESTS.get(tries)).copied();
        let (Some(seconds), Some(room)) = (seconds, room_for(&self.room, body.len())) else {
            return tracing::debug!(%queue, tries, "a reply came back: it is lost");
        };
        tracing::debug!(%queue, tries, "a reply came back: its caller is gone, or not known yet");
        let properties = wire::tried(properties, tries + 1);
        // An error means that the client is gone.
        let _ = self.resting.send(Resting { queue, properties, body: body.into(), seconds, room });
    }
}

/// Room for a body to rest, if there is some left.
fn room_for(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let kib = u32::try_from(bytes / 1024).map_or(u32::MAX, |whole| whole.saturating_add(1));
    Arc::clone(room).try_acquire_many_owned(kib).ok()
}

/// Publishes each again when it has rested, until there is no link any more.
pub(super) async fn publish_again(mut resting: RestingReplies, links: watch::Receiver<State>) {
    let mut tries = FuturesUnordered::new();
    loop {
        tokio::select! {
            reply = resting.recv() => match reply {
                Some(reply) => tries.push(reply.publish(&links)),
                None => return,
            },
            Some(()) = tries.next() => {}
        }
    }
}

impl Resting {
    /// Publishes it, on one link after another until the broker has said something of it. If it comes back, that is
    /// another one, and needs the room that this one has: so it gives it up for each try.
    async fn publish(mut self, links: &watch::Receiver<State>) {
        loop {
            sleep(Duration::from_secs(self.seconds)).await;
            let Ok(link) = up(links).await else { return };
            let all_room = Arc::clone(self.room.semaphore());
            drop(self.room.split(self.room.num_permits()));
            let published = tokio::select! {
                published = self.publish_on(&link) => published,
                () = link.lost() => Ok(false),
            };
            match published {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "a reply that came back cannot be published yet"),
            }
            match room_for(&all_room, self.body.len()) {
                Some(room) => self.room = room,
                None => return tracing::debug!(queue = %self.queue, "a reply is lost: too many rest"),
            }
        }
    }

    /// Whether the broker has said something of it.
    async fn publish_on(&self, link: &Link) -> Result<bool, BrokerError> {
        let (told, outcome) = oneshot::channel();
        let reply = Outgoing {
            exchange: ShortString::default(),
            routing_key: self.queue.clone(),
            mandatory: true,
            properties: Properties::Other(Box::new(self.properties.clone())),
            body: self.body.clone(),
            receipt: Receipt::Again(told),
        };
        link.replies().await?.send(reply).await;
        Ok(outcome.await.is_ok())
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
        assert_eq!((kept.body.len(), resting.len()), (most - 1024, 0));
        drop(kept);
        replies.came_back(returned(0));
        assert_eq!((resting.len(), replies.count()), (1, 4));
    }

    #[test]
    fn each_rests_longer_from_try_to_try_and_is_lost_after_the_last_and_counted_once() {
        let (replies, mut resting) = LostReplies::new();
        let (mut again, mut rests) = (returned(0), Vec::new());
        loop {
            replies.came_back(again);
            let Ok(Resting { queue, properties, body, seconds, .. }) = resting.try_recv() else { break };
            rests.push(seconds);
            again = Returned { routing_key: queue, properties, body: body.into() };
        }
        assert_eq!((rests.as_slice(), replies.count()), (RESTS.as_slice(), 1));
    }
}
