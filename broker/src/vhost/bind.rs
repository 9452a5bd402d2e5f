//! Bindings.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, exchange, queue};
use amq_protocol::types::FieldTable;

use super::State;
use super::declare::check_not_default;
use crate::auth::Access;
use crate::channel::ChannelId;
use crate::error::Refusal;
use crate::exchange::headers::valid_x_match;
use crate::exchange::{Binding, Destination, Kind};

impl State {
    pub(super) fn bind_queue(&mut self, channel: ChannelId, bind: &queue::Bind) -> Result<(), Refusal> {
        let source = bind.exchange.as_str();
        let (queue, key) = self.queue_binding(channel, bind.queue.as_str(), source, bind.routing_key.as_str())?;
        self.exchange(source)?;
        let id = self.queue_id(&queue)?;
        self.check_exclusive(channel, id)?;
        self.bind(source, Destination::Queue(id), &key, &bind.arguments)?;
        if !bind.nowait {
            self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {})));
        }
        Ok(())
    }

    pub(super) fn unbind_queue(&mut self, channel: ChannelId, unbind: &queue::Unbind) -> Result<(), Refusal> {
        let source = unbind.exchange.as_str();
        let (queue, key) = self.queue_binding(channel, unbind.queue.as_str(), source, unbind.routing_key.as_str())?;
        // What is not there need not be unbound.
        if let Some(id) = self.queue_names.get(&queue).copied().filter(|_| self.exchanges.contains_key(source)) {
            self.check_exclusive(channel, id)?;
            self.unbind(source, &Destination::Queue(id), &key, &unbind.arguments);
        }
        self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {})));
        Ok(())
    }

    /// Checks a binding of a queue. With an empty queue name, an empty key stands for the last declared queue's name.
    fn queue_binding(
        &self,
        channel: ChannelId,
        name: &str,
        source: &str,
        key: &str,
    ) -> Result<(Arc<str>, String), Refusal> {
        let queue = self.queue_name(channel, name)?;
        let key = if name.is_empty() && key.is_empty() { queue.to_string() } else { key.to_owned() };
        self.check_channel_access(channel, Access::Write, "queue", &queue)?;
        check_not_default(source)?;
        self.check_channel_access(channel, Access::Read, "exchange", source)?;
        Ok((queue, key))
    }

    pub(super) fn bind_exchange(&mut self, channel: ChannelId, bind: &exchange::Bind) -> Result<(), Refusal> {
        let (source, destination) = (bind.source.as_str(), bind.destination.as_str());
        self.check_exchange_binding(channel, source, destination)?;
        self.exchange(source)?;
        let target = Destination::Exchange(Arc::clone(&self.exchange(destination)?.name));
        self.bind(source, target, bind.routing_key.as_str(), &bind.arguments)?;
        if !bind.nowait {
            self.send(channel, &AMQPClass::Exchange(exchange::AMQPMethod::BindOk(exchange::BindOk {})));
        }
        Ok(())
    }

    pub(super) fn unbind_exchange(&mut self, channel: ChannelId, unbind: &exchange::Unbind) -> Result<(), Refusal> {
        let (source, destination) = (unbind.source.as_str(), unbind.destination.as_str());
        self.check_exchange_binding(channel, source, destination)?;
        let target = Destination::Exchange(destination.into());
        self.unbind(source, &target, unbind.routing_key.as_str(), &unbind.arguments);
        if !unbind.nowait {
            self.send(channel, &AMQPClass::Exchange(exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {})));
        }
        Ok(())
    }

    fn check_exchange_binding(&self, channel: ChannelId, source: &str, destination: &str) -> Result<(), Refusal> {
        self.check_channel_access(channel, Access::Write, "exchange", destination)?;
        check_not_default(destination)?;
        check_not_default(source)?;
        self.check_channel_access(channel, Access::Read, "exchange", source)
    }

    fn bind(
        &mut self,
        source: &str,
        destination: Destination,
        key: &str,
        arguments: &FieldTable,
    ) -> Result<(), Refusal> {
        let Some(exchange) = self.exchanges.get_mut(source) else { return Ok(()) };
        if exchange.options.kind == Kind::Headers {
            valid_x_match(arguments).map_err(Refusal::precondition)?;
        }
        if let Destination::Queue(id) = &destination
            && let Some(queue) = self.queues.get_mut(id)
        {
            queue.bindings += 1;
        }
        exchange.bind(Binding { destination, routing_key: key.to_owned(), arguments: arguments.clone() });
        Ok(())
    }

    fn unbind(&mut self, source: &str, destination: &Destination, key: &str, arguments: &FieldTable) {
        let removed = self.exchanges.get_mut(source).map_or(0, |exchange| {
            exchange.unbind(|binding| {
                binding.destination == *destination && binding.routing_key == key && binding.arguments == *arguments
            })
        });
        if removed > 0 {
            self.delete_exchange_if_unbound(source);
        }
    }
}
