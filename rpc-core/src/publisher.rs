//! Publishing in batches, confirmed.
//!
//! lapin writes from a thread of its own, and awaiting one publish at a time costs context switches. So messages go
//! through a queue, to a task on that thread: whatever has gathered is written together, without waiting for company,
//! and the confirms are taken as they come. Not in order: a message that the broker is slow to store must not hold back
//! the news of another.
//!
//! What waits to be written is bounded, and so is what was written and is not confirmed: a broker that is slow, or
//! blocks publishers, makes publishing wait, and takes no more memory. A message whose sender is gone is not written.
//! A queue that does not confirm holds back what goes there, and not the others (`places`).
//!
//! A message that no queue takes comes back (`basic.return`) before its confirm, but lapin hands it out with *some*
//! confirm, often another message's. So a return is matched by its own correlation id, and never says anything of
//! the confirm that it came on.

mod ends;
pub(crate) mod lanes;
mod places;
mod receipt;
mod unconfirmed;

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::{BasicProperties, Confirmation, message::Delivery, types::ShortString};
use tokio::sync::mpsc;

pub(crate) use self::{ends::Ends, receipt::Receipt};
use self::{
    ends::Failed,
    places::{Places, Target},
    unconfirmed::{Boxes, Concluded, Unconfirmed, Unwritten},
};
use crate::{
    amqp::{self, Channel},
    error::BrokerError,
    wire::Properties,
};

/// Most messages that are taken before others have their turn.
const BATCH: usize = 64;

/// Most messages that lapin has to write; more wait where they can still be taken back.
const UNWRITTEN_MAX: usize = 80;

/// Most messages that wait to be written; publishing waits when there are more.
const QUEUED_MAX: usize = 1024;

/// Most messages that are written and not confirmed, half of them of one queue; more wait for their place. More than a
/// healthy broker leaves open, which confirms within milliseconds; lapin's tables of them never shrink.
const UNCONFIRMED_MAX: usize = 2048;

/// Most messages that wait for their place; publishing waits when there are more. Far more than there are: calls are
/// bounded by the client's limit and replies by the prefetch, and of those that nobody wants any more there are no more
/// than of the others (`places`). What has no such bound are the cancels of dropped calls.
const WAITING_MAX: usize = 1 << 20;

/// A message on its way out.
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// Whether it must come back if no queue takes it.
    pub(crate) mandatory: bool,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
    pub(crate) receipt: Receipt,
}

/// The sending half: cheap to clone. The tasks behind it end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Publisher {
    outgoing: mpsc::Sender<Outgoing>,
}

/// A message that no queue took.
#[derive(Debug)]
pub(crate) struct Returned {
    /// Where it should have gone.
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

impl Returned {
    /// The message's own correlation id.
    pub(crate) fn correlation_id(&self) -> Option<&str> {
        self.properties.correlation_id().as_ref().map(ShortString::as_str)
    }
}

impl Publisher {
    /// Starts publishing on a channel in confirm mode. `on_return` is called for each message that came back.
    pub(crate) fn start(
        channel: Channel,
        app_id: ShortString,
        ends: Ends,
        on_return: impl Fn(Returned) + Send + 'static,
    ) -> Self {
        let (outgoing, outgoing_rx) = mpsc::channel(QUEUED_MAX);
        let io = channel.io().clone();
        io.spawn(publish_all((channel, app_id), outgoing_rx, on_return, ends));
        Self { outgoing }
    }

    /// Queues a message for writing; waits while too many are queued.
    ///
    /// Cancel safe: dropped before it returns, the message is not published. Nor is it if its receipt is not wanted any
    /// more when its turn comes.
    pub(crate) async fn send(&self, message: Outgoing) {
        if let Err(mpsc::error::SendError(message)) = self.outgoing.send(message).await {
            message.receipt.lost(&closed());
        }
    }

