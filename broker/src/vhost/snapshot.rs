//! What there is in a vhost at one moment, for those who look. It is copied under the vhost's lock, and everything else
//! happens to the copy.
//!
//! Measured (release, 10,000 queues with an argument each): the numbers, which are looked at every two seconds, hold
//! the lock for 1 ms; a list of queues, when somebody asks for one, for 5 ms.

use std::sync::Arc;

use amq_protocol::types::FieldTable;
use rustc_hash::FxHashMap;

use super::State;
use crate::channel::ChannelId;
use crate::connection::ConnectionId;
use crate::counters::{ByQueueType, Churn, Counters};
use crate::exchange::Destination;
use crate::queue::{Queue, QueueId};

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueView {
    pub(crate) id: QueueId,
    pub(crate) name: Arc<str>,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) owner: Option<ConnectionId>,
    pub(crate) quorum: bool,
    pub(crate) arguments: FieldTable,
    pub(crate) depth: Depth,
    pub(crate) ready_bytes: usize,
    pub(crate) unacked_bytes: usize,
    pub(crate) consumers: usize,
    /// The tag of the consumer that has the queue for itself.
    pub(crate) exclusive_consumer: Option<Arc<str>>,
    /// The tag of the single active consumer.
    pub(crate) active_consumer: Option<Arc<str>>,
    pub(crate) counters: Counters,
}

/// How many messages there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Depth {
    pub(crate) ready: u64,
    pub(crate) unacked: u64,
}

impl Depth {
    pub(crate) fn total(self) -> u64 {
        self.ready + self.unacked
    }
}

impl std::ops::AddAssign for Depth {
    fn add_assign(&mut self, other: Depth) {
        self.ready += other.ready;
        self.unacked += other.unacked;
    }
}

/// A consumer of a queue.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerView {
    pub(crate) tag: Arc<str>,
    pub(crate) queue: Arc<str>,
    pub(crate) connection: ConnectionId,
    pub(crate) channel: u16,
    pub(crate) user: String,
    pub(crate) ack_required: bool,
    pub(crate) prefetch: u16,
    pub(crate) exclusive: bool,
    pub(crate) activity: Activity,
    pub(crate) arguments: FieldTable,
}

/// Whether a consumer is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    Up,
    SingleActive,
    /// Another is the single active consumer.
    Waiting,
}

/// A channel.
#[derive(Debug, Clone)]
pub(crate) struct ChannelView {
    pub(crate) id: ChannelId,
    pub(crate) number: u16,
    pub(crate) connection: ConnectionId,
    pub(crate) user: String,
    pub(crate) confirms: bool,
    pub(crate) consumers: usize,
    pub(crate) unacked: usize,
    pub(crate) prefetch: u16,
    pub(crate) prefetch_global: u16,
    pub(crate) counters: Counters,
}

/// An exchange.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeView {
    pub(crate) name: Arc<str>,
    pub(crate) kind: &'static str,
    pub(crate) durable: bool,
    pub(crate) auto_delete: bool,
    pub(crate) internal: bool,
    pub(crate) arguments: FieldTable,
}

/// A binding.
#[derive(Debug, Clone)]
pub(crate) struct BindingView {
    pub(crate) source: Arc<str>,
    pub(crate) destination: Arc<str>,
    pub(crate) to_queue: bool,
    pub(crate) routing_key: String,
    pub(crate) arguments: FieldTable,
}

/// The numbers that change all the time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers {
    pub(crate) counters: ByQueueType,
    pub(crate) churn: Churn,
    pub(crate) depth: Depth,
    pub(crate) queues: FxHashMap<QueueId, (Depth, Counters)>,
    pub(crate) channels: FxHashMap<ChannelId, Counters>,
    pub(crate) consumers: usize,
    pub(crate) exchanges: usize,
}

fn depth(queue: &Queue) -> Depth {
    Depth { ready: queue.ready.len() as u64, unacked: queue.unacked as u64 }
}

impl State {
    pub(crate) fn queue_views(&self) -> Vec<QueueView> {
        self.queues.values().map(|queue| self.queue_view(queue)).collect()
    }

    /// The queue of that name.
    pub(crate) fn queue_view_of(&self, name: &str) -> Option<QueueView> {
        Some(self.queue_view(self.queues.get(self.queue_names.get(name)?)?))
    }

