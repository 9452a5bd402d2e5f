//! What instances are told beside their requests: that a caller has given one up, or, with `progress`, wants more.

use std::time::Duration;

use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::Instant;

use super::{DEADLINE_MS, Properties, whole_ms};
use crate::amqp::{CONTROL_EXCHANGE, header_integer};

/// What the routing keys of cancels begin with, on the control exchange; the method follows.
const CANCEL: &str = "cancel.";

/// Longest that a cancel without a deadline is remembered.
const CANCEL_MAX: Duration = Duration::from_secs(60);

/// Longest that a cancel is remembered, whatever its deadline.
const CANCEL_DEADLINE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The routing key of a method's cancels, if AMQP can carry it.
pub(crate) fn cancel_key(method: &str) -> Option<ShortString> {
    ShortString::try_new(format!("{CANCEL}{method}")).ok()
}

/// The exchange and the routing key that reach the instance with this control queue, or all of the method, if it is not
/// known which has the request. None for a name that is too long for a key: nobody is told then.
pub(crate) fn control_address(method: &str, queue: Option<ShortString>) -> Option<(ShortString, ShortString)> {
    match queue {
        Some(queue) => Some((ShortString::default(), queue)),
        None => Some((CONTROL_EXCHANGE.into(), cancel_key(method)?)),
    }
}

/// Whether a message came by such an address.
pub(crate) fn is_about_a_request(message: &Delivery) -> bool {
    message.exchange.as_str().is_empty() || message.routing_key.as_str().starts_with(CANCEL)
}

/// The properties of a cancel: which attempt, and how long its request may still be handed out.
pub(crate) fn cancel_properties(correlation_id: ShortString, remaining: Duration) -> Properties {
    let mut headers = FieldTable::default();
    headers.insert(DEADLINE_MS.into(), AMQPValue::LongLongInt(whole_ms(remaining)));
    Properties::Other(Box::new(BasicProperties::default().with_correlation_id(correlation_id).with_headers(headers)))
}

/// When a cancelled request will not be handed out any more.
pub(crate) fn cancelled_until(properties: &BasicProperties) -> Instant {
    let ms = header_integer(properties, DEADLINE_MS).and_then(|ms| u64::try_from(ms).ok());
    Instant::now() + ms.map_or(CANCEL_MAX, |ms| Duration::from_millis(ms).min(CANCEL_DEADLINE_MAX))
}
