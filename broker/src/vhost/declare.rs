//! Declaring exchanges and queues, and what every method on them checks first.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, AMQPHardError, AMQPSoftError, exchange, queue};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::{State, replies};
use crate::auth::{Access, User};
use crate::channel::ChannelId;
use crate::error::Refusal;
use crate::exchange::{Exchange, ExchangeOptions, Kind};
use crate::names;
use crate::queue::arguments::checks::Invalid;
use crate::queue::arguments::difference::{difference, type_name};
use crate::queue::arguments::{QueueType, Settings};
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
            "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or the \
             exclusive property value does not match that of the original declaration.",
            self.queue_title(name)
        );
        Refusal::soft(AMQPSoftError::RESOURCELOCKED, text)
    }

    pub(super) fn declare_exchange(&mut self, channel: ChannelId, declare: &exchange::Declare) -> Result<(), Refusal> {
        let name = without_line_ends(declare.exchange.as_str());
        if declare.passive {
            let name = name.as_str();
            check_not_default(name)?;
            self.exchange(name)?;
        } else {
            self.declare_exchange_actively(channel, &name, declare)?;
        }
        if !declare.nowait {
            self.send(channel, &AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})));
        }
        Ok(())
    }

    fn declare_exchange_actively(
        &mut self,
        channel: ChannelId,
        name: &str,
        declare: &exchange::Declare,
    ) -> Result<(), Refusal> {
        let kind = declare.kind.as_str();
        let kind = Kind::parse(kind)
            .ok_or_else(|| Refusal::hard(AMQPHardError::COMMANDINVALID, format!("unknown exchange type '{kind}'")))?;
        check_not_default(name)?;
        self.check_channel_access(channel, Access::Configure, "exchange", name)?;
        if let Some(existing) = self.exchanges.get(name) {
            return self.check_same_exchange(existing, kind, declare);
        }
        check_reserved("exchange", name)?;
        let alternate: Option<Arc<str>> =
            named_exchange(&declare.arguments, "alternate-exchange", &self.exchange_title(name))?;
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
            let id = self.queue_id(&without_line_ends(declare.queue.as_str()))?;
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
        let name = new_queue_name(declare)?;
        self.check_channel_access(channel, Access::Configure, "queue", &name)?;
        if let Some(id) = self.queue_names.get(&name).copied() {
            self.check_same_queue(channel, id, declare)?;
            return Ok(id);
        }
        let title = self.queue_title(&name);
        if let Some(exchange) = named_exchange(&declare.arguments, "x-dead-letter-exchange", &title)? {
            self.check_channel_access(channel, Access::Read, "queue", &name)?;
            self.check_channel_access(channel, Access::Write, "exchange", &exchange)?;
        }
        let refused = |invalid: Invalid| Refusal::precondition(invalid.text(&title));
        let settings = Settings::read(&declare.arguments).map_err(refused)?;
        self.check_queue_flags(&name, declare, &settings)?;
        let owner = self.channels.get(&channel).map(|open| open.link.connection).filter(|_| declare.exclusive);
        let options = QueueOptions {
            durable: is_durable(declare),
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

    /// What a quorum queue cannot be, and what a strict broker does not allow.
    fn check_queue_flags(&self, name: &str, declare: &queue::Declare, settings: &Settings) -> Result<(), Refusal> {
        let title = self.queue_title(name);
        let flags = [
            ("auto-delete", declare.auto_delete),
            ("exclusive-owner", declare.exclusive),
            ("non-durable", !declare.durable),
        ];
        let wrong = flags.iter().find(|(_, wrong)| *wrong && settings.is_quorum());
        if let Some((property, _)) = wrong {
            return Err(Refusal::precondition(format!("invalid property '{property}' for {title}")));
        }
        if self.settings.strict && !declare.durable && !declare.exclusive {
            return Err(Refusal::hard(AMQPHardError::INTERNALERROR, TRANSIENT_REFUSED));
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
        same(&title, "durable", is_durable(declare), queue.options.durable)?;
        same(&title, "auto_delete", declare.auto_delete, queue.options.auto_delete)?;
        queue.settings().queue_type.arguments().iter().try_for_each(|name| {
            let asked = declare.arguments.inner().get(*name);
            let current = queue.options.arguments.inner().get(*name);
            if *name == "x-queue-type" && is_classic(asked) && is_classic(current) {
                return Ok(());
            }
            same_argument(&title, name, asked, current)
        })
    }
}

/// How RabbitMQ 4 refuses a transient queue that is not exclusive, where
/// `deprecated_features.permit.transient_nonexcl_queues` is false.
const TRANSIENT_REFUSED: &str = "Feature `transient_nonexcl_queues` is deprecated.\nIts use is not permitted per the \
    configuration (overriding the default, which is permitted):\n    \
    \"deprecated_features.permit.transient_nonexcl_queues = false\"\nIts use will not be permitted by default in a \
    future minor RabbitMQ version and the feature will be removed from a future major RabbitMQ version";

/// `x-queue-type: classic` is what a queue is without it.
fn is_classic(value: Option<&AMQPValue>) -> bool {
    value.is_none_or(|value| *value == AMQPValue::LongString("classic".into()))
}

/// What is exclusive ends with its connection, whatever it is declared as.
fn is_durable(declare: &queue::Declare) -> bool {
    declare.durable && !declare.exclusive
}

/// RabbitMQ takes line ends out of the names that are declared.
fn without_line_ends(name: &str) -> String {
    name.replace(['\r', '\n'], "")
}

/// The name that a queue is declared under: its own, or one that is made up.
fn new_queue_name(declare: &queue::Declare) -> Result<Arc<str>, Refusal> {
    let asked = without_line_ends(declare.queue.as_str());
    if !asked.is_empty() {
        check_reserved("queue", &asked)?;
        return Ok(asked.into());
    }
    match QueueType::named_in(&declare.arguments) {
        Ok(kind @ QueueType::Quorum) => {
            Err(Refusal::precondition(format!("Cannot declare a server-named queue for type {}", kind.module())))
        }
        _ => Ok(names::generated("amq.gen-").into()),
    }
}

/// The exchange that an argument names.
fn named_exchange(arguments: &FieldTable, argument: &str, title: &str) -> Result<Option<Arc<str>>, Refusal> {
    match arguments.inner().get(argument) {
        None => Ok(None),
        Some(AMQPValue::LongString(name)) => Ok(Some(name.to_string().into())),
        Some(other) => {
            let kind = type_name(other);
            Err(Refusal::precondition(format!("invalid type '{kind}' for arg '{argument}' in {title}")))
        }
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
