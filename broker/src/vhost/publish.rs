//! Messages that come in.

use std::sync::Arc;

use super::{State, copies};
use crate::auth::{Access, User};
use crate::channel::ChannelId;
use crate::channel::confirms::{Confirm, Confirms};
use crate::counters::Count;
use crate::error::Refusal;
use crate::fault::Tampering;
use crate::message::{Headers, Message, expiration_number};
use crate::queue::QueueId;
use crate::queue::arguments::Overflow;
use crate::queue::arguments::checks::check_expiry;
use crate::vhost::dead_letter::Reason;
use crate::vhost::replies;
use crate::wire::decoder::Publish;
use crate::wire::{encode, properties};

impl State {
    /// Takes a message in and routes it; with confirms, its publisher will be told.
    ///
    /// # Errors
    ///
    /// What RabbitMQ refuses: no such exchange, no permission, a forged user, an expiration that is no number.
    pub(crate) fn publish(&mut self, channel: ChannelId, publish: Publish) -> Result<(), Refusal> {
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        let user = Arc::clone(&open.link.user);
        self.check_publish(&publish, &user)?;
        let mut message = publish.message;
        let read = properties::read(message.properties()).unwrap_or_default();
        let asks_for_replies = read.reply_to == Some(replies::NAME.as_bytes());
        let addressed = if asks_for_replies { Some(self.with_reply_address(channel, &message)?) } else { None };
        check_properties(&read, &user)?;
        copies::check(&message)?;
        message = addressed.unwrap_or(message);
        let Some(open) = self.channels.get_mut(&channel) else { return Ok(()) };
        let tag = open.confirms.as_mut().map(Confirms::take_tag);
        open.counters.add(Count::Publish);
        self.counters.classic.add(Count::Publish);
        if tag.is_some() {
            self.counters.classic.add(Count::PublishConfirmed);
        }
        let (routed, accepted) = self.route_and_enqueue(&message);
        match (routed, publish.mandatory) {
            (true, _) => {}
            (false, true) => {
                self.count(channel, Count::ReturnUnroutable);
                self.return_message(channel, &message);
            }
            (false, false) => self.count(channel, Count::DropUnroutable),
        }
        if let Some(tag) = tag {
            self.confirm(channel, tag, accepted);
        }
        Ok(())
    }

    /// What RabbitMQ looks at before the properties, in its order.
    fn check_publish(&self, publish: &Publish, user: &User) -> Result<(), Refusal> {
        if publish.immediate {
            return Err(Refusal::not_implemented("immediate=true"));
        }
        let message = &publish.message;
        let (size, limit) = (message.body().len() as u64, self.settings.body_bytes_max);
        if size > limit {
            let text = format!("message size {size} is larger than configured max size {limit}");
            return Err(Refusal::precondition(text));
        }
        self.check_access(user, Access::Write, "exchange", message.exchange())?;
        if self.exchange(message.exchange())?.options.internal {
            let text = format!("cannot publish to internal {}", self.exchange_title(message.exchange()));
            return Err(Refusal::access(text));
        }
        if message.traits.headers == Headers::Unreadable {
            return Err(Refusal::internal_error());
        }
        Ok(())
    }

    /// Whether the message had a queue to go to, and whether all who were to have it took it.
    fn route_and_enqueue(&mut self, message: &Arc<Message>) -> (bool, bool) {
        self.deliver_replies(message);
        let mut routed = std::mem::take(&mut self.routed);
        self.route(message, &mut routed);
        let mut accepted = true;
        for queue in &routed {
            accepted &= self.enqueue(*queue, Arc::clone(message), true);
        }
        let found = !routed.is_empty();
        routed.clear();
        self.routed = routed;
        (found, accepted)
    }

    /// Puts a message into a queue and gives out what can be. Says `false` if the queue is full and refuses. Only what
    /// a client `published` is counted, and no dead letter.
    pub(super) fn enqueue(&mut self, id: QueueId, message: Arc<Message>, published: bool) -> bool {
        let now = self.now;
        let Some(queue) = self.queues.get_mut(&id) else { return true };
        if published {
            queue.counters.add(Count::Publish);
        }
        if queue.rejects_overflow() && queue.would_overflow(&message) {
            if queue.settings().overflow == Overflow::RejectPublishDlx {
                let entry = queue.entry(message, now);
                self.bury(id, entry, Reason::MaxLength);
            }
            return false;
        }
        let entry = queue.entry(message, now);
        queue.ready.push(entry);
        self.dispatch(id);
        true
    }

