//! What a client stands on: a connection, a channel for replies, and one for requests. It is lost as a whole: a client
//! with half of it would send requests whose replies nobody reads, or wait for requests that nobody sends.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{Channel, Connection, Consumer, types::ShortString};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ClientOptions;
use crate::{
    amqp,
    error::{BrokerError, CallError},
    pending::PendingCalls,
    publisher::Returned,
    wire::{self, Answer},
};

/// A connection with its channels open.
pub(super) struct Link {
    pub(super) connection: Arc<Connection>,
    pub(super) callback_queue: ShortString,
    pub(super) replies: Consumer,
    pub(super) publishing: Channel,
}

impl Link {
    pub(super) async fn open(address: amqp::Address, options: &ClientOptions) -> Result<Self, BrokerError> {
        let connection = amqp::connect(address, &options.name, options.heartbeat).await?;
        // A name of our own: `amq.gen-*` names cannot be declared again, and an operator sees what the queue is for.
        let callback_queue = ShortString::from(format!("warren.reply.{}", Uuid::new_v4()));
        let consuming = connection.create_channel().await?;
        amqp::declare_events_exchange(&consuming).await?;
        amqp::declare_callback_queue(&consuming, &callback_queue).await?;
        let replies = amqp::consume_replies(&consuming, &callback_queue).await?;
        let publishing = amqp::confirming_channel(&connection).await?;
        Ok(Self { connection: Arc::new(connection), callback_queue, replies, publishing })
    }
}

/// Ends the call whose request came back.
pub(super) fn on_return(pending: &PendingCalls<Answer>, returned: Returned) {
    match returned.correlation_id {
        Some(id) => {
            pending.end(id, Err(CallError::Unroutable { method: returned.routing_key }));
        }
        None => tracing::warn!(routing_key = returned.routing_key, "a message came back that is no request"),
    }
}

/// Reads replies, notices the loss of the connection, and closes it in the end.
pub(super) struct LinkTask {
    pub(super) connection: Arc<Connection>,
    pub(super) pending: Arc<PendingCalls<Answer>>,
    /// Fires when requests cannot be published any more.
    pub(super) publisher_failed: CancellationToken,
    /// Fired when the connection is lost.
    pub(super) lost: CancellationToken,
    /// Fires with the last clone of the client.
    pub(super) dropped: CancellationToken,
}

impl LinkTask {
    pub(super) async fn run(self, mut replies: Consumer) {
        let source = tokio::select! {
            () = self.dropped.cancelled() => None,
            () = self.publisher_failed.cancelled() => None,
            source = self.read(&mut replies) => source,
        };
        self.pending.close(source.as_ref());
        self.lost.cancel();
        // Explicitly, while the consumer is alive: what lapin closes by itself on drop may run into a state error, and
        // it takes those for errors of the connection.
        amqp::close(&self.connection).await;
    }

    /// Hands replies to their calls until there can be no more.
    async fn read(&self, replies: &mut Consumer) -> Option<BrokerError> {
        while let Some(reply) = replies.next().await {
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => return Some(error.into()),
            };
            match wire::correlation_id(&reply.properties) {
                Some(id) => {
                    if !self.pending.end(id, Ok(Answer::read(&reply.properties, reply.data))) {
                        tracing::debug!(%id, "a reply came after its call had ended");
                    }
                }
                None => tracing::warn!("a reply came without a correlation id of ours"),
            }
        }
        None
    }
}
