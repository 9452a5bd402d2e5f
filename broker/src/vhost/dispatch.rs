//! From a queue to its consumers.

use std::sync::Arc;

use super::{State, copies};
use crate::channel::unacked::Delivery;
use crate::counters::Count;
use crate::fault::Tampering;
use crate::queue::QueueId;
use crate::queue::arguments::Overflow;
use crate::queue::consumers::ConsumerId;
use crate::queue::ready::Entry;
use crate::vhost::dead_letter::Reason;
use crate::wire::encode;

impl State {
    /// Gives out what is ready to whoever can take it; then what is too much, or too old, goes.
    pub(super) fn dispatch(&mut self, id: QueueId) {
        loop {
            self.bury_expired(id, |expires_at, now| expires_at < now);
            let State { queues, consumers, channels, halted, .. } = self;
            let Some(queue) = queues.get_mut(&id) else { return };
            if *halted || queue.ready.is_empty() || queue.consumers.is_empty() {
                break;
            }
            let next = queue.consumers.next(|consumer| {
                let consumer = consumers.get(&consumer);
                consumer.is_some_and(|it| channels.get(&it.channel).is_some_and(|channel| channel.can_take(it)))
            });
            let Some(consumer) = next else { break };
            let entry = queue.ready.pop().expect("it was not empty a line ago");
            self.deliver(consumer, entry);
        }
        self.drop_overflow(id);
        // What may not wait at all could still be given out above.
        self.bury_expired(id, |expires_at, now| expires_at <= now);
        self.set_head_timer(id);
    }

    fn drop_overflow(&mut self, id: QueueId) {
        while let Some(queue) = self.queues.get_mut(&id) {
            if queue.settings().overflow != Overflow::DropHead || !queue.is_over_limit() {
                return;
            }
            let Some(entry) = queue.ready.pop() else { return };
            self.bury(id, entry, Reason::MaxLength);
        }
    }

    /// Sends an entry to a consumer, and remembers it until it is settled.
    fn deliver(&mut self, consumer: ConsumerId, entry: Entry) {
        let Some(queue) = self.consumers.get(&consumer).and_then(|found| self.queues.get(&found.queue)) else { return };
        let tampering = self.faults.on_delivery(&queue.name);
        let properties = copies::given_properties(&entry, queue.settings().is_quorum());
        if tampering == Some(Tampering::Repeat) {
            self.send_delivery(consumer, entry.clone(), properties.as_deref(), true);
        }
        self.send_delivery(consumer, entry, properties.as_deref(), tampering != Some(Tampering::Drop));
    }

    fn send_delivery(&mut self, id: ConsumerId, entry: Entry, properties: Option<&[u8]>, sent: bool) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        let Some(channel) = self.channels.get_mut(&consumer.channel) else { return };
        let delivery_tag = channel.take_delivery_tag();
        let link = Arc::clone(&channel.link);
        if sent {
            let (number, message) = (channel.number, &entry.message);
            link.outbox.append_content(number, link.frame_max, message, properties, |out| {
                encode::deliver(out, number, &consumer.tag, delivery_tag, entry.redelivered, message);
            });
        }
        let count = if consumer.no_ack { Count::DeliverNoAck } else { Count::Deliver };
        channel.counters.add_delivery(count, entry.redelivered);
        if let Some(queue) = self.queues.get_mut(&consumer.queue) {
            queue.counters.add_delivery(count, entry.redelivered);
            self.counters.of(queue.settings().is_quorum()).add_delivery(count, entry.redelivered);
            if !consumer.no_ack {
                queue.unacked += 1;
                queue.unacked_bytes += entry.message.body().len();
            }
        }
        if !consumer.no_ack {
            consumer.unacked += 1;
            channel.outstanding += 1;
            let queue = consumer.queue;
            channel.unacked.push(delivery_tag, Delivery { queue, consumer: Some(id), entry });
        }
        self.wake(&link.outbox);
    }

    /// Gives nothing out until it is told to again: all connections are about to go, and what one gives back is not for
    /// the next.
    pub(crate) fn set_halted(&mut self, halted: bool) {
        self.halted = halted;
        if !halted {
            let queues: Vec<QueueId> = self.queues.keys().copied().collect();
            queues.into_iter().for_each(|queue| self.mark_dirty(queue));
        }
    }

    /// Lets the queues of a connection's consumers give out again: its outbox was full and is not any more.
    pub(crate) fn resume(&mut self, connection: crate::connection::ConnectionId) {
        let of_connection = |channel| self.channels.get(channel).is_some_and(|it| it.link.connection == connection);
        let queues: Vec<QueueId> =
            self.consumers.values().filter(|it| of_connection(&it.channel)).map(|it| it.queue).collect();
        queues.into_iter().for_each(|queue| self.mark_dirty(queue));
    }
}
