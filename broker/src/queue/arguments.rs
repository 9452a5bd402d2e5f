//! The `x-` arguments of a queue, read.

pub(crate) mod checks;
pub(crate) mod difference;

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::exchange::headers::integer;
use checks::{Invalid, Wrong};

/// What a queue is; RabbitMQ's streams are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum QueueType {
    #[default]
    Classic,
    Quorum,
}

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
    pub(crate) queue_type: QueueType,
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

struct Reader<'a>(&'a FieldTable);

impl Reader<'_> {
    fn get(&self, name: &str) -> Option<&AMQPValue> {
        self.0.inner().get(name)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(integer).and_then(|number| u64::try_from(number).ok())
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Some(AMQPValue::LongString(text)) => Some(text.to_string()),
            _ => None,
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
        let queue_type = checks::check_queue(arguments)?;
        let reader = Reader(arguments);
        let dead_letter_routing_key = reader.text("x-dead-letter-routing-key");
        if dead_letter_routing_key.as_ref().is_some_and(|key| key.len() > 255) {
            // RabbitMQ takes it, and loses the connection of whoever would consume the message: the key is a short
            // string there.
            let wrong = Wrong::Value("\"longer than 255 bytes\"".to_owned());
            return Err(Invalid { name: "x-dead-letter-routing-key".to_owned(), wrong });
        }
        let is_quorum = queue_type == QueueType::Quorum;
        let max_priority = reader.number("x-max-priority").and_then(|value| u8::try_from(value).ok());
        Ok(Settings {
            queue_type,
            message_ttl_ms: reader.number("x-message-ttl"),
            expires_ms: reader.number("x-expires"),
            max_length: reader.number("x-max-length"),
            max_length_bytes: reader.number("x-max-length-bytes"),
            overflow: match reader.text("x-overflow").as_deref() {
                Some("reject-publish") => Overflow::RejectPublish,
                Some("reject-publish-dlx") if !is_quorum => Overflow::RejectPublishDlx,
                _ => Overflow::DropHead,
            },
            dead_letter_exchange: reader.text("x-dead-letter-exchange").map(Arc::from),
            dead_letter_routing_key: dead_letter_routing_key.map(Arc::from),
            max_priority: max_priority.unwrap_or(0),
            single_active_consumer: matches!(reader.get("x-single-active-consumer"), Some(AMQPValue::Boolean(true))),
            delivery_limit: reader.number("x-delivery-limit").map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        })
    }

    pub(crate) fn is_quorum(&self) -> bool {
        self.queue_type == QueueType::Quorum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_width_of_integer_is_taken() {
        for value in [AMQPValue::ShortShortUInt(7), AMQPValue::LongLongInt(7)] {
            let mut table = FieldTable::default();
            table.insert("x-message-ttl".into(), value);
            assert_eq!(Settings::read(&table).unwrap().message_ttl_ms, Some(7));
        }
    }

    #[test]
    fn a_quorum_queue_drops_its_oldest_where_it_cannot_dead_letter_the_newest() {
        let mut table = FieldTable::default();
        table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        table.insert("x-overflow".into(), AMQPValue::LongString("reject-publish-dlx".into()));
        assert_eq!(Settings::read(&table).unwrap().overflow, Overflow::DropHead);
    }
}
