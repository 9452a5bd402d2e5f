//! What consumers answer: ack, nack, reject, recover; and what comes back when they go.

use amq_protocol::protocol::basic;

use super::State;
use crate::channel::ChannelId;
use crate::channel::unacked::Delivery;
use crate::counters::Count;
use crate::error::Refusal;
use crate::vhost::dead_letter::Reason;

/// What happens to deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settlement {
    Done,
    Requeue,
    /// Its channel is gone.
    Return,
    Reject,
}

impl State {
    /// `basic.ack`.
    ///
    /// # Errors
    ///
    /// An unknown delivery tag.
    pub(crate) fn ack(&mut self, channel: ChannelId, tag: u64, multiple: bool) -> Result<(), Refusal> {
        self.settle(channel, tag, multiple, Settlement::Done)
    }

    pub(super) fn nack(&mut self, channel: ChannelId, nack: &basic::Nack) -> Result<(), Refusal> {
        let settlement = if nack.requeue { Settlement::Requeue } else { Settlement::Reject };
        self.settle(channel, nack.delivery_tag, nack.multiple, settlement)
    }

    pub(super) fn reject(&mut self, channel: ChannelId, reject: &basic::Reject) -> Result<(), Refusal> {
        let settlement = if reject.requeue { Settlement::Requeue } else { Settlement::Reject };
        self.settle(channel, reject.delivery_tag, false, settlement)
    }

    fn settle(&mut self, channel: ChannelId, tag: u64, multiple: bool, settlement: Settlement) -> Result<(), Refusal> {
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        let unknown = || Refusal::precondition(format!("unknown delivery tag {tag}"));
        if !multiple {
            let delivery = open.unacked.take(tag).ok_or_else(unknown)?;
            open.counters.add_times(Count::Ack, usize::from(settlement == Settlement::Done));
            self.settle_delivery(channel, delivery, settlement);
            return Ok(());
        }
        if tag != 0 && !open.unacked.contains(tag) {
            return Err(unknown());
        }
        let mut deliveries = Vec::with_capacity(open.unacked.len());
        open.unacked.take_up_to(tag, |delivery| deliveries.push(delivery));
        open.counters.add_times(Count::Ack, if settlement == Settlement::Done { deliveries.len() } else { 0 });
        for delivery in deliveries {
            self.settle_delivery(channel, delivery, settlement);
        }
        Ok(())
    }

    fn settle_delivery(&mut self, channel: ChannelId, delivery: Delivery, settlement: Settlement) {
        let Delivery { queue: id, consumer, mut entry } = delivery;
        if let Some(consumer) = consumer {
            self.return_credit(channel, consumer);
        }
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.unacked -= 1;
        queue.unacked_bytes -= entry.message.body().len();
        match settlement {
            Settlement::Done => {
                queue.counters.add(Count::Ack);
                self.counters.of(queue.settings().is_quorum()).add(Count::Ack);
            }
            Settlement::Reject => self.bury(id, entry, Reason::Rejected),
            Settlement::Requeue | Settlement::Return => {
                entry.redelivered = true;
                entry.deliveries = entry.deliveries.saturating_add(1);
                let limit = queue.settings().delivery_limit;
                if limit.is_some_and(|limit| entry.deliveries > limit) {
                    self.bury(id, entry, Reason::DeliveryLimit);
                } else if queue.settings().is_quorum() && limit.is_none() && settlement == Settlement::Requeue {
                    // RabbitMQ 3.10 appends what a consumer gives back to a quorum queue without a limit.
                    queue.ready.push(entry);
                } else {
                    queue.ready.put_back(entry);
                }
            }
        }
        if self.queues.get(&id).is_some_and(|queue| !queue.ready.is_empty()) {
            self.mark_dirty(id);
        }
    }

    fn return_credit(&mut self, channel: ChannelId, consumer: crate::queue::consumers::ConsumerId) {
        if let Some(consumer) = self.consumers.get_mut(&consumer) {
            consumer.unacked = consumer.unacked.saturating_sub(1);
        }
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let was_full = open.prefetch_global != 0 && open.outstanding >= u32::from(open.prefetch_global);
        open.outstanding = open.outstanding.saturating_sub(1);
        if was_full {
            // Any of the channel's consumers may have waited for this.
            self.mark_queues_of(channel);
        }
    }

    /// The queues that a channel consumes may have something for it now.
    pub(super) fn mark_queues_of(&mut self, channel: ChannelId) {
        let Some(open) = self.channels.get(&channel) else { return };
        let queues: Vec<_> = open.consumers.values().filter_map(|id| Some(self.consumers.get(id)?.queue)).collect();
        queues.into_iter().for_each(|queue| self.mark_dirty(queue));
    }

    /// Puts everything that a channel has not settled back.
    pub(super) fn requeue_all(&mut self, channel: ChannelId, settlement: Settlement) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        let mut deliveries = Vec::with_capacity(open.unacked.len());
        open.unacked.take_up_to(0, |delivery| deliveries.push(delivery));
        for delivery in deliveries {
            self.settle_delivery(channel, delivery, settlement);
        }
    }
}
