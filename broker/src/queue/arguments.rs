//! The `x-` arguments of a queue, checked as RabbitMQ checks them.

use std::fmt::Display;
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::exchange::headers::integer;

/// What happens to what is over a queue's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Overflow {
    #[default]
    DropHead,
    RejectPublish,
    RejectPublishDlx,
}

/// A queue's arguments, read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) quorum: bool,
    pub(crate) message_ttl_ms: Option<u64>,
    pub(crate) expires_ms: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) max_length_bytes: Option<u64>,
    pub(crate) overflow: Overflow,
    pub(crate) dead_letter_exchange: Option<Arc<str>>,
    pub(crate) dead_letter_routing_key: Option<Arc<str>>,
    /// 0: a queue without priorities.
    pub(crate) max_priority: u8,
    pub(crate) single_active_consumer: bool,
    /// How often a message of a quorum queue may come back.
    pub(crate) delivery_limit: Option<u32>,
}

/// The arguments that must be the same when a queue is declared again.
pub(crate) const COMPARED: [&str; 13] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-single-active-consumer",
    "x-queue-type",
];

/// An argument that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) name: &'static str,
    /// What is wrong, as RabbitMQ says it.
    pub(crate) reason: String,
}

struct Reader<'a>(&'a FieldTable);

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&AMQPValue> {
        self.0.inner().get(name)
    }

    fn number(&self, name: &'static str, least: i128) -> Result<Option<u64>, Invalid> {
        let invalid = |reason: String| Invalid { name, reason };
        let Some(value) = self.get(name) else { return Ok(None) };
        let Some(number) = integer(value) else {
            return Err(invalid(format!("\"expected integer, got {}\"", type_name(value))));
        };
        if number < 0 {
            return Err(invalid(format!("{{value_negative,{number}}}")));
        }
        if number < least {
            return Err(invalid(format!("{{value_zero,{number}}}")));
        }
        Ok(Some(u64::try_from(number).unwrap_or(u64::MAX)))
    }

    /// A text that becomes a short string when a message is sent on.
    fn short_text(&self, name: &'static str) -> Result<Option<String>, Invalid> {
        match self.text(name)? {
            Some(text) if text.len() > 255 => Err(Invalid { name, reason: "\"longer than 255 bytes\"".to_owned() }),
            text => Ok(text),
        }
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(AMQPValue::LongString(text)) => Ok(Some(text.to_string())),
            Some(other) => Err(Invalid { name, reason: format!("{{unacceptable_type,{}}}", type_name(other)) }),
        }
    }
}

impl Settings {
    /// Reads a queue's arguments.
    ///
    /// # Errors
    ///
    /// The first that is wrong.
    pub(crate) fn read(arguments: &FieldTable) -> Result<Settings, Invalid> {
        let reader = Reader(arguments);
        let quorum = read_type(&reader)?;
        let overflow = read_overflow(&reader)?;
        let dead_letter_exchange = reader.short_text("x-dead-letter-exchange")?;
        let dead_letter_routing_key = reader.short_text("x-dead-letter-routing-key")?;
        if dead_letter_routing_key.is_some() && dead_letter_exchange.is_none() {
            let reason = "routing_key_but_no_dlx_defined".to_owned();
            return Err(Invalid { name: "x-dead-letter-routing-key", reason });
        }
        let max_priority = match reader.number("x-max-priority", 0)? {
            Some(high @ 256..) => {
                let reason = format!("{{max_value_exceeded,{high}}}");
                return Err(Invalid { name: "x-max-priority", reason });
            }
            other => other.and_then(|value| u8::try_from(value).ok()).unwrap_or(0),
        };
        Ok(Settings {
            quorum,
            message_ttl_ms: reader.number("x-message-ttl", 0)?,
            expires_ms: reader.number("x-expires", 1)?,
            max_length: reader.number("x-max-length", 0)?,
            max_length_bytes: reader.number("x-max-length-bytes", 0)?,
            overflow,
            dead_letter_exchange: dead_letter_exchange.map(Arc::from),
            dead_letter_routing_key: dead_letter_routing_key.map(Arc::from),
            max_priority,
            single_active_consumer: matches!(reader.get("x-single-active-consumer"), Some(AMQPValue::Boolean(true))),
            delivery_limit: reader
                .number("x-delivery-limit", 0)?
                .filter(|_| quorum)
                .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        })
    }
}

