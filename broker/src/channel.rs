//! Channels as a vhost knows them: what was delivered on them, and what was published. No I/O and no locks.

pub(crate) mod confirms;
pub(crate) mod unacked;

use std::sync::Arc;

use amq_protocol::types::FieldTable;
use rustc_hash::FxHashMap;

use crate::auth::User;
use crate::connection::ConnectionId;
use crate::counters::Counters;
use crate::outbox::Outbox;
use crate::queue::QueueId;
use crate::queue::consumers::ConsumerId;
use confirms::Confirms;
use unacked::Unacked;

/// A channel, for as long as it exists: numbers come again, ids do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelId(pub(crate) u64);

/// What all channels of a connection share.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) user: Arc<User>,
    pub(crate) outbox: Arc<Outbox>,
    /// Bytes of a frame, with its overhead.
    pub(crate) frame_max: usize,
    /// The client wants to hear when its consumer is cancelled.
    pub(crate) cancel_notify: bool,
}

/// An open channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: u16,
    pub(crate) link: Arc<Link>,
    pub(crate) unacked: Unacked,
    pub(crate) next_delivery_tag: u64,
    /// Consumers by their tags.
    pub(crate) consumers: FxHashMap<Arc<str>, ConsumerId>,
    /// Prefetch of consumers that come; 0: no limit.
    pub(crate) prefetch: u16,
    /// Prefetch of the whole channel; 0: no limit.
    pub(crate) prefetch_global: u16,
    /// Deliveries to consumers that wait for an ack: what a global prefetch limits.
    pub(crate) outstanding: u32,
    pub(crate) confirms: Option<Confirms>,
    /// The queue that an empty name stands for.
    pub(crate) last_queue: Option<Arc<str>>,
    /// The consumer of direct replies.
    pub(crate) replies: Option<Replies>,
    pub(crate) counters: Counters,
}

/// A consumer of `amq.rabbitmq.reply-to`.
#[derive(Debug)]
pub(crate) struct Replies {
    pub(crate) consumer_tag: Arc<str>,
    /// What stands after `amq.rabbitmq.reply-to.`.
    pub(crate) token: Arc<str>,
}

/// A consumer of a queue.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) channel: ChannelId,
    pub(crate) queue: QueueId,
    pub(crate) tag: Arc<str>,
    pub(crate) no_ack: bool,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only who looks over HTTP reads it"))]
    pub(crate) arguments: FieldTable,
    /// 0: no limit.
    pub(crate) prefetch: u16,
    pub(crate) unacked: u32,
}

impl Channel {
    pub(crate) fn new(number: u16, link: Arc<Link>) -> Channel {
        Channel {
            number,
            link,
            unacked: Unacked::default(),
            next_delivery_tag: 1,
            consumers: FxHashMap::default(),
            prefetch: 0,
            prefetch_global: 0,
            outstanding: 0,
            confirms: None,
            last_queue: None,
            replies: None,
            counters: Counters::default(),
        }
    }

    pub(crate) fn take_delivery_tag(&mut self) -> u64 {
        let tag = self.next_delivery_tag;
        self.next_delivery_tag += 1;
        tag
    }

    /// Whether a consumer of this channel can be given one more.
    pub(crate) fn can_take(&self, consumer: &Consumer) -> bool {
        let credit = consumer.no_ack
            || (consumer.prefetch == 0 || consumer.unacked < u32::from(consumer.prefetch))
                && (self.prefetch_global == 0 || self.outstanding < u32::from(self.prefetch_global));
        // What a closed outbox is given is lost: its connection is gone, though not all of its channels yet.
        credit && !self.link.outbox.is_closed() && !self.link.outbox.is_full()
    }
}