    fn queue_view(&self, queue: &Queue) -> QueueView {
        let tag = |id| self.consumers.get(&id).map(|consumer| Arc::clone(&consumer.tag));
        let exclusive = queue.consumers.exclusive.then(|| queue.consumers.ids().next()).flatten();
        QueueView {
            id: queue.id,
            name: Arc::clone(&queue.name),
            durable: queue.options.durable,
            auto_delete: queue.options.auto_delete,
            owner: queue.options.owner,
            quorum: queue.settings().is_quorum(),
            arguments: queue.options.arguments.clone(),
            depth: depth(queue),
            ready_bytes: queue.ready.body_bytes(),
            unacked_bytes: queue.unacked_bytes,
            consumers: queue.consumers.len(),
            exclusive_consumer: exclusive.and_then(tag),
            active_consumer: queue.consumers.active().and_then(tag),
            counters: queue.counters,
        }
    }

    pub(crate) fn consumer_views(&self) -> Vec<ConsumerView> {
        let view = |(id, consumer): (&_, &crate::channel::Consumer)| {
            let (queue, channel) = (self.queues.get(&consumer.queue)?, self.channels.get(&consumer.channel)?);
            let activity = match (queue.consumers.is_single_active(), queue.consumers.active() == Some(*id)) {
                (false, _) => Activity::Up,
                (true, true) => Activity::SingleActive,
                (true, false) => Activity::Waiting,
            };
            Some(ConsumerView {
                tag: Arc::clone(&consumer.tag),
                queue: Arc::clone(&queue.name),
                connection: channel.link.connection,
                channel: channel.number,
                user: channel.link.user.name.clone(),
                ack_required: !consumer.no_ack,
                prefetch: consumer.prefetch,
                exclusive: queue.consumers.exclusive,
                activity,
                arguments: consumer.arguments.clone(),
            })
        };
        self.consumers.iter().filter_map(view).collect()
    }

    pub(crate) fn channel_views(&self) -> Vec<ChannelView> {
        let view = |(id, channel): (&ChannelId, &crate::channel::Channel)| ChannelView {
            id: *id,
            number: channel.number,
            connection: channel.link.connection,
            user: channel.link.user.name.clone(),
            confirms: channel.confirms.is_some(),
            consumers: channel.consumers.len(),
            unacked: channel.unacked.len(),
            prefetch: channel.prefetch,
            prefetch_global: channel.prefetch_global,
            counters: channel.counters,
        };
        self.channels.iter().map(view).collect()
    }

    /// How many channels each connection has.
    pub(crate) fn channel_counts(&self) -> FxHashMap<ConnectionId, usize> {
        let mut counts = FxHashMap::default();
        self.channels.values().for_each(|channel| *counts.entry(channel.link.connection).or_default() += 1);
        counts
    }

    pub(crate) fn exchange_views(&self) -> Vec<ExchangeView> {
        let view = |exchange: &crate::exchange::Exchange| ExchangeView {
            name: Arc::clone(&exchange.name),
            kind: exchange.options.kind.name(),
            durable: exchange.options.durable,
            auto_delete: exchange.options.auto_delete,
            internal: exchange.options.internal,
            arguments: exchange.options.arguments.clone(),
        };
        self.exchanges.values().map(view).collect()
    }

    /// The bindings that were made, and the one that every queue has to the default exchange.
    pub(crate) fn binding_views(&self) -> Vec<BindingView> {
        let default = self.queues.values().map(|queue| BindingView {
            source: "".into(),
            destination: Arc::clone(&queue.name),
            to_queue: true,
            routing_key: queue.name.to_string(),
            arguments: FieldTable::default(),
        });
        let made = self.exchanges.values().flat_map(|exchange| {
            exchange.bindings().iter().filter_map(|binding| {
                let (destination, to_queue) = match &binding.destination {
                    Destination::Queue(id) => (Arc::clone(&self.queues.get(id)?.name), true),
                    Destination::Exchange(name) => (Arc::clone(name), false),
                };
                Some(BindingView {
                    source: Arc::clone(&exchange.name),
                    destination,
                    to_queue,
                    routing_key: binding.routing_key.clone(),
                    arguments: binding.arguments.clone(),
                })
            })
        });
        default.chain(made).collect()
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let mut total = Depth::default();
        let queues = self.queues.values().map(|queue| {
            let depth = depth(queue);
            total += depth;
            (queue.id, (depth, queue.counters))
        });
        let queues = queues.collect();
        Numbers {
            counters: self.counters,
            churn: self.churn,
            depth: total,
            queues,
            channels: self.channels.iter().map(|(id, channel)| (*id, channel.counters)).collect(),
            consumers: self.consumers.len(),
            exchanges: self.exchanges.len(),
        }
    }
}
