//! Values of headers, in whichever of AMQP's types their senders chose.

use lapin::{BasicProperties, types::AMQPValue};

/// A header's text, if it is one.
pub(crate) fn header_text<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a str> {
    text(properties.headers().as_ref()?.inner().get(name)?)
}

/// A header's whole number, of whatever width the sender chose.
pub(crate) fn header_integer(properties: &BasicProperties, name: &str) -> Option<i64> {
    integer(properties.headers().as_ref()?.inner().get(name)?)
}

/// A value's text, if it is one.
pub(crate) fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A value's whole number, of whatever width.
pub(crate) fn integer(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(value) => Some(value.into()),
        AMQPValue::ShortShortUInt(value) => Some(value.into()),
        AMQPValue::ShortInt(value) => Some(value.into()),
        AMQPValue::ShortUInt(value) => Some(value.into()),
        AMQPValue::LongInt(value) => Some(value.into()),
        AMQPValue::LongUInt(value) => Some(value.into()),
        AMQPValue::LongLongInt(value) => Some(value),
        _ => None,
    }
}
