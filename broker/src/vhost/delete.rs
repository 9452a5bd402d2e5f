//! What goes: queues, exchanges, channels, and everything that goes with them.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic, exchange, queue};
use rustc_hash::FxHashMap;

use super::State;
use super::declare::check_not_default;
use super::settle::Settlement;
use crate::auth::Access;
use crate::channel::ChannelId;
use crate::connection::ConnectionId;
use crate::error::Refusal;
use crate::exchange::{Destination, Exchange};
use crate::queue::{Queue, QueueId};

impl State {
    pub(super) fn delete_queue_by_name(&mut self, channel: ChannelId, delete: &queue::Delete) -> Result<(), Refusal> {
        let name = self.queue_name(channel, delete.queue.as_str())?;
        self.check_channel_access(channel, Access::Configure, "queue", &name)?;
        let mut message_count = 0;
        if let Some(id) = self.queue_names.get(&name).copied() {
            self.check_exclusive(channel, id)?;
            let title = self.queue_title(&name);
            let Some(queue) = self.queues.get(&id) else { return Ok(()) };
            check_delete(&title, queue, delete)?;
            if delete.if_unused && !queue.consumers.is_empty() {
                return Err(Refusal::precondition(format!("{title} in use")));
            }
            if delete.if_empty && !queue.ready.is_empty() {
                return Err(Refusal::precondition(format!("{title} not empty")));
            }
            message_count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
            self.delete_queue(id);
        }
        if !delete.nowait {
            let answer = queue::DeleteOk { message_count };
            self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::DeleteOk(answer)));
        }
        Ok(())
    }

    pub(super) fn purge(&mut self, channel: ChannelId, purge: &queue::Purge) -> Result<(), Refusal> {
        let name = self.queue_name(channel, purge.queue.as_str())?;
        self.check_channel_access(channel, Access::Read, "queue", &name)?;
        let id = self.queue_id(&name)?;
        self.check_exclusive(channel, id)?;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        let message_count = u32::try_from(queue.ready.clear()).unwrap_or(u32::MAX);
        if !purge.nowait {
            self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count })));
        }
        Ok(())
    }

    /// Deletes a queue: its consumers are told, its bindings go.
    pub(super) fn delete_queue(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(&id) else { return };
        self.queue_names.remove(&queue.name);
        self.churn.queues_deleted += 1;
        for consumer in queue.consumers.ids() {
            let Some(consumer) = self.consumers.remove(&consumer) else { continue };
            let Some(open) = self.channels.get_mut(&consumer.channel) else { continue };
            open.consumers.remove(&consumer.tag);
            if open.link.cancel_notify {
                let cancel = basic::Cancel { consumer_tag: (*consumer.tag).into(), nowait: true };
                self.send(consumer.channel, &AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)));
            }
        }
        if queue.bindings > 0 {
            self.unbind_everywhere(&Destination::Queue(id));
        }
    }

    /// Takes every binding to a destination away, and the auto-delete exchanges that had no other, and so on. A client
    /// makes chains of them as long as it likes: no recursion.
    fn unbind_everywhere(&mut self, destination: &Destination) {
        let mut unneeded = Vec::new();
        for exchange in self.exchanges.values_mut() {
            if loses_its_last_binding(exchange, destination) {
                unneeded.push(Arc::clone(&exchange.name));
            }
        }
        if unneeded.is_empty() {
            return;
        }
        let sources = self.sources_of_exchanges();
        while let Some(name) = unneeded.pop() {
            self.exchanges.remove(&name);
            let bound = sources.get(&name).into_iter().flatten();
            let gone = Destination::Exchange(name);
            for source in bound {
                if self.exchanges.get_mut(source).is_some_and(|source| loses_its_last_binding(source, &gone)) {
                    unneeded.push(Arc::clone(source));
                }
            }
        }
    }

    /// The exchanges that are bound to each exchange.
    fn sources_of_exchanges(&self) -> FxHashMap<Arc<str>, Vec<Arc<str>>> {
        let mut sources: FxHashMap<Arc<str>, Vec<Arc<str>>> = FxHashMap::default();
        for exchange in self.exchanges.values() {
            for binding in exchange.bindings() {
                if let Destination::Exchange(destination) = &binding.destination {
                    sources.entry(Arc::clone(destination)).or_default().push(Arc::clone(&exchange.name));
                }
            }
        }
        sources
    }

    pub(super) fn delete_exchange_by_name(
        &mut self,
        channel: ChannelId,
        delete: &exchange::Delete,
    ) -> Result<(), Refusal> {
        let name = delete.exchange.as_str();
        check_not_default(name)?;
        if name.starts_with("amq.") {
            return Err(Refusal::access(format!("deletion of system {} not allowed", self.exchange_title(name))));
        }
        self.check_channel_access(channel, Access::Configure, "exchange", name)?;
        if let Some(existing) = self.exchanges.get(name) {
            if delete.if_unused && !existing.bindings().is_empty() {
                return Err(Refusal::precondition(format!("{} in use", self.exchange_title(name))));
            }
            self.delete_exchange(name);
        }
        if !delete.nowait {
            self.send(channel, &AMQPClass::Exchange(exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {})));
        }
        Ok(())
    }

    fn delete_exchange(&mut self, name: &str) {
        let Some(gone) = self.exchanges.remove(name) else { return };
        self.unbind_everywhere(&Destination::Exchange(gone.name));
    }

    /// An auto-delete exchange goes with its last binding.
    pub(super) fn delete_exchange_if_unbound(&mut self, name: &str) {
        if self.exchanges.get(name).is_some_and(is_unneeded) {
            self.delete_exchange(name);
        }
    }

    /// Closes channels: their consumers go, what they had comes back.
    pub(crate) fn close_channels(&mut self, ids: &[ChannelId]) {
        // Consumers first, of all of them: what comes back must not be given to them again.
        let queues: Vec<QueueId> = ids.iter().flat_map(|id| self.detach_consumers(*id)).collect();
        for id in ids {
            self.requeue_all(*id, Settlement::Return);
            self.churn.channels_closed += u64::from(self.channels.remove(id).is_some());
        }
        queues.into_iter().for_each(|queue| self.after_consumer_left(queue));
        self.settle_down();
    }

    /// Takes a channel's consumers away, and returns their queues. Its confirms are told before.
    fn detach_consumers(&mut self, id: ChannelId) -> Vec<QueueId> {
        self.flush_confirms(id);
        let Some(open) = self.channels.get_mut(&id) else { return Vec::new() };
        let consumers: Vec<_> = open.consumers.values().copied().collect();
        if let Some(replies) = open.replies.take() {
            self.replies.remove(&replies.token);
        }
        consumers.into_iter().filter_map(|consumer| self.detach_consumer(consumer)).collect()
    }

    /// What is exclusive to a connection goes with it. Its channels are closed already.
    pub(crate) fn close_connection(&mut self, connection: ConnectionId) {
        let owned = self.queues.values().filter(|queue| queue.options.owner == Some(connection));
        let owned: Vec<QueueId> = owned.map(|queue| queue.id).collect();
        owned.into_iter().for_each(|queue| self.delete_queue(queue));
    }

    /// Forgets what does not survive a restart: everything, or what is not durable.
    pub(crate) fn forget(&mut self, keep_durable: bool) {
        let durable =
            |queue: &crate::queue::Queue| keep_durable && queue.options.durable && queue.options.owner.is_none();
        let gone: Vec<QueueId> = self.queues.values().filter(|queue| !durable(queue)).map(|queue| queue.id).collect();
        gone.into_iter().for_each(|queue| self.delete_queue(queue));
        for queue in self.queues.values_mut() {
            queue.ready.retain(|entry| entry.message.traits.persistent || queue.options.settings.is_quorum());
        }
        // What stood before them may be gone: heads are new, and need their timers.
        self.dirty_queues.extend(self.queues.keys());
        let standard = |name: &str| name.is_empty() || name.starts_with("amq.");
        let gone = self.exchanges.values().filter(|it| !(standard(&it.name) || keep_durable && it.options.durable));
        let gone: Vec<Arc<str>> = gone.map(|exchange| Arc::clone(&exchange.name)).collect();
        gone.iter().for_each(|exchange| self.delete_exchange(exchange));
    }
}

