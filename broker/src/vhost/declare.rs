//! Declaring exchanges and queues, and what every method on them checks first.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, AMQPHardError, AMQPSoftError, exchange, queue};
use amq_protocol::types::AMQPValue;

use super::{State, replies};
use crate::auth::{Access, User};
use crate::channel::ChannelId;
use crate::error::Refusal;
use crate::exchange::{Exchange, ExchangeOptions, Kind};
use crate::names;
use crate::queue::arguments::{COMPARED, Invalid, Settings, difference};
use crate::queue::{Queue, QueueId, QueueOptions};

impl State {
    pub(super) fn exchange_title(&self, name: &str) -> String {
        format!("exchange '{name}' in vhost '{}'", self.name)
    }

    pub(super) fn queue_title(&self, name: &str) -> String {
        format!("queue '{name}' in vhost '{}'", self.name)
    }

    pub(super) fn exchange(&self, name: &str) -> Result<&Exchange, Refusal> {
        self.exchanges.get(name).ok_or_else(|| Refusal::not_found(format!("no {}", self.exchange_title(name))))
    }

    pub(super) fn queue_id(&self, name: &str) -> Result<QueueId, Refusal> {
        let id = self.queue_names.get(name).copied();
        id.ok_or_else(|| Refusal::not_found(format!("no {}", self.queue_title(name))))
    }

    /// The queue that a method names, or the last that was declared on the channel if the name is empty.
    pub(super) fn named_queue(&self, channel: ChannelId, name: &str) -> Result<(Arc<str>, QueueId), Refusal> {
        let name = self.queue_name(channel, name)?;
        let id = self.queue_id(&name)?;
        Ok((name, id))
    }

    pub(super) fn queue_name(&self, channel: ChannelId, name: &str) -> Result<Arc<str>, Refusal> {
        if !name.is_empty() {
            return Ok(name.into());
        }
        let last = self.channels.get(&channel).and_then(|open| open.last_queue.clone());
        last.ok_or_else(|| Refusal::not_found("no previously declared queue"))
    }

    pub(super) fn check_access(&self, user: &User, access: Access, kind: &str, name: &str) -> Result<(), Refusal> {
        if user.may(access, &self.name, name) {
            return Ok(());
        }
        let shown = if kind == "exchange" && name.is_empty() { "amq.default" } else { name };
        let text = format!("access to {kind} '{shown}' in vhost '{}' refused for user '{}'", self.name, user.name);
        Err(Refusal::access(text))
    }

    pub(super) fn check_channel_access(
        &self,
        channel: ChannelId,
        access: Access,
        kind: &str,
        name: &str,
    ) -> Result<(), Refusal> {
        match self.channels.get(&channel) {
            Some(open) => self.check_access(&open.link.user, access, kind, name),
            None => Ok(()),
        }
    }

    /// Whether the channel's connection may touch the queue.
    pub(super) fn check_exclusive(&self, channel: ChannelId, id: QueueId) -> Result<(), Refusal> {
        let (Some(queue), Some(open)) = (self.queues.get(&id), self.channels.get(&channel)) else { return Ok(()) };
        match queue.options.owner {
            Some(owner) if owner != open.link.connection => Err(self.locked(&queue.name)),
            _ => Ok(()),
        }
    }

    fn locked(&self, name: &str) -> Refusal {
        let text = format!(
            "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or the exclusive \
             property value does not match that of the original declaration.",
            self.queue_title(name)
        );
        Refusal::soft(AMQPSoftError::RESOURCELOCKED, text)
    }

