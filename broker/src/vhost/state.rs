//! What a vhost holds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use amq_protocol::types::FieldTable;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::channel::{Channel, ChannelId, Consumer, Link};
use crate::clock::Tick;
use crate::counters::{ByQueueType, Churn, Count};
use crate::exchange::{Exchange, ExchangeOptions, Kind};
use crate::fault::Faults;
use crate::outbox::Outbox;
use crate::queue::consumers::ConsumerId;
use crate::queue::{Queue, QueueId};
use crate::wire::encode;

use super::dead_letter::DeadLetter;

/// What holds for a vhost as long as it lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VhostSettings {
    pub(crate) strict: bool,
    pub(crate) body_bytes_max: u64,
}

/// The state of a vhost.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    pub(super) settings: VhostSettings,
    pub(super) faults: Arc<Faults>,
    /// The moment of the command that is handled.
    pub(super) now: Tick,
    pub(super) exchanges: FxHashMap<Arc<str>, Exchange>,
    pub(super) queues: FxHashMap<QueueId, Queue>,
    pub(super) queue_names: FxHashMap<Arc<str>, QueueId>,
    pub(super) channels: FxHashMap<ChannelId, Channel>,
    pub(super) consumers: FxHashMap<ConsumerId, Consumer>,
    /// Consumers of direct replies, by token.
    pub(super) replies: FxHashMap<Arc<str>, ChannelId>,
    next_id: u64,
    /// Queues that may have something to give out.
    pub(super) dirty_queues: VecDeque<QueueId>,
    /// What died and is not routed on yet.
    pub(super) dead_letters: VecDeque<DeadLetter>,
    /// Channels with confirms that are not told yet.
    pub(super) confirming: Vec<ChannelId>,
    /// Outboxes that were written to.
    woken: Vec<Arc<Outbox>>,
    pub(super) timers: BinaryHeap<Reverse<(Tick, QueueId)>>,
    pub(super) timers_changed: bool,
    /// Room for the queues that a message is routed to.
    pub(super) routed: Vec<QueueId>,
    pub(super) visited: FxHashSet<Arc<str>>,
    pub(super) counters: ByQueueType,
    pub(super) churn: Churn,
    /// Nothing is given out to consumers.
    pub(super) halted: bool,
}

impl State {
    pub(super) fn new(name: &str, now: Tick, settings: VhostSettings, faults: Arc<Faults>) -> State {
        let mut state = State {
            name: name.into(),
            settings,
            faults,
            now,
            exchanges: FxHashMap::default(),
            queues: FxHashMap::default(),
            queue_names: FxHashMap::default(),
            channels: FxHashMap::default(),
            consumers: FxHashMap::default(),
            replies: FxHashMap::default(),
            next_id: 1,
            dirty_queues: VecDeque::new(),
            dead_letters: VecDeque::new(),
            confirming: Vec::new(),
            woken: Vec::new(),
            timers: BinaryHeap::new(),
            timers_changed: false,
            routed: Vec::new(),
            visited: FxHashSet::default(),
            counters: ByQueueType::default(),
            churn: Churn::default(),
            halted: false,
        };
        state.declare_standard_exchanges();
        state
    }

    /// The exchanges that every vhost of RabbitMQ has.
    fn declare_standard_exchanges(&mut self) {
        for (name, kind, internal) in [
            ("", Kind::Direct, false),
            ("amq.direct", Kind::Direct, false),
            ("amq.fanout", Kind::Fanout, false),
            ("amq.topic", Kind::Topic, false),
            ("amq.headers", Kind::Headers, false),
            ("amq.match", Kind::Headers, false),
            ("amq.rabbitmq.trace", Kind::Topic, true),
        ] {
            let options = ExchangeOptions {
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: FieldTable::default(),
                alternate: None,
            };
            let name: Arc<str> = name.into();
            self.exchanges.insert(Arc::clone(&name), Exchange::new(name, options));
        }
    }

    /// A number that no queue, channel or consumer of this vhost had.
    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Opens a channel.
    pub(crate) fn open_channel(&mut self, number: u16, link: Arc<Link>) -> ChannelId {
        let id = ChannelId(self.take_id());
        self.channels.insert(id, Channel::new(number, link));
        self.churn.channels_opened += 1;
        id
    }

    /// Counts what happened on a channel, and to no queue.
    pub(super) fn count(&mut self, channel: ChannelId, count: Count) {
        self.counters.classic.add(count);
        if let Some(channel) = self.channels.get_mut(&channel) {
            channel.counters.add(count);
        }
    }

    /// Remembers to wake the task of an outbox.
    pub(super) fn wake(&mut self, outbox: &Arc<Outbox>) {
        // Deliveries come in runs to the same connection.
        if !self.woken.last().is_some_and(|last| Arc::ptr_eq(last, outbox)) {
            self.woken.push(Arc::clone(outbox));
        }
    }

    pub(super) fn take_woken(&mut self) -> Vec<Arc<Outbox>> {
        std::mem::take(&mut self.woken)
    }

    pub(super) fn mark_dirty(&mut self, queue: QueueId) {
        if self.dirty_queues.back() != Some(&queue) {
            self.dirty_queues.push_back(queue);
        }
    }

    /// Brings everything that a command led to to an end: deliveries, dead letters (which lead to deliveries), then
    /// confirms.
    pub(super) fn finish(&mut self) {
        self.settle_down();
        for channel in std::mem::take(&mut self.confirming) {
            self.flush_confirms(channel);
        }
    }

    /// Gives out and dead-letters until nothing is left to do.
    pub(crate) fn settle_down(&mut self) {
        loop {
            if let Some(queue) = self.dirty_queues.pop_front() {
                self.dispatch(queue);
            } else if let Some(letter) = self.dead_letters.pop_front() {
                self.publish_dead_letter(&letter);
            } else {
                break;
            }
        }
    }

    /// Writes a method to a channel's client.
    pub(super) fn send(&mut self, channel: ChannelId, method: &amq_protocol::protocol::AMQPClass) {
        let Some(channel) = self.channels.get(&channel) else { return };
        let link = Arc::clone(&channel.link);
        link.outbox.append(|out| encode::method(out, channel.number, method));
        self.wake(&link.outbox);
    }
}