    /// Queues a message for writing, if there is room.
    pub(crate) fn try_send(&self, message: Outgoing) -> bool {
        self.outgoing.try_send(message).is_ok()
    }
}

fn closed() -> BrokerError {
    let gone = std::io::Error::new(std::io::ErrorKind::NotConnected, "the connection is closed");
    lapin::Error::from(lapin::ErrorKind::IOError(Arc::new(gone))).into()
}

/// Writes messages and takes their confirms, until there is no sender any more and all are confirmed.
async fn publish_all(
    (channel, app_id): (Channel, ShortString),
    mut outgoing: mpsc::Receiver<Outgoing>,
    on_return: impl Fn(Returned),
    Ends { failed, closed: is_closed }: Ends,
) {
    let mut writer = Writer::new(channel, app_id);
    let mut batch = Vec::with_capacity(BATCH);
    let mut open = true;
    let mut conclude = move |receipt, confirmation| conclude(receipt, confirmation, &on_return, &failed);
    loop {
        let take = poll_fn(|context| writer.poll(context, open.then_some(&mut outgoing), &mut batch, &mut conclude));
        let taken = tokio::select! {
            biased;
            // lapin may never say what became of a message that the connection's close has overtaken.
            () = is_closed.cancelled() => break,
            taken = take => taken,
        };
        if taken == 0 && !open {
            break;
        }
        open = taken > 0;
        batch.drain(..).for_each(|message| writer.take(message));
    }
    outgoing.close();
    while let Ok(message) = outgoing.try_recv() {
        message.receipt.lost(&closed());
    }
    let Writer { channel, unconfirmed, places, .. } = writer;
    places.into_waiting().for_each(|message| message.receipt.lost(&closed()));
    unconfirmed.into_iter().filter_map(Unconfirmed::give_up).for_each(|receipt| receipt.lost(&closed()));
    let io = channel.io().clone();
    io.spawn_in_tokio(async move { amqp::close_channel(&channel).await });
}

/// Messages on their way.
struct Writer {
    channel: Arc<Channel>,
    app_id: ShortString,
    unwritten: Unwritten,
    boxes: Boxes,
    unconfirmed: FuturesUnordered<Unconfirmed>,
    places: Places<Outgoing>,
}

impl Writer {
    fn new(channel: Channel, app_id: ShortString) -> Self {
        Self {
            channel: Arc::new(channel),
            app_id,
            unwritten: Unwritten::default(),
            boxes: Boxes::default(),
            unconfirmed: FuturesUnordered::new(),
            places: Places::new(UNCONFIRMED_MAX),
        }
    }

    /// Writes what waited and has its place, and takes confirms, until messages have come into the batch: how many.
    /// None if no more will come; without a queue that they come from, when all are confirmed.
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        outgoing: Option<&mut mpsc::Receiver<Outgoing>>,
        batch: &mut Vec<Outgoing>,
        conclude: &mut impl FnMut(Receipt, lapin::Result<Confirmation>),
    ) -> Poll<usize> {
        loop {
            if let Poll::Ready(Some(concluded)) = self.unconfirmed.poll_next_unpin(context) {
                let Concluded { receipt, confirmation, target, emptied } = concluded;
                self.boxes.put_back(emptied);
                self.places.give_back(target);
                conclude(receipt, confirmation);
                continue;
            }
            // Each time anew: what is written meanwhile makes room, long before its confirm comes.
            let room = UNWRITTEN_MAX.saturating_sub(self.unwritten.count()).min(BATCH);
            if room == 0 {
                return Poll::Pending;
            }
            if let Some((target, message)) = self.places.next() {
                self.write(target, message);
                continue;
            }
            return match outgoing {
                Some(outgoing) if self.places.waiting() < WAITING_MAX => outgoing.poll_recv_many(context, batch, room),
                None if self.unconfirmed.is_empty() => Poll::Ready(0),
                _ => Poll::Pending,
            };
        }
    }

    /// Writes a message, if it has its place, and somebody still waits for it: who waited for room may have given up.
    fn take(&mut self, message: Outgoing) {
        if !message.receipt.is_wanted() {
            return;
        }
        let target = self.places.target((message.exchange.as_str(), message.routing_key.as_str()));
        if let Some(message) = self.places.enter(target, message, |waiting| waiting.receipt.is_wanted()) {
            self.write(target, message);
        }
    }

    /// Writes a message that has its place.
    fn write(&mut self, target: Target, message: Outgoing) {
        if message.receipt.is_wanted() {
            message.receipt.publishing();
            let channel = Arc::clone(&self.channel);
            self.unconfirmed.push(self.boxes.publish(channel, &self.app_id, target, message, self.unwritten.one()));
        } else {
            self.places.give_back(target);
        }
    }
}

fn conclude(
    receipt: Receipt,
    confirmation: lapin::Result<Confirmation>,
    on_return: &impl Fn(Returned),
    failed: &Failed,
) {
    match confirmation {
        Ok(confirmation) => {
            let refused = confirmation.is_nack();
            if let Some(message) = confirmation.take_message() {
                let Delivery { routing_key, properties, data: body, .. } = message.delivery;
                on_return(Returned { routing_key, properties, body });
            }
            if refused { receipt.refused() } else { receipt.confirmed() }
        }
        Err(error) => {
            let error = error.into();
            receipt.lost(&error);
            failed.fire(Some(&error));
        }
    }
}