    pub(super) fn declare_exchange(&mut self, channel: ChannelId, declare: &exchange::Declare) -> Result<(), Refusal> {
        let name = declare.exchange.as_str();
        if declare.passive {
            check_not_default(name)?;
            self.exchange(name)?;
        } else {
            self.declare_exchange_actively(channel, declare)?;
        }
        if !declare.nowait {
            self.send(channel, &AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})));
        }
        Ok(())
    }

    fn declare_exchange_actively(&mut self, channel: ChannelId, declare: &exchange::Declare) -> Result<(), Refusal> {
        let name = declare.exchange.as_str();
        let kind = declare.kind.as_str();
        let kind = Kind::parse(kind)
            .ok_or_else(|| Refusal::hard(AMQPHardError::COMMANDINVALID, format!("unknown exchange type '{kind}'")))?;
        check_not_default(name)?;
        self.check_channel_access(channel, Access::Configure, "exchange", name)?;
        if let Some(existing) = self.exchanges.get(name) {
            return self.check_same_exchange(existing, kind, declare);
        }
        check_reserved("exchange", name)?;
        let alternate: Option<Arc<str>> = match declare.arguments.inner().get("alternate-exchange") {
            Some(AMQPValue::LongString(alternate)) => Some(alternate.to_string().into()),
            _ => None,
        };
        if let Some(alternate) = &alternate {
            self.check_channel_access(channel, Access::Read, "exchange", name)?;
            self.check_channel_access(channel, Access::Write, "exchange", alternate)?;
        }
        let options = ExchangeOptions {
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: declare.arguments.clone(),
            alternate,
        };
        let name: Arc<str> = name.into();
        self.exchanges.insert(Arc::clone(&name), Exchange::new(name, options));
        Ok(())
    }

    fn check_same_exchange(&self, existing: &Exchange, kind: Kind, declare: &exchange::Declare) -> Result<(), Refusal> {
        let title = self.exchange_title(&existing.name);
        let options = &existing.options;
        same(&title, "type", kind.name(), options.kind.name())?;
        same(&title, "durable", declare.durable, options.durable)?;
        same(&title, "auto_delete", declare.auto_delete, options.auto_delete)?;
        same(&title, "internal", declare.internal, options.internal)?;
        let argument = "alternate-exchange";
        let (asked, current) = (declare.arguments.inner().get(argument), options.arguments.inner().get(argument));
        same_argument(&title, argument, asked, current)
    }

    pub(super) fn declare_queue(&mut self, channel: ChannelId, declare: &queue::Declare) -> Result<(), Refusal> {
        if replies::is_reply_name(declare.queue.as_str()) {
            return self.declare_reply_queue(channel, declare);
        }
        let id = if declare.passive {
            let (_, id) = self.named_queue(channel, declare.queue.as_str())?;
            self.check_exclusive(channel, id)?;
            id
        } else {
            self.declare_queue_actively(channel, declare)?
        };
        self.churn.queues_declared += 1;
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return Ok(()) };
        queue.used_at = now;
        let answer = queue::DeclareOk {
            queue: (*queue.name).into(),
            message_count: u32::try_from(queue.ready.len()).unwrap_or(u32::MAX),
            consumer_count: u32::try_from(queue.consumers.len()).unwrap_or(u32::MAX),
        };
        let name = Arc::clone(&queue.name);
        if let Some(open) = self.channels.get_mut(&channel) {
            open.last_queue = Some(name);
        }
        if !declare.nowait {
            self.send(channel, &AMQPClass::Queue(queue::AMQPMethod::DeclareOk(answer)));
        }
        Ok(())
    }

    fn declare_queue_actively(&mut self, channel: ChannelId, declare: &queue::Declare) -> Result<QueueId, Refusal> {
        let asked = declare.queue.as_str();
        let name: Arc<str> = if asked.is_empty() {
            names::generated("amq.gen-").into()
        } else {
            check_reserved("queue", asked)?;
            asked.into()
        };
        self.check_channel_access(channel, Access::Configure, "queue", &name)?;
        if let Some(id) = self.queue_names.get(&name).copied() {
            self.check_same_queue(channel, id, declare)?;
            return Ok(id);
        }
        let settings = Settings::read(&declare.arguments).map_err(|invalid| self.invalid_argument(&name, &invalid))?;
        if let Some(exchange) = &settings.dead_letter_exchange {
            self.check_channel_access(channel, Access::Read, "queue", &name)?;
            self.check_channel_access(channel, Access::Write, "exchange", exchange)?;
        }
        self.check_queue_flags(&name, declare, &settings)?;
        let owner = self.channels.get(&channel).map(|open| open.link.connection).filter(|_| declare.exclusive);
        let options = QueueOptions {
            durable: declare.durable,
            owner,
            auto_delete: declare.auto_delete,
            arguments: declare.arguments.clone(),
            settings,
        };
        let id = QueueId(self.take_id());
        self.queues.insert(id, Queue::new(id, Arc::clone(&name), options, self.now));
        self.queue_names.insert(name, id);
        self.churn.queues_created += 1;
        self.set_expires_timer(id);
        Ok(id)
    }

    fn invalid_argument(&self, queue: &str, invalid: &Invalid) -> Refusal {
        let Invalid { name, reason } = invalid;
        Refusal::precondition(format!("invalid arg '{name}' for {}: {reason}", self.queue_title(queue)))
    }

    /// What a quorum queue cannot be, and what a strict broker does not allow.
    fn check_queue_flags(&self, name: &str, declare: &queue::Declare, settings: &Settings) -> Result<(), Refusal> {
        let title = self.queue_title(name);
        if settings.quorum {
            for (property, wrong) in [
                ("non-durable", !declare.durable),
                ("exclusive-owner", declare.exclusive),
                ("auto-delete", declare.auto_delete),
            ] {
                if wrong {
                    return Err(Refusal::precondition(format!("invalid property '{property}' for {title}")));
                }
            }
            for argument in ["x-max-priority", "x-queue-mode"] {
                if let Some(value) = declare.arguments.inner().get(argument) {
                    return Err(Refusal::precondition(format!("invalid arg '{argument}' for {title}: {value:?}")));
                }
            }
        }
        if self.settings.strict && !declare.durable && !declare.exclusive {
            return Err(Refusal::hard(
                AMQPHardError::INTERNALERROR,
                "Feature `transient_nonexcl_queues` is deprecated. Its use is not permitted per the configuration",
            ));
        }
        Ok(())
    }

    fn check_same_queue(&self, channel: ChannelId, id: QueueId, declare: &queue::Declare) -> Result<(), Refusal> {
        let Some(queue) = self.queues.get(&id) else { return Ok(()) };
        self.check_exclusive(channel, id)?;
        if queue.options.owner.is_some() != declare.exclusive {
            return Err(self.locked(&queue.name));
        }
        let title = self.queue_title(&queue.name);
        same(&title, "durable", declare.durable, queue.options.durable)?;
        same(&title, "auto_delete", declare.auto_delete, queue.options.auto_delete)?;
        COMPARED.iter().try_for_each(|name| {
            let get = |table: &'_ amq_protocol::types::FieldTable| table.inner().get(*name).cloned();
            let (asked, current) = (get(&declare.arguments), get(&queue.options.arguments));
            let (asked, current) = (defaulted(name, asked), defaulted(name, current));
            same_argument(&title, name, asked.as_ref(), current.as_ref())
        })
    }
}