/// An auto-delete exchange without a binding.
fn is_unneeded(exchange: &Exchange) -> bool {
    exchange.options.auto_delete && exchange.bindings().is_empty()
}

fn loses_its_last_binding(exchange: &mut Exchange, destination: &Destination) -> bool {
    exchange.unbind(|binding| binding.destination == *destination) > 0 && is_unneeded(exchange)
}

fn check_delete(title: &str, queue: &Queue, delete: &queue::Delete) -> Result<(), Refusal> {
    for (flag, is_set) in [("if-unused", delete.if_unused), ("if-empty", delete.if_empty)] {
        if is_set && queue.settings().is_quorum() {
            let text = format!(
                "cannot delete {title}. queue.delete operations with {flag} flag set are not supported by quorum queues"
            );
            return Err(Refusal::not_implemented(text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use amq_protocol::types::FieldTable;

    use super::*;
    use crate::clock::Clock;
    use crate::exchange::{Binding, ExchangeOptions, Kind};
    use crate::fault::Faults;
    use crate::vhost::VhostSettings;

    /// Auto-delete exchanges, each bound to the next.
    fn chain(length: usize) -> State {
        let settings = VhostSettings { strict: false, body_bytes_max: 1 << 20 };
        let mut state = State::new("/", Clock::start().now(), settings, Arc::new(Faults::default()));
        for place in 0..length {
            let options = ExchangeOptions {
                kind: Kind::Fanout,
                durable: false,
                auto_delete: true,
                internal: false,
                arguments: FieldTable::default(),
                alternate: None,
            };
            let mut exchange = Exchange::new(format!("e{place}").into(), options);
            exchange.bind(Binding {
                destination: Destination::Exchange(format!("e{}", place + 1).into()),
                routing_key: String::new(),
                arguments: FieldTable::default(),
            });
            state.exchanges.insert(Arc::clone(&exchange.name), exchange);
        }
        state
    }

    #[test]
    fn a_long_chain_of_auto_delete_exchanges_goes_with_its_last() {
        let end_it = || {
            let mut state = chain(20_000);
            let standard = state.exchanges.len() - 20_000;
            state.delete_exchange("e19999");
            state.exchanges.len() - standard
        };
        let left = thread::Builder::new().stack_size(256 << 10).spawn(end_it).unwrap().join().unwrap();
        assert_eq!(left, 0);
    }
}
