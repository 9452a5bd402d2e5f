//! Direct reply-to: replies that go to a channel without a queue (RabbitMQ's documentation, "Direct Reply-to").

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, queue};

use super::{State, copies};
use crate::channel::{ChannelId, Replies};
use crate::error::Refusal;
use crate::message::Message;
use crate::names;
use crate::wire::encode;
use crate::wire::properties::{self, Changes};

/// The queue that a caller consumes from, and names as reply address.
pub(super) const NAME: &str = "amq.rabbitmq.reply-to";
/// What a callee sees instead begins so.
pub(super) const PREFIX: &str = "amq.rabbitmq.reply-to.";

/// So many bytes that a caller has not read, and further replies are lost: far more than any number of calls in flight
/// needs.
const UNREAD_REPLY_BYTES_MAX: usize = 256 << 20;

pub(super) fn is_reply_name(name: &str) -> bool {
    name == NAME || name.starts_with(PREFIX)
}

impl State {
    pub(super) fn consume_replies(&mut self, channel: ChannelId, tag: &Arc<str>, no_ack: bool) -> Result<(), Refusal> {
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        if open.replies.is_some() {
            return Err(Refusal::precondition("reply consumer already set"));
        }
        if !no_ack {
            return Err(Refusal::precondition("reply consumer cannot acknowledge"));
        }
        let token: Arc<str> = names::generated("g1").into();
        open.replies = Some(Replies { consumer_tag: Arc::clone(tag), token: Arc::clone(&token) });
        self.replies.insert(token, channel);
        Ok(())
    }

    /// The message with the address under which its sender can be reached, instead of the name that stands for it.
    pub(super) fn with_reply_address(&self, channel: ChannelId, message: &Message) -> Result<Arc<Message>, Refusal> {
        let replies = self.channels.get(&channel).and_then(|open| open.replies.as_ref());
        let replies = replies.ok_or_else(|| Refusal::precondition("fast reply consumer does not exist"))?;
        let address = format!("{PREFIX}{}", replies.token);
        let changes = Changes { reply_to: Some(address.as_bytes()), ..Changes::default() };
        let block = properties::changed(message.properties(), &changes).map_err(|_| Refusal::internal_error())?;
        Ok(Arc::new(message.readdressed(Arc::clone(message.exchange_arc()), message.routing_key(), &block)))
    }

    fn reply_channel(&self, name: &[u8]) -> Option<ChannelId> {
        let token = std::str::from_utf8(name.strip_prefix(PREFIX.as_bytes())?).ok()?;
        self.replies.get(token).copied()
    }

    /// Hands a message to the callers that its keys are the addresses of. That does not count as a route: RabbitMQ
    /// returns a mandatory reply that was delivered, too.
    pub(super) fn deliver_replies(&mut self, message: &Arc<Message>) {
        if !message.exchange().is_empty() {
            return;
        }
        self.deliver_reply(message.routing_key(), message);
        for key in copies::routing_keys(message) {
            self.deliver_reply(&key, message);
        }
    }

    fn deliver_reply(&mut self, name: &[u8], message: &Arc<Message>) {
        let Some(id) = self.reply_channel(name) else { return };
        let Some(open) = self.channels.get_mut(&id) else { return };
        let delivery_tag = open.take_delivery_tag();
        let Some(replies) = &open.replies else { return };
        let (number, link, tag) = (open.number, Arc::clone(&open.link), Arc::clone(&replies.consumer_tag));
        // There is no queue to keep replies in: a caller that never reads loses them before they fill the memory.
        let unread_bytes = link.outbox.unwritten_bytes();
        if unread_bytes >= UNREAD_REPLY_BYTES_MAX {
            tracing::warn!(connection = link.connection.0, unread_bytes, "a reply is lost: its caller does not read");
            return;
        }
        let properties = copies::returned_properties(message);
        link.outbox.append_content(number, link.frame_max, message, properties.as_deref(), |out| {
            encode::deliver(out, number, &tag, delivery_tag, false, message);
        });
        self.wake(&link.outbox);
    }

    /// Declaring a reply address asks whether its caller is still there.
    pub(super) fn declare_reply_queue(&mut self, channel: ChannelId, declare: &queue::Declare) -> Result<(), Refusal> {
        let name = declare.queue.as_str();
        let exists = if name == NAME {
            self.channels.get(&channel).is_some_and(|open| open.replies.is_some())
        } else {
            self.reply_channel(name.as_bytes()).is_some()
        };
        if !exists {
            return Err(Refusal::not_found(format!("no {}", self.queue_title(name))));
        }
        if !declare.nowait {
            let answer = queue::DeclareOk { queue: name.into(), message_count: 0, consumer_count: 1 };
            self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::DeclareOk(answer)));
        }
        Ok(())
    }
}
