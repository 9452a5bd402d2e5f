//! What a client stands on while one connection lives: the connection, a callback queue, and a channel for requests. It
//! is lost as a whole: a client with half of it would send requests whose replies nobody reads, or wait for requests
//! that nobody sends.

mod lost_replies;
mod reopen;
mod replies;
mod supervisor;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use lapin::{BasicProperties, types::ShortString};
use tokio::sync::{OnceCell, oneshot, watch};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use uuid::Uuid;

use self::{
    lost_replies::LostReplies,
    replies::{RepliesEnd, Waiting},
};
pub(crate) use self::{
    reopen::Reopen,
    supervisor::{Links, LinksEnded},
};
use crate::{
    amqp::{self, Channel, Connection},
    error::{BrokerError, CallError},
    pending::PendingCalls,
    progress::{Readers, Runs},
    publisher::{
        Ends, Publisher, Returned,
        lanes::{Destination, Lanes, NotConfirmed},
    },
    status::Status,
    wire::{self, Answer, Origin},
};

/// Longest that closing waits for what is to be written before.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection with what is open on it.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Connection,
    /// What its requests say of themselves.
    pub(crate) origin: Arc<Origin>,
    app_id: ShortString,
    pub(crate) pending: Arc<PendingCalls<Answer>>,
    /// Who reads the progress of pending calls.
    pub(crate) readers: Arc<Readers>,
    /// The handlers of this client's instances whose progress is read, over all its connections.
    runs: Arc<Runs>,
    pub(crate) requests: Publisher,
    replies: OnceCell<Publisher>,
    /// For messages that nobody answers.
    lanes: Lanes,
    /// Who has something to write still before the connection closes in order.
    last_words: TaskTracker,
    ends: Ends,
    /// Fires when the connection is not to be used any more.
    lost: CancellationToken,
    /// Why the broker blocks publishers, while it does.
    blocked: watch::Sender<Option<String>>,
    /// Over all connections of the client.
    lost_replies: Arc<LostReplies>,
}

impl Link {
    /// Opens a connection, and what calls need on it.
    pub(crate) async fn open(
        address: &amqp::Address,
        greeting: &amqp::Greeting,
        lost_replies: Arc<LostReplies>,
        runs: Arc<Runs>,
    ) -> Result<(Arc<Self>, RepliesEnd), BrokerError> {
        let connection = amqp::connect(address, greeting).await?;
        // A name of our own: `amq.gen-*` names cannot be declared again, and an operator sees what the queue is for.
        let callback_queue = ShortString::from(format!("warren.reply.{}", Uuid::new_v4().simple()));
        let consuming = connection.channel().await?;
        amqp::declare_events_exchange(&consuming).await?;
        amqp::declare_control_exchange(&consuming).await?;
        amqp::declare_own_queue(&consuming, &callback_queue).await?;
        amqp::bind_own_dead_letters(&consuming, &callback_queue).await?;
        let consumer = amqp::consume_own(&consuming, &callback_queue).await?;
        let pending = PendingCalls::new();
        let (ended, replies_end) = oneshot::channel();
        let readers = Arc::new(Readers::default());
        let waiting = Waiting { pending: Arc::clone(&pending), readers: Arc::clone(&readers) };
        connection.io().spawn(replies::read(waiting, consumer, ended));
        let ends = Ends::default();
        let app_id = greeting.app_id.clone();
        let requests = Publisher::start(connection.confirming_channel().await?, app_id.clone(), ends.clone(), {
            let pending = Arc::clone(&pending);
            move |returned| on_return(&pending, &returned)
        });
        let events = connection.events();
        let link = Arc::new(Self {
            connection,
            origin: Arc::new(Origin { prefix: pending.prefix().to_owned(), callback_queue }),
            app_id,
            pending,
            readers,
            runs,
            requests,
            replies: OnceCell::new(),
            lanes: Lanes::new(ends.closed.clone()),
            last_words: TaskTracker::new(),
            ends,
            lost: CancellationToken::new(),
            blocked: watch::Sender::new(None),
            lost_replies,
        });
        tokio::spawn(watch_blocks(Arc::clone(&link), events));
        Ok((link, replies_end))
    }

