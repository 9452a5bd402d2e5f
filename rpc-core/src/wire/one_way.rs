//! What a message carries that nobody answers.

use std::time::Duration;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{
    CALLER, DEADLINE_AT, DEADLINE_MS, Head, PATH, PERSISTENT, STATUS, TRACEPARENT, TRACESTATE, TRIES, expiration,
    message,
    progress::{CREDIT, RUN, SEQ},
    unix_ms, whole_ms, write_trace,
};
use crate::{amqp::header_text, codec::Codec, deadline, error::HeaderError, exchange::Headers, trace::TraceContext};

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

/// The properties of a one-way message that is published once more: what the contract knows of it, and nothing else. If
/// all were copied, a stranger's `user_id` would close the channel, and a stranger's `CC` send copies.
///
/// # Errors
///
/// [`HeaderError`], if the headers that its publisher chose are too large: a frame that they fill has no room for what
/// another try adds, and the broker would end the connection, again and again.
pub(crate) fn retry_properties(
    first: &BasicProperties,
    head: &Head,
    published: Option<&Published>,
    tries: u32,
) -> Result<BasicProperties, HeaderError> {
    let mut headers = published.map(Published::table).transpose()?.unwrap_or_default();
    if let (None, Ok(metadata)) = (published, &head.metadata) {
        metadata.write(&mut headers);
    }
    headers.insert(TRIES.into(), AMQPValue::LongLongInt(tries.into()));
    if let Some(deadline) = head.deadline {
        let remaining = deadline::remaining(deadline);
        headers.insert(DEADLINE_MS.into(), AMQPValue::LongLongInt(whole_ms(remaining)));
    }
    let mut properties = BasicProperties::default()
        .with_message_id(ShortString::try_new(head.call_id.as_str()).expect("it came as one, or is a UUID"))
        .with_delivery_mode(first.delivery_mode().unwrap_or(PERSISTENT))
        .with_headers(headers);
    if let Some(content_type) = first.content_type() {
        properties = properties.with_content_type(content_type.clone());
    }
    if let Some(app_id) = first.app_id() {
        properties = properties.with_app_id(app_id.clone());
    }
    if let Some(timestamp) = *first.timestamp() {
        properties = properties.with_timestamp(timestamp);
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_try_keeps_the_id_and_what_the_body_is_and_counts() {
        let mut headers = FieldTable::default();
        headers.insert(DEADLINE_MS.into(), AMQPValue::LongLongInt(60_000));
        let first = BasicProperties::default().with_headers(headers);
        let first = first.with_user_id("guest".into()).with_app_id("other".into());
        let head = Head::read(&first);
        let again = Head::read(&retry_properties(&first, &head, None, head.tries + 1).unwrap());
        assert_eq!((again.tries, &again.call_id, &again.codec), (1, &head.call_id, &head.codec));
        assert!(again.deadline.is_some_and(|deadline| deadline <= head.deadline.unwrap() + Duration::from_secs(1)));
        let properties = retry_properties(&first, &again, None, 2).unwrap();
        assert_eq!(Head::read(&properties).tries, 2);
        assert_eq!((properties.user_id(), properties.app_id().as_ref().unwrap().as_str()), (&None, "other"));
        assert_eq!(*properties.delivery_mode(), Some(PERSISTENT));
    }
}
