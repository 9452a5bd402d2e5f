//! Consumers come and go.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};
use amq_protocol::types::FieldTable;

use super::settle::Settlement;
use super::{State, replies};
use crate::auth::Access;
use crate::channel::{ChannelId, Consumer};
use crate::error::Refusal;
use crate::exchange::headers::integer;
use crate::names;
use crate::queue::QueueId;
use crate::queue::arguments::checks::check_consumer;
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
        self.check_consume(channel, &name, id, consume)?;
        let consumer_id = ConsumerId(self.take_id());
        let now = self.now;
        let (Some(queue), Some(open)) = (self.queues.get_mut(&id), self.channels.get_mut(&channel)) else {
            return Ok(());
        };
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
        queue.consumers.add(consumer_id, priority(&consume.arguments));
        queue.consumers.exclusive = consume.exclusive && !queue.settings().is_quorum();
        open.consumers.insert(Arc::clone(tag), consumer_id);
        self.consumers.insert(consumer_id, consumer);
        self.mark_dirty(id);
        Ok(())
    }

    /// What a queue's type cannot do, wrong arguments, and consumers that want to be alone. Quorum queues know no
    /// exclusive consumers, and RabbitMQ does not say so.
    fn check_consume(
        &self,
        channel: ChannelId,
        name: &str,
        id: QueueId,
        consume: &basic::Consume,
    ) -> Result<(), Refusal> {
        let (Some(queue), Some(open)) = (self.queues.get(&id), self.channels.get(&channel)) else { return Ok(()) };
        let (settings, title) = (queue.settings(), self.queue_title(name));
        check_consumer(settings.queue_type, &consume.arguments)
            .map_err(|invalid| Refusal::precondition(invalid.text(&title)))?;
        if settings.is_quorum() {
            if open.prefetch_global != 0 {
                return Err(Refusal::not_implemented(format!("{title} does not support global qos")));
            }
            return Ok(());
        }
        let alone = consume.exclusive && (settings.single_active_consumer || !queue.consumers.is_empty());
        if queue.consumers.exclusive || alone {
            return Err(Refusal::access(format!("{title} in exclusive use")));
        }
        Ok(())
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
            // RabbitMQ forgets the channel's limit here, too.
            let had_limit = std::mem::take(&mut open.prefetch_global) != 0;
            open.prefetch = qos.prefetch_count;
            if had_limit {
                self.mark_queues_of(channel);
            }
        }
        self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})));
    }

    pub(super) fn recover(&mut self, channel: ChannelId, requeue: bool) -> Result<(), Refusal> {
        if !requeue {
            return Err(Refusal::not_implemented("requeue=false"));
        }
        self.requeue_all(channel, Settlement::Requeue);
        Ok(())
    }
}

fn priority(arguments: &FieldTable) -> i32 {
    let priority = arguments.inner().get("x-priority").and_then(integer).unwrap_or(0);
    i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX })
}
