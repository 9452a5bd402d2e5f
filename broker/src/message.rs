//! A message: what was published, in one allocation.

use std::sync::Arc;

use crate::wire::nesting::{self, Table};
use crate::wire::properties::{self, Properties};

/// A published message. Shared by the queues that it was routed to.
#[derive(Debug)]
pub(crate) struct Message {
    exchange: Arc<str>,
    /// Routing key, property block and body, one after the other: a million small messages are a million allocations,
    /// not three.
    content: Box<[u8]>,
    properties_bytes: u32,
    routing_key_bytes: u8,
    pub(crate) traits: Traits,
}

/// The properties of a message that decide where it goes and how long it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Delivery mode 2.
    pub(crate) persistent: bool,
    pub(crate) headers: Headers,
    pub(crate) priority: u8,
}

/// What a message's headers are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Headers {
    None,
    Plain,
    /// `CC` or `BCC` are among them.
    Copies,
    Unreadable,
}

impl Traits {
    pub(crate) fn of(read: &Properties<'_>) -> Traits {
        let headers = match read.headers.map(nesting::scan) {
            None => Headers::None,
            Some(Table::Plain) => Headers::Plain,
            Some(Table::Copies) => Headers::Copies,
            Some(Table::Malformed | Table::TooDeep) => Headers::Unreadable,
        };
        Traits { persistent: read.delivery_mode == Some(2), headers, priority: read.priority }
    }
}

impl Message {
    /// A message from its parts. `routing_key` is at most 255 bytes, as every short string.
    pub(crate) fn new(exchange: Arc<str>, routing_key: &[u8], properties: &[u8], body: &[u8]) -> Message {
        let mut content = Vec::with_capacity(routing_key.len() + properties.len() + body.len());
        content.extend_from_slice(routing_key);
        content.extend_from_slice(properties);
        content.extend_from_slice(body);
        let read = properties::read(properties).unwrap_or_default();
        Message::of_content(exchange, content, routing_key.len(), properties.len(), Traits::of(&read))
    }

    /// A message whose parts stand in `content` one after the other already.
    pub(crate) fn of_content(
        exchange: Arc<str>,
        content: Vec<u8>,
        routing_key_bytes: usize,
        properties_bytes: usize,
        traits: Traits,
    ) -> Message {
        Message {
            exchange,
            content: content.into_boxed_slice(),
            properties_bytes: u32::try_from(properties_bytes).expect("a header is never over frame_max"),
            routing_key_bytes: u8::try_from(routing_key_bytes).expect("a short string"),
            traits,
        }
    }

    pub(crate) fn exchange(&self) -> &str {
        &self.exchange
    }

    pub(crate) fn exchange_arc(&self) -> &Arc<str> {
        &self.exchange
    }

    pub(crate) fn routing_key(&self) -> &[u8] {
        &self.content[..usize::from(self.routing_key_bytes)]
    }

    fn body_start(&self) -> usize {
        usize::from(self.routing_key_bytes) + self.properties_bytes as usize
    }

    /// The property block: flags and values, as they came.
    pub(crate) fn properties(&self) -> &[u8] {
        &self.content[usize::from(self.routing_key_bytes)..self.body_start()]
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.content[self.body_start()..]
    }

    /// Routing key, properties and body together.
    pub(crate) fn content_bytes(&self) -> usize {
        self.content.len()
    }

    /// How long it may wait in a queue, in milliseconds, if it says so. RabbitMQ checks the text when the message is
    /// published.
    pub(crate) fn expiration_ms(&self) -> Option<u64> {
        let expiration = properties::read(self.properties()).ok()?.expiration?;
        u64::try_from(expiration_number(expiration)?).ok()
    }

    /// The same message under another property block, exchange and key: what dead-lettering makes of it.
    pub(crate) fn readdressed(&self, exchange: Arc<str>, routing_key: &[u8], properties: &[u8]) -> Message {
        Message::new(exchange, routing_key, properties, self.body())
    }
}

/// An `expiration` as RabbitMQ reads it: a decimal number that may have a sign, so that `-0` is one.
pub(crate) fn expiration_number(expiration: &[u8]) -> Option<i128> {
    std::str::from_utf8(expiration).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_message_are_told_apart() {
        let block = [0x01, 0x00, 2, b'4', b'2'];
        let message = Message::new("e".into(), b"key", &block, b"body");
        assert_eq!(message.routing_key(), b"key");
        assert_eq!(message.properties(), block);
        assert_eq!(message.body(), b"body");
        assert_eq!(message.expiration_ms(), Some(42));
    }

    #[test]
    fn an_expiration_may_have_a_sign() {
        let expiration_ms = |text: &str| {
            let block = [&[0x01, 0x00, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            Message::new("e".into(), b"key", &block, b"body").expiration_ms()
        };
        assert_eq!(["-0", "+7", "7"].map(expiration_ms), [Some(0), Some(7), Some(7)]);
    }

    #[test]
    fn a_message_is_small() {
        assert!(std::mem::size_of::<Message>() <= 40);
    }
}