/// `x-queue-type: classic` is what a queue is without it.
fn defaulted(name: &str, value: Option<AMQPValue>) -> Option<AMQPValue> {
    match value {
        None if name == "x-queue-type" => Some(AMQPValue::LongString("classic".into())),
        value => value,
    }
}

fn same<T: PartialEq + std::fmt::Display + Copy>(title: &str, name: &str, asked: T, current: T) -> Result<(), Refusal> {
    if asked == current {
        return Ok(());
    }
    let text = format!("inequivalent arg '{name}' for {title}: received '{asked}' but current is '{current}'");
    Err(Refusal::precondition(text))
}

fn same_argument(
    title: &str,
    name: &str,
    asked: Option<&AMQPValue>,
    current: Option<&AMQPValue>,
) -> Result<(), Refusal> {
    match difference(asked, current) {
        None => Ok(()),
        Some(difference) => Err(Refusal::precondition(format!("inequivalent arg '{name}' for {title}: {difference}"))),
    }
}

pub(super) fn check_not_default(exchange: &str) -> Result<(), Refusal> {
    if exchange.is_empty() { Err(Refusal::access("operation not permitted on the default exchange")) } else { Ok(()) }
}

fn check_reserved(kind: &str, name: &str) -> Result<(), Refusal> {
    if name.starts_with("amq.") {
        return Err(Refusal::access(format!("{kind} name '{name}' contains reserved prefix 'amq.*'")));
    }
    Ok(())
}