    fn return_message(&mut self, channel: ChannelId, message: &Arc<Message>) {
        let Some(open) = self.channels.get(&channel) else { return };
        let (number, link) = (open.number, Arc::clone(&open.link));
        let properties = copies::returned_properties(message);
        link.outbox.append_content(number, link.frame_max, message, properties.as_deref(), |out| {
            encode::return_unrouted(out, number, message);
        });
        self.wake(&link.outbox);
    }

    /// Tells the publisher, now or with others.
    fn confirm(&mut self, channel: ChannelId, tag: u64, accepted: bool) {
        let tampering = self.faults.on_confirm();
        let Some(open) = self.channels.get_mut(&channel) else { return };
        if accepted {
            open.counters.add(Count::Confirm);
            self.counters.classic.add(Count::Confirm);
        }
        let Some(confirms) = &mut open.confirms else { return };
        match (tampering, accepted) {
            (Some(Tampering::Drop), _) => {
                let before = confirms.leave_untold();
                self.tell(channel, before);
            }
            (None, true) => {
                let before = confirms.accept(tag);
                self.tell(channel, before);
                if self.confirming.last() != Some(&channel) {
                    self.confirming.push(channel);
                }
            }
            (tampering, accepted) => {
                let before = confirms.flush();
                self.tell(channel, before);
                let confirm = if accepted { Confirm::Ack { tag, multiple: false } } else { Confirm::Nack { tag } };
                self.tell(channel, Some(confirm));
                if tampering == Some(Tampering::Repeat) {
                    self.tell(channel, Some(confirm));
                }
            }
        }
    }

    /// Tells a channel's publisher what is accepted and not told yet.
    pub(super) fn flush_confirms(&mut self, channel: ChannelId) {
        let confirm = self.channels.get_mut(&channel).and_then(|open| open.confirms.as_mut()?.flush());
        self.tell(channel, confirm);
    }

    fn tell(&mut self, channel: ChannelId, confirm: Option<Confirm>) {
        let (Some(confirm), Some(open)) = (confirm, self.channels.get(&channel)) else { return };
        let (number, outbox) = (open.number, Arc::clone(&open.link.outbox));
        outbox.append(|out| match confirm {
            Confirm::Ack { tag, multiple } => encode::ack(out, number, tag, multiple),
            Confirm::Nack { tag } => encode::nack(out, number, tag),
        });
        self.wake(&outbox);
    }
}

/// What RabbitMQ refuses in a message's properties, in its order.
fn check_properties(read: &properties::Properties<'_>, user: &User) -> Result<(), Refusal> {
    if let Some(claimed) = read.user_id.filter(|claimed| *claimed != user.name.as_bytes()) {
        let claimed = String::from_utf8_lossy(claimed);
        let text = format!("user_id property set to '{claimed}' but authenticated user was '{}'", user.name);
        return Err(Refusal::precondition(text));
    }
    if let Some(expiration) = read.expiration {
        check_expiration(expiration)?;
    }
    match read.delivery_mode {
        None | Some(1 | 2) => Ok(()),
        Some(other) => Err(Refusal::precondition(format!("invalid message: {{delivery_mode_unknown,{other}}}"))),
    }
}

/// RabbitMQ takes a decimal number of milliseconds.
fn check_expiration(expiration: &[u8]) -> Result<(), Refusal> {
    let text = String::from_utf8_lossy(expiration);
    let unsigned = text.trim_start_matches(['-', '+']);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &unsigned[digits..];
    let reason = match expiration_number(expiration) {
        Some(number) => match check_expiry(number) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        },
        None if digits == 0 => "no_integer".to_owned(),
        None => format!("{{leftover_string,\"{rest}\"}}"),
    };
    Err(Refusal::precondition(format!("invalid expiration '{text}': {reason}")))
}
