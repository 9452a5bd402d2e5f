//! Which method of an open channel leads where.

use amq_protocol::protocol::{AMQPClass, AMQPHardError, access, basic, channel, confirm, exchange, queue};

use super::State;
use crate::channel::ChannelId;
use crate::channel::confirms::Confirms;
use crate::error::Refusal;

impl State {
    /// Handles a method, except those that open or close a channel.
    ///
    /// # Errors
    ///
    /// What the method is refused with: it closes the channel or the connection.
    pub(crate) fn handle(&mut self, channel: ChannelId, method: &AMQPClass) -> Result<(), Refusal> {
        match method {
            AMQPClass::Basic(method) => self.handle_basic(channel, method),
            AMQPClass::Queue(method) => self.handle_queue(channel, method),
            AMQPClass::Exchange(method) => self.handle_exchange(channel, method),
            AMQPClass::Confirm(confirm::AMQPMethod::Select(select)) => {
                self.select_confirms(channel, select.nowait);
                Ok(())
            }
            AMQPClass::Channel(channel::AMQPMethod::Flow(flow)) => self.flow(channel, flow.active),
            AMQPClass::Access(access::AMQPMethod::Request(_)) => {
                self.send(channel, &AMQPClass::Access(access::AMQPMethod::RequestOk(access::RequestOk {})));
                Ok(())
            }
            AMQPClass::Tx(_) => Err(Refusal::not_implemented("transactions are not there: use publisher confirms")),
            _ => Err(unexpected(method)),
        }
    }

    fn handle_basic(&mut self, channel: ChannelId, method: &basic::AMQPMethod) -> Result<(), Refusal> {
        match method {
            basic::AMQPMethod::Qos(qos) => self.qos(channel, qos),
            basic::AMQPMethod::Consume(consume) => self.consume(channel, consume)?,
            basic::AMQPMethod::Cancel(cancel) => self.cancel(channel, cancel),
            basic::AMQPMethod::CancelOk(_) => {}
            basic::AMQPMethod::Get(get) => self.get(channel, get)?,
            basic::AMQPMethod::Ack(ack) => self.ack(channel, ack.delivery_tag, ack.multiple)?,
            basic::AMQPMethod::Nack(nack) => self.nack(channel, nack)?,
            basic::AMQPMethod::Reject(reject) => self.reject(channel, reject)?,
            basic::AMQPMethod::RecoverAsync(recover) => self.recover(channel, recover.requeue)?,
            basic::AMQPMethod::Recover(recover) => {
                self.recover(channel, recover.requeue)?;
                self.send(channel, &AMQPClass::Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {})));
            }
            other => return Err(unexpected(&AMQPClass::Basic(other.clone()))),
        }
        Ok(())
    }

    fn handle_queue(&mut self, channel: ChannelId, method: &queue::AMQPMethod) -> Result<(), Refusal> {
        match method {
            queue::AMQPMethod::Declare(declare) => self.declare_queue(channel, declare),
            queue::AMQPMethod::Bind(bind) => self.bind_queue(channel, bind),
            queue::AMQPMethod::Unbind(unbind) => self.unbind_queue(channel, unbind),
            queue::AMQPMethod::Purge(purge) => self.purge(channel, purge),
            queue::AMQPMethod::Delete(delete) => self.delete_queue_by_name(channel, delete),
            other => Err(unexpected(&AMQPClass::Queue(other.clone()))),
        }
    }

    fn handle_exchange(&mut self, channel: ChannelId, method: &exchange::AMQPMethod) -> Result<(), Refusal> {
        match method {
            exchange::AMQPMethod::Declare(declare) => self.declare_exchange(channel, declare),
            exchange::AMQPMethod::Delete(delete) => self.delete_exchange_by_name(channel, delete),
            exchange::AMQPMethod::Bind(bind) => self.bind_exchange(channel, bind),
            exchange::AMQPMethod::Unbind(unbind) => self.unbind_exchange(channel, unbind),
            other => Err(unexpected(&AMQPClass::Exchange(other.clone()))),
        }
    }

    fn select_confirms(&mut self, channel: ChannelId, nowait: bool) {
        if let Some(open) = self.channels.get_mut(&channel) {
            open.confirms.get_or_insert_with(Confirms::default);
        }
        if !nowait {
            self.send(channel, &AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})));
        }
    }

    /// RabbitMQ takes `active=true` only: use a prefetch.
    fn flow(&mut self, channel: ChannelId, active: bool) -> Result<(), Refusal> {
        if !active {
            return Err(Refusal::not_implemented("active=false"));
        }
        self.send(channel, &AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active })));
        Ok(())
    }
}

/// A method that only a server sends, or that does not fit where it came.
fn unexpected(method: &AMQPClass) -> Refusal {
    let (class, id) = (method.get_amqp_class_id(), method.get_amqp_method_id());
    Refusal::hard(AMQPHardError::COMMANDINVALID, format!("unimplemented method {{{class},{id}}}"))
}
