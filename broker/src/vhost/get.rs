//! `basic.get`.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, AMQPSoftError, basic};

use super::{State, copies};
use crate::auth::Access;
use crate::channel::ChannelId;
use crate::channel::unacked::Delivery;
use crate::counters::Count;
use crate::error::Refusal;
use crate::queue::QueueId;
use crate::wire::encode;

impl State {
    pub(super) fn get(&mut self, channel: ChannelId, get: &basic::Get) -> Result<(), Refusal> {
        let name = self.queue_name(channel, get.queue.as_str())?;
        self.check_channel_access(channel, Access::Read, "queue", &name)?;
        let id = self.queue_id(&name)?;
        self.check_exclusive(channel, id)?;
        self.check_get(&name, id)?;
        self.bury_expired(id, |expires_at, now| expires_at <= now);
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        queue.used_at = now;
        let is_quorum = queue.settings().is_quorum();
        let Some(entry) = queue.ready.pop() else {
            queue.counters.add(Count::GetEmpty);
            self.counters.of(is_quorum).add(Count::GetEmpty);
            self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})));
            return Ok(());
        };
        let message_count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
        let properties = copies::fetched_properties(&entry, is_quorum);
        let count = if get.no_ack { Count::GetNoAck } else { Count::Get };
        queue.counters.add_delivery(count, entry.redelivered);
        self.counters.of(is_quorum).add_delivery(count, entry.redelivered);
        if !get.no_ack {
            queue.unacked += 1;
            queue.unacked_bytes += entry.message.body().len();
        }
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        open.counters.add_delivery(count, entry.redelivered);
        let delivery_tag = open.take_delivery_tag();
        let (number, link) = (open.number, Arc::clone(&open.link));
        link.outbox.append_content(number, link.frame_max, &entry.message, properties.as_deref(), |out| {
            encode::get_ok(out, number, delivery_tag, entry.redelivered, &entry.message, message_count);
        });
        if !get.no_ack {
            open.unacked.push(delivery_tag, Delivery { queue: id, consumer: None, entry });
        }
        self.wake(&link.outbox);
        self.set_head_timer(id);
        Ok(())
    }

    fn check_get(&self, name: &str, id: QueueId) -> Result<(), Refusal> {
        let settings = self.queues.get(&id).map(|queue| queue.settings());
        if settings.is_some_and(|it| it.is_quorum() && it.single_active_consumer) {
            let text = format!(
                "cannot obtain access to locked {}. basic.get operations are not supported by quorum queues with \
                 single active consumer",
                self.queue_title(name)
            );
            return Err(Refusal::soft(AMQPSoftError::RESOURCELOCKED, text));
        }
        Ok(())
    }
}
