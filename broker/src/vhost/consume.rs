//! Consumers come and go.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::FieldTable;

use super::{State, replies};
use crate::auth::Access;
use crate::channel::{ChannelId, Consumer};
use crate::error::Refusal;
use crate::exchange::headers::integer;
use crate::names;
use crate::queue::QueueId;
use crate::queue::arguments::type_name;
use crate::queue::consumers::ConsumerId;

impl State {
    pub(super) fn consume(&mut self, channel: ChannelId, consume: &basic::Consume) -> Result<(), Refusal> {
        let Some(open) = self.channels.get(&channel) else { return Ok(()) };
        let tag = consume.consumer_tag.as_str();
        let taken =
            open.consumers.contains_key(tag) || open.replies.as_ref().is_some_and(|it| &*it.consumer_tag == tag);
        if taken {
            return Err(Refusal::not_allowed(format!("attempt to reuse consumer tag '{tag}'")));
        }
        let tag: Arc<str> = if tag.is_empty() { names::generated("amq.ctag-").into() } else { tag.into() };
        if consume.queue.as_str() == replies::NAME {
            self.consume_replies(channel, &tag, consume.no_ack)?;
        } else {
            self.consume_queue(channel, consume, &tag)?;
        }
        if !consume.nowait {
            let answer = basic::ConsumeOk { consumer_tag: (*tag).into() };
            self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(answer)));
        }
        Ok(())
    }

    fn consume_queue(&mut self, channel: ChannelId, consume: &basic::Consume, tag: &Arc<str>) -> Result<(), Refusal> {
        let name = self.queue_name(channel, consume.queue.as_str())?;
        self.check_channel_access(channel, Access::Read, "queue", &name)?;
        let id = self.queue_id(&name)?;
        self.check_exclusive(channel, id)?;
        let priority = self.consumer_priority(&name, &consume.arguments)?;
        let in_use = Refusal::access(format!("{} in exclusive use", self.queue_title(&name)));
        let consumer_id = ConsumerId(self.take_id());
        let now = self.now;
        let (Some(queue), Some(open)) = (self.queues.get_mut(&id), self.channels.get_mut(&channel)) else {
            return Ok(());
        };
        if queue.consumers.exclusive || consume.exclusive && !queue.consumers.is_empty() {
            return Err(in_use);
        }
        let consumer = Consumer {
            channel,
            queue: id,
            tag: Arc::clone(tag),
            no_ack: consume.no_ack,
            arguments: consume.arguments.clone(),
            prefetch: open.prefetch,
            unacked: 0,
        };
        queue.used_at = now;
        queue.consumers.add(consumer_id, priority);
        queue.consumers.exclusive = consume.exclusive;
        open.consumers.insert(Arc::clone(tag), consumer_id);
        self.consumers.insert(consumer_id, consumer);
        self.mark_dirty(id);
        Ok(())
    }

    fn consumer_priority(&self, queue: &str, arguments: &FieldTable) -> Result<i32, Refusal> {
        let Some(value) = arguments.inner().get("x-priority") else { return Ok(0) };
        let Some(priority) = integer(value) else {
            let title = self.queue_title(queue);
            let text = format!("invalid arg 'x-priority' for {title}: {{unacceptable_type,{}}}", type_name(value));
            return Err(Refusal::precondition(text));
        };
        Ok(i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX }))
    }

    pub(super) fn cancel(&mut self, channel: ChannelId, cancel: &basic::Cancel) {
        let tag = cancel.consumer_tag.as_str();
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if let Some(replies) = open.replies.take_if(|replies| &*replies.consumer_tag == tag) {
            self.replies.remove(&replies.token);
        }
        let consumer = self.channels.get(&channel).and_then(|open| open.consumers.get(tag)).copied();
        if !cancel.nowait {
            let answer = basic::CancelOk { consumer_tag: tag.into() };
            self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::CancelOk(answer)));
        }
        if let Some(queue) = consumer.and_then(|consumer| self.detach_consumer(consumer)) {
            self.after_consumer_left(queue);
        }
    }

    /// Takes a consumer away from its queue, whose id it returns. What it has not settled stays with the channel.
    pub(super) fn detach_consumer(&mut self, id: ConsumerId) -> Option<QueueId> {
        let consumer = self.consumers.remove(&id)?;
        if let Some(open) = self.channels.get_mut(&consumer.channel) {
            open.consumers.remove(&consumer.tag);
        }
        self.queues.get_mut(&consumer.queue)?.consumers.remove(id);
        Some(consumer.queue)
    }

    /// An auto-delete queue goes with its last consumer; others wait for the next.
    pub(super) fn after_consumer_left(&mut self, id: QueueId) {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return };
        queue.used_at = now;
        if queue.options.auto_delete && queue.consumers.is_empty() && queue.consumers.had_any {
            self.delete_queue(id);
            return;
        }
        self.set_expires_timer(id);
        self.mark_dirty(id);
    }

    pub(super) fn qos(&mut self, channel: ChannelId, qos: &basic::Qos) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if qos.global {
            open.prefetch_global = qos.prefetch_count;
            self.mark_queues_of(channel);
        } else {
            open.prefetch = qos.prefetch_count;
        }
        self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})));
    }

    pub(super) fn recover(&mut self, channel: ChannelId, requeue: bool) -> Result<(), Refusal> {
        if !requeue {
            return Err(Refusal::not_implemented("requeue=false"));
        }
        self.requeue_all(channel);
        Ok(())
    }
}
