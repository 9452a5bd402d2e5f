//! Publishing in batches, confirmed.
//!
//! lapin writes from a thread of its own, and awaiting one publish at a time costs context switches. So messages go
//! through a queue, to a task on that thread: whatever has gathered is written together, without waiting for company,
//! and the confirms are taken as they come. Not in order: a message that the broker is slow to store must not hold back
//! the news of another.
//!
//! What waits to be written is bounded, and so is what was written and is not confirmed: a broker that is slow, or
//! blocks publishers, makes publishing wait, and takes no more memory. A message whose sender is gone is not written.
//!
//! A message that no queue takes comes back (`basic.return`) before its confirm, but lapin hands it out with *some*
//! confirm, often another message's. So a return is matched by its own correlation id, and never says anything of
//! the confirm that it came on.

pub(crate) mod lanes;
mod receipt;
mod unconfirmed;

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use lapin::{Confirmation, types::ShortString};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(crate) use self::receipt::Receipt;
use self::unconfirmed::{Boxes, Unconfirmed, Unwritten};
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

/// Most messages that are written and not confirmed; writing waits when there are more. More than a healthy broker
/// leaves open, which confirms within milliseconds; lapin's tables of them never shrink.
const UNCONFIRMED_MAX: usize = 2048;

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

/// How a publisher's channel ends.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    /// Fired when a message could not be published: the channel is closed, and nothing will pass it any more. The
    /// broker can close a channel and keep the connection, so whoever stands on this one must look.
    pub(crate) failed: CancellationToken,
    /// Fires when the connection is closed.
    pub(crate) closed: CancellationToken,
}

/// A message that no queue took.
#[derive(Debug)]
pub(crate) struct Returned {
    /// The message's own correlation id.
    pub(crate) correlation_id: Option<String>,
    /// Where it should have gone.
    pub(crate) routing_key: String,
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
    ends: Ends,
) {
    let channel = Arc::new(channel);
    let (unwritten, mut boxes) = (Unwritten::default(), Boxes::default());
    let mut unconfirmed = FuturesUnordered::new();
    let mut batch = Vec::with_capacity(BATCH);
    let mut open = true;
    loop {
        let room = UNCONFIRMED_MAX.saturating_sub(unconfirmed.len());
        let room = room.min(UNWRITTEN_MAX.saturating_sub(unwritten.count())).min(BATCH);
        tokio::select! {
            biased;
            // lapin may never say what became of a message that the connection's close has overtaken.
            () = ends.closed.cancelled() => break,
            Some(concluded) = unconfirmed.next() => {
                let (receipt, confirmation, emptied) = concluded;
                boxes.put_back(emptied);
                conclude(receipt, confirmation, &on_return, &ends.failed);
            }
            taken = outgoing.recv_many(&mut batch, room), if open && room > 0 => {
                open = taken > 0;
                // Only now: who waited for room may have given up meanwhile.
                for message in batch.drain(..).filter(|message| message.receipt.is_wanted()) {
                    unconfirmed.push(boxes.publish(Arc::clone(&channel), &app_id, message, unwritten.one()));
                }
            }
            else => break,
        }
    }
    outgoing.close();
    while let Ok(message) = outgoing.try_recv() {
        message.receipt.lost(&closed());
    }
    unconfirmed.into_iter().filter_map(Unconfirmed::give_up).for_each(|receipt| receipt.lost(&closed()));
    let io = channel.io().clone();
    io.spawn_in_tokio(async move { amqp::close_channel(&channel).await });
}

fn conclude(
    receipt: Receipt,
    confirmation: lapin::Result<Confirmation>,
    on_return: &impl Fn(Returned),
    failed: &CancellationToken,
) {
    match confirmation {
        Ok(confirmation) => {
            let refused = confirmation.is_nack();
            if let Some(message) = confirmation.take_message() {
                on_return(Returned {
                    correlation_id: message.delivery.properties.correlation_id().as_ref().map(ToString::to_string),
                    routing_key: message.delivery.routing_key.to_string(),
                });
            }
            if refused { receipt.refused() } else { receipt.confirmed() }
        }
        Err(error) => {
            receipt.lost(&error.into());
            failed.cancel();
        }
    }
}
