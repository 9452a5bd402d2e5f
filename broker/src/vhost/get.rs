//! `basic.get`.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};

use super::State;
use super::dispatch::with_delivery_count;
use crate::auth::Access;
use crate::channel::ChannelId;
use crate::channel::unacked::Delivery;
use crate::counters::Count;
use crate::error::Refusal;
use crate::wire::encode;

impl State {
    pub(super) fn get(&mut self, channel: ChannelId, get: &basic::Get) -> Result<(), Refusal> {
        let (name, id) = self.named_queue(channel, get.queue.as_str())?;
        self.check_channel_access(channel, Access::Read, "queue", &name)?;
        self.check_exclusive(channel, id)?;
        self.bury_expired(id, |expires_at, now| expires_at <= now);
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        queue.used_at = now;
        let of_type = usize::from(queue.settings().quorum);
        let Some(entry) = queue.ready.pop() else {
            queue.counters.add(Count::GetEmpty);
            self.counters[of_type].add(Count::GetEmpty);
            self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})));
            return Ok(());
        };
        let message_count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
        let properties = if queue.settings().quorum { with_delivery_count(&entry) } else { None };
        let count = if get.no_ack { Count::GetNoAck } else { Count::Get };
        queue.counters.add_delivery(count, entry.redelivered);
        self.counters[of_type].add_delivery(count, entry.redelivered);
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
}
