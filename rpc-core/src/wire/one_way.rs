//! What a message carries that nobody answers.

use std::time::Duration;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    CALLER, DEADLINE_AT, DEADLINE_MS, PATH, PERSISTENT, STATUS, TRACEPARENT, TRACESTATE, TRIES, expiration, message,
    progress::{CREDIT, RUN, SEQ},
    unix_ms, write_trace,
};
use crate::{amqp::header_text, codec::Codec, error::HeaderError, exchange::Headers, trace::TraceContext};

/// The key that a message was first published with, when it is tried again.
const ROUTING_KEY: &str = "routing-key";

/// Longest name of a header that AMQP carries, in bytes (section 4.2.5.3).
const NAME_BYTES_MAX: usize = 255;

/// Whether a sender can choose a header of this name: it fits, and has no meaning of its own, as the contract's have,
/// those that make a broker send copies, and those that begin with `x-`, which are the broker's.
pub(crate) fn can_be_chosen(name: &str) -> bool {
    let is_contracts = matches!(
        name,
        CALLER
            | CREDIT
            | DEADLINE_AT
            | DEADLINE_MS
            | PATH
            | ROUTING_KEY
            | RUN
            | SEQ
            | STATUS
            | TRACEPARENT
            | TRACESTATE
            | TRIES
    );
    let is_brokers = matches!(name, "CC" | "BCC") || name.starts_with("x-");
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !is_contracts && !is_brokers
}

/// A one-way message, before it is properties. It survives the broker's restart.
#[derive(Clone, Debug)]
pub(crate) struct OneWayHead {
    pub(crate) message_id: ShortString,
    pub(crate) app_id: ShortString,
    pub(crate) codec: Codec,
    pub(crate) priority: Option<u8>,
    pub(crate) expires_after: Option<Duration>,
    pub(crate) trace: Option<TraceContext>,
    /// The methods that are being handled on the way here.
    pub(crate) path: Option<String>,
    /// What the publisher chose.
    pub(crate) headers: FieldTable,
}

impl OneWayHead {
    pub(crate) fn into_properties(self) -> BasicProperties {
        let mut headers = self.headers;
        if let Some(trace) = self.trace {
            write_trace(trace, &mut headers);
        }
        if let Some(path) = self.path {
            headers.insert(PATH.into(), AMQPValue::LongString(path.into()));
        }
        let mut properties = message(self.codec, &self.app_id)
            .with_message_id(self.message_id)
            .with_delivery_mode(PERSISTENT)
            .with_timestamp(u64::try_from(unix_ms() / 1000).unwrap_or_default());
        if !headers.inner().is_empty() {
            properties = properties.with_headers(headers);
        }
        if let Some(priority) = self.priority {
            properties = properties.with_priority(priority);
        }
        if let Some(after) = self.expires_after {
            properties = properties.with_expiration(expiration(after));
        }
        properties
    }
}

/// What the publisher of a message said beside its body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Published {
    pub(crate) routing_key: String,
    pub(crate) headers: Headers,
}

impl Published {
    pub(crate) fn read(delivery: &Delivery) -> Self {
        // Another try comes by the default exchange, and its key is the queue.
        let again = header_text(&delivery.properties, ROUTING_KEY).filter(|_| delivery.exchange.as_str().is_empty());
        let headers = delivery.properties.headers().as_ref().map(Headers::read);
        Self {
            routing_key: again.unwrap_or(delivery.routing_key.as_str()).to_owned(),
            headers: headers.unwrap_or_default(),
        }
    }

    /// For another try, if they leave room for it.
    pub(super) fn table(&self) -> Result<FieldTable, HeaderError> {
        let mut headers = self.headers.table()?;
        headers.insert(ROUTING_KEY.into(), AMQPValue::LongString(self.routing_key.as_str().into()));
        Ok(headers)
    }
}