fn read_type(reader: &Reader<'_>) -> Result<bool, Invalid> {
    match reader.text("x-queue-type")?.as_deref() {
        None | Some("classic") => Ok(false),
        Some("quorum") => Ok(true),
        Some(other) => Err(Invalid { name: "x-queue-type", reason: format!("\"unsupported queue type '{other}'\"") }),
    }
}

fn read_overflow(reader: &Reader<'_>) -> Result<Overflow, Invalid> {
    match reader.text("x-overflow")?.as_deref() {
        None | Some("drop-head") => Ok(Overflow::DropHead),
        Some("reject-publish") => Ok(Overflow::RejectPublish),
        Some("reject-publish-dlx") => Ok(Overflow::RejectPublishDlx),
        Some(_) => Err(Invalid { name: "x-overflow", reason: "invalid_overflow".to_owned() }),
    }
}

/// A value's type as RabbitMQ names it.
pub(crate) fn type_name(value: &AMQPValue) -> &'static str {
    match value {
        AMQPValue::Boolean(_) => "bool",
        AMQPValue::ShortShortInt(_) => "byte",
        AMQPValue::ShortShortUInt(_) => "unsignedbyte",
        AMQPValue::ShortInt(_) => "short",
        AMQPValue::ShortUInt(_) => "unsignedshort",
        AMQPValue::LongInt(_) => "signedint",
        AMQPValue::LongUInt(_) => "unsignedint",
        AMQPValue::LongLongInt(_) => "long",
        AMQPValue::Float(_) => "float",
        AMQPValue::Double(_) => "double",
        AMQPValue::DecimalValue(_) => "decimal",
        AMQPValue::ShortString(_) | AMQPValue::LongString(_) => "longstr",
        AMQPValue::FieldArray(_) => "array",
        AMQPValue::Timestamp(_) => "timestamp",
        AMQPValue::FieldTable(_) => "table",
        AMQPValue::ByteArray(_) => "binary",
        AMQPValue::Void => "void",
    }
}

/// A difference between what is asked for and what a queue or exchange was declared with, as RabbitMQ tells it.
pub(crate) fn difference(asked: Option<&AMQPValue>, current: Option<&AMQPValue>) -> Option<String> {
    let same = match (asked, current) {
        (None, None) => true,
        (Some(asked), Some(current)) => {
            asked == current || (integer(asked).is_some() && integer(asked) == integer(current))
        }
        _ => false,
    };
    if same {
        return None;
    }
    if let (Some(asked), Some(current)) = (asked, current)
        && type_name(asked) == type_name(current)
    {
        return Some(format!("received '{}' but current is '{}'", Shown(asked), Shown(current)));
    }
    let described = |value: Option<&AMQPValue>| match value {
        None => "none".to_owned(),
        Some(value) => format!("the value '{}' of type '{}'", Shown(value), type_name(value)),
    };
    Some(format!("received {} but current is {}", described(asked), described(current)))
}

struct Shown<'a>(&'a AMQPValue);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, integer(self.0)) {
            (_, Some(number)) => number.fmt(formatter),
            (AMQPValue::LongString(text), _) => text.fmt(formatter),
            (AMQPValue::Boolean(value), _) => value.fmt(formatter),
            (other, _) => write!(formatter, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: AMQPValue) -> Result<Settings, Invalid> {
        let mut table = FieldTable::default();
        table.insert(name.into(), value);
        Settings::read(&table)
    }

    #[test]
    fn wrong_arguments_are_named() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        for (name, value) in [
            ("x-message-ttl", AMQPValue::LongInt(-1)),
            ("x-message-ttl", text("soon")),
            ("x-expires", AMQPValue::LongInt(0)),
            ("x-max-priority", AMQPValue::LongInt(256)),
            ("x-overflow", text("explode")),
            ("x-dead-letter-routing-key", text("k")),
            ("x-dead-letter-exchange", text(&"e".repeat(256))),
            ("x-queue-type", text("stream")),
        ] {
            assert_eq!(read(name, value).unwrap_err().name, name);
        }
    }

    #[test]
    fn any_width_of_integer_is_taken() {
        assert_eq!(read("x-message-ttl", AMQPValue::ShortShortUInt(7)).unwrap().message_ttl_ms, Some(7));
        assert_eq!(read("x-message-ttl", AMQPValue::LongLongInt(7)).unwrap().message_ttl_ms, Some(7));
    }
}