    /// A channel for an instance's consumer.
    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.connection.channel().await
    }

    /// Publishes the replies of all instances on this connection; opened by the first.
    pub(crate) async fn replies(&self) -> Result<&Publisher, BrokerError> {
        let open = async || {
            let channel = self.connection.confirming_channel().await?;
            let (lost_replies, runs) = (Arc::clone(&self.lost_replies), Arc::clone(&self.runs));
            Ok(Publisher::start(channel, self.app_id.clone(), self.ends.clone(), move |returned| {
                if !wire::is_progress(&returned.properties) {
                    lost_replies.came_back(returned);
                } else if let Some(id) = returned.correlation_id() {
                    runs.caller_is_gone(id);
                }
            }))
        };
        self.replies.get_or_try_init(open).await
    }

    /// The connection does not close in order before this is dropped, if that does not take long. A cancel has one
    /// until it is confirmed; and what consumes, until it has stopped, which [`lost`](Self::lost) makes it do.
    pub(crate) fn last_words(&self) -> TaskTrackerToken {
        self.last_words.token()
    }

    /// Makes way for a new connection: something of this one is lost.
    pub(crate) fn give_up(&self, source: Option<&BrokerError>) {
        self.ends.failed.fire(source);
    }

    /// Waits until the connection is not to be used any more.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Fires when the connection is not to be used any more.
    pub(crate) fn lost_token(&self) -> CancellationToken {
        self.lost.clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Why the broker blocks publishers, if it does.
    pub(crate) fn blocked(&self) -> Option<String> {
        self.blocked.borrow().clone()
    }

    /// An error while the broker blocks publishers: it takes nothing, and does not answer.
    pub(crate) fn check_not_blocked(&self) -> Result<(), Status> {
        match self.blocked() {
            None => Ok(()),
            Some(reason) => Err(Status::unavailable(format!("the broker blocks publishers: {reason}"))),
        }
    }

    /// Waits until the broker does not block publishers, or the connection is lost.
    ///
    /// Cancel safe.
    pub(crate) async fn unblocked(&self) {
        let mut blocked = self.blocked.subscribe();
        tokio::select! {
            // An error would mean that the link is gone, and it is borrowed here.
            _ = blocked.wait_for(Option::is_none) => {}
            () = self.lost() => {}
        }
    }

    /// Publishes a message that nobody answers, and waits for the broker's word.
    ///
    /// Cancel safe: dropped, the message is not written, unless it was by then.
    pub(crate) async fn publish(
        &self,
        destination: Destination,
        properties: BasicProperties,
        body: Bytes,
    ) -> Result<(), NotConfirmed> {
        self.lanes.publish(&self.connection, destination, properties, body).await
    }

    fn set_blocked(&self, reason: Option<String>) {
        self.blocked.send_replace(reason);
    }

    /// Ends whatever waits for something of this connection.
    fn lose(&self, source: Option<&BrokerError>) {
        self.pending.close(source);
        self.lost.cancel();
    }

    async fn close(&self) {
        // Among them a cancel that is on its way: whoever dropped a call may drop the client with it.
        self.last_words.close();
        let _ = tokio::time::timeout(LAST_WORDS_TIMEOUT, self.last_words.wait()).await;
        self.connection.close().await;
        self.ends.closed.cancel();
    }
}

/// Ends the call whose request came back.
fn on_return(pending: &PendingCalls<Answer>, returned: &Returned) {
    let number = returned.correlation_id().and_then(|id| pending.number(id));
    match number {
        Some(number) => {
            pending.end(number, Err(CallError::Unroutable { method: returned.routing_key.to_string() }));
        }
        None => tracing::warn!(routing_key = %returned.routing_key, "a message came back that is no request"),
    }
}

/// Notes when the broker blocks publishers, and when it does no more.
async fn watch_blocks(link: Arc<Link>, events: impl Stream<Item = lapin::Event>) {
    let mut events = std::pin::pin!(events);
    loop {
        let event = tokio::select! {
            () = link.lost() => return,
            event = events.next() => event,
        };
        match event {
            Some(lapin::Event::ConnectionBlocked(reason)) => {
                tracing::warn!(reason, "the broker blocks publishers");
                link.set_blocked(Some(reason));
            }
            Some(lapin::Event::ConnectionUnblocked) => {
                tracing::info!("the broker does not block publishers any more");
                link.set_blocked(None);
            }
            Some(_) => {}
            None => return,
        }
    }
}
