//! Events, and whatever else is published to exchanges.

use std::time::Duration;

use super::{Client, RetryPolicy, check_size, one_way::OneWay};
use crate::{
    amqp,
    error::{PublishError, RejectReason},
    exchange::{Body, Exchange, Headers},
    method::{BODY_BYTES_MAX, Event},
    publisher::lanes::Destination,
};

/// How one message is published to an exchange.
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    /// By these a headers exchange chooses. Default: none.
    pub headers: Headers,
    /// Whether it is an error if no queue takes the message. Default: false, it is gone then.
    pub mandatory: bool,
    /// By it who gets a message twice knows it, 1 to 255 bytes. Absent: a new UUIDv7.
    pub message_id: Option<String>,
    /// The message is dropped from a queue if nobody took it within this. Default: none, it waits as long as it takes.
    pub expires_after: Option<Duration>,
    /// Longest all of it may take. Absent: [`ClientOptions::publish_timeout`](crate::ClientOptions::publish_timeout).
    pub timeout: Option<Duration>,
}

impl Client {
    /// Publishes an event, and waits until the broker has it on disk for every queue that wants it; whether any does is
    /// not asked. Waits for [`ClientOptions::publish_timeout`](crate::ClientOptions::publish_timeout) at most.
    ///
    /// # Errors
    ///
    /// [`PublishError`]; each variant says what may have happened.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the event was published; what was not written by then never will be.
    pub async fn publish<E: Event>(&self, event: &E::Body) -> Result<(), PublishError> {
        let key = amqp::name("event's key", E::KEY).map_err(RejectReason::from)?;
        let exchange = Exchange::<E::Body>::topic(amqp::EVENTS_EXCHANGE);
        self.publish_to(&exchange, key.as_str(), event, PublishOptions::default()).await
    }

    /// Publishes a message of [`BODY_BYTES_MAX`] bytes at most to an exchange, and waits until the broker has it on
    /// disk for every queue that wants it. By the key a direct or a topic exchange chooses queues; the others do not
    /// look at it. It is not published again if the connection is lost.
    ///
    /// ```
    /// # use warren_rpc::{Client, Exchange, Headers, PublishError, PublishOptions};
    /// const BOARDS: Exchange<String> = Exchange::topic("contest.boards");
    /// const JOBS: Exchange<u64> = Exchange::headers("contest.jobs");
    ///
    /// # async fn run(client: Client) -> Result<(), PublishError> {
    /// client.publish_to(&BOARDS, "spring.frozen", &"at noon".to_owned(), PublishOptions::default()).await?;
    ///
    /// let headers = Headers::new().with("language", "cpp");
    /// client.publish_to(&JOBS, "", &7, PublishOptions { headers, ..PublishOptions::default() }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError`]; each variant says what may have happened.
    ///
    /// # Cancel safety
    ///
    /// As [`publish`](Self::publish).
    pub async fn publish_to<B: Body>(
        &self,
        exchange: &Exchange<B>,
        routing_key: &str,
        body: &B,
        options: PublishOptions,
    ) -> Result<(), PublishError> {
        let codec = self.inner.options.codec;
        let body = codec.encode(body).map_err(RejectReason::from)?;
        check_size(exchange.name(), &body, BODY_BYTES_MAX)?;
        let mut head = self.one_way_head(codec, options.message_id.as_deref())?;
        head.expires_after = options.expires_after;
        head.headers = options.headers.table().map_err(RejectReason::from)?;
        let message = OneWay {
            client: self,
            destination: Destination {
                exchange: amqp::name("exchange's name", exchange.name()).map_err(RejectReason::from)?,
                kind: Some(exchange.kind()),
                routing_key: amqp::routing_key(routing_key).map_err(RejectReason::from)?,
                mandatory: options.mandatory,
            },
            properties: head.into_properties(),
            body,
            timeout: options.timeout.unwrap_or(self.inner.options.publish_timeout),
            may_repeat: false,
            retry: RetryPolicy::never(),
        };
        message.publish().await
    }
}
