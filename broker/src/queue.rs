//! Queues: what is ready, in which order, and who is served next. No I/O and no locks.

pub(crate) mod arguments;
pub(crate) mod consumers;
pub(crate) mod ready;

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use crate::clock::Tick;
use crate::connection::ConnectionId;
use crate::counters::Counters;
use crate::message::Message;
use arguments::{Overflow, Settings};
use consumers::Consumers;
use ready::{Entry, Ready};

/// A queue, for as long as it exists: a name may come again, an id does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct QueueId(pub(crate) u64);

/// What a queue was declared as.
#[derive(Debug, Clone)]
pub(crate) struct QueueOptions {
    pub(crate) durable: bool,
    /// The connection that it is exclusive to.
    pub(crate) owner: Option<ConnectionId>,
    pub(crate) auto_delete: bool,
    pub(crate) arguments: FieldTable,
    pub(crate) settings: Settings,
}

/// A queue with its messages and consumers.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: QueueId,
    pub(crate) name: Arc<str>,
    pub(crate) options: QueueOptions,
    pub(crate) ready: Ready,
    pub(crate) consumers: Consumers,
    /// Delivered and not settled.
    pub(crate) unacked: usize,
    /// The bodies' bytes of what is delivered and not settled.
    pub(crate) unacked_bytes: usize,
    /// How many bindings lead here.
    pub(crate) bindings: usize,
    /// When it was last declared, consumed or read: `x-expires` counts from then.
    pub(crate) used_at: Tick,
    /// When the timer will look at the head, if it is set.
    pub(crate) head_timer: Option<Tick>,
    /// When the timer will look whether it is still used, if it is set.
    pub(crate) expires_timer: Option<Tick>,
    pub(crate) counters: Counters,
    next_sequence: u64,
}

impl Queue {
    pub(crate) fn new(id: QueueId, name: Arc<str>, options: QueueOptions, now: Tick) -> Queue {
        let ready = Ready::new(options.settings.max_priority, options.settings.is_quorum());
        let consumers = Consumers::new(options.settings.single_active_consumer);
        Queue {
            id,
            name,
            options,
            ready,
            consumers,
            unacked: 0,
            unacked_bytes: 0,
            bindings: 0,
            used_at: now,
            head_timer: None,
            expires_timer: None,
            counters: Counters::default(),
            next_sequence: 0,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.options.settings
    }

    /// A new message as it stands in this queue.
    pub(crate) fn entry(&mut self, message: Arc<Message>, now: Tick) -> Entry {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let ttl_ms = match (self.options.settings.message_ttl_ms, message.expiration_ms()) {
            (Some(queue), Some(message)) => Some(queue.min(message)),
            (queue, message) => queue.or(message),
        };
        let expires_at = ttl_ms.map_or(Tick::NEVER, |ttl_ms| now.after_ms(ttl_ms));
        Entry { message, sequence, expires_at, redelivered: false, deliveries: 0 }
    }

    /// Whether one more message would be too many for a queue that rejects what is over its limit.
    pub(crate) fn would_overflow(&self, message: &Message) -> bool {
        let settings = self.settings();
        let over = |limit: Option<u64>, size: usize| limit.is_some_and(|limit| size as u64 > limit);
        over(settings.max_length, self.ready.len() + 1)
            || over(settings.max_length_bytes, self.ready.body_bytes() + message.body().len())
    }

    /// Whether more is ready than the limits allow.
    pub(crate) fn is_over_limit(&self) -> bool {
        let settings = self.settings();
        settings.max_length.is_some_and(|limit| self.ready.len() as u64 > limit)
            || settings.max_length_bytes.is_some_and(|limit| self.ready.body_bytes() as u64 > limit)
    }

    pub(crate) fn rejects_overflow(&self) -> bool {
        self.settings().overflow != Overflow::DropHead
    }
}
