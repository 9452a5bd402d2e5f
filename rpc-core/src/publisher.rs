//! Publishing in batches, confirmed.
//!
//! lapin writes from a thread of its own, and awaiting one publish at a time costs context switches. So messages go
//! through a queue: whatever has gathered is written together, without waiting for company, and a second task
//! takes the confirms as they come. Not in order: a message that the broker is slow to store must not hold back the
//! news of another.
//!
//! What waits to be written is bounded, and so is what was written and is not confirmed: a broker that is slow, or
//! blocks publishers, makes publishing wait, and takes no more memory. A message whose sender is gone is not written.
//!
//! A message that no queue takes comes back (`basic.return`) before its confirm, but lapin hands it out with *some*
//! confirm, often another message's. So a return is matched by its own correlation id, and never says anything of
//! the confirm that it came on.

pub(crate) mod lanes;
mod receipt;

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm, types::ShortString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub(crate) use self::receipt::Receipt;
use crate::{
    amqp,
    error::{BrokerError, PublishError},
};

/// Most messages that are written together.
const BATCH: usize = 64;

/// Most messages that wait to be written; publishing waits when there are more.
const QUEUED_MAX: usize = 1024;

/// Most messages that are written and not confirmed; writing waits when there are more. Far more than a healthy broker
/// leaves open, which confirms within milliseconds.
const UNCONFIRMED_MAX: usize = 16_384;

/// A message on its way out.
pub(crate) struct Outgoing {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// Whether it must come back if no queue takes it.
    pub(crate) mandatory: bool,
    pub(crate) properties: BasicProperties,
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
    /// The message's own correlation id.
    pub(crate) correlation_id: Option<String>,
    /// Where it should have gone.
    pub(crate) routing_key: String,
}

impl Publisher {
    /// Starts publishing on a channel in confirm mode. `on_return` is called for each message that came back.
    /// `failed` is fired when a message could not be published: the channel is closed, and nothing will pass it any
    /// more. The broker can close a channel and keep the connection, so whoever stands on this one must look.
    pub(crate) fn start(
        channel: Channel,
        failed: CancellationToken,
        on_return: impl Fn(Returned) + Send + 'static,
    ) -> Self {
        let (outgoing, outgoing_rx) = mpsc::channel(QUEUED_MAX);
        // Unbounded as a channel: each entry holds a permit of the writer's.
        let (written, written_rx) = mpsc::unbounded_channel();
        tokio::spawn(write(channel, outgoing_rx, written));
        tokio::spawn(await_confirms(written_rx, on_return, failed));
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

    /// Publishes and waits for the broker's confirm: as long as a broker that blocks publishers takes, or until the
    /// connection is lost. Whoever cannot wait that long drops the future.
    pub(crate) async fn publish(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        properties: BasicProperties,
        body: Bytes,
    ) -> Result<(), PublishError> {
        let (receipt, confirm) = oneshot::channel();
        let receipt = Receipt::Confirm(receipt);
        self.send(Outgoing { exchange, routing_key, mandatory: false, properties, body, receipt }).await;
        confirm.await.unwrap_or(Err(PublishError::ConnectionLost { source: None }))
    }
}

fn closed() -> BrokerError {
    let gone = std::io::Error::new(std::io::ErrorKind::NotConnected, "the connection is closed");
    lapin::Error::from(lapin::ErrorKind::IOError(Arc::new(gone))).into()
}

/// A message that was written, or could not be, and its share of [`UNCONFIRMED_MAX`].
struct Written {
    receipt: Receipt,
    publish: lapin::Result<PublisherConfirm>,
    _permit: Option<OwnedSemaphorePermit>,
}

async fn write(channel: Channel, mut outgoing: mpsc::Receiver<Outgoing>, written: mpsc::UnboundedSender<Written>) {
    let unconfirmed = Arc::new(Semaphore::new(UNCONFIRMED_MAX));
    let mut batch = Vec::with_capacity(BATCH);
    while outgoing.recv_many(&mut batch, BATCH).await > 0 {
        let mut permits = permits(&unconfirmed, batch.len()).await;
        // Only now: who waited for permits may have given up meanwhile.
        batch.retain(|message| message.receipt.is_wanted());
        let (receipts, messages): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|Outgoing { exchange, routing_key, mandatory, properties, body, receipt }| {
                let channel = &channel;
                let message =
                    async move { amqp::publish(channel, exchange, routing_key, mandatory, properties, &body).await };
                (receipt, message)
            })
            .unzip();
        for (receipt, publish) in receipts.into_iter().zip(join_all(messages).await) {
            if written.send(Written { receipt, publish, _permit: permits.split(1) }).is_err() {
                return;
            }
        }
    }
    // Nobody waits for a confirm: who does holds a sender.
    amqp::close_channel(&channel).await;
}

async fn permits(unconfirmed: &Arc<Semaphore>, messages: usize) -> OwnedSemaphorePermit {
    let count = u32::try_from(messages).expect("a batch is small");
    Arc::clone(unconfirmed).acquire_many_owned(count).await.expect("the semaphore is never closed")
}

async fn await_confirms(
    mut written: mpsc::UnboundedReceiver<Written>,
    on_return: impl Fn(Returned),
    failed: CancellationToken,
) {
    let mut unconfirmed = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some((receipt, confirmation)) = unconfirmed.next() => conclude(receipt, confirmation, &on_return, &failed),
            Some(message) = written.recv() => unconfirmed.push(confirmation(message)),
            else => break,
        }
    }
}

/// Waits for the broker's word on a message, and frees its place.
async fn confirmation(Written { receipt, publish, _permit }: Written) -> (Receipt, lapin::Result<Confirmation>) {
    let confirmation = match publish {
        Ok(confirm) => confirm.await,
        Err(error) => Err(error),
    };
    (receipt, confirmation)
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
