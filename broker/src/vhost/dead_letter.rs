//! Messages that a queue gives up: they go to its dead-letter exchange, with their history in `x-death`.
//!
//! RabbitMQ's documentation, "Dead Letter Exchanges", and `rabbit_dead_letter.erl` have the rules.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};

use super::{State, copies};
use crate::clock::Tick;
use crate::message::Message;
use crate::queue::QueueId;
use crate::queue::ready::Entry;
use crate::wire::properties;

/// Why a message died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Rejected,
    Expired,
    MaxLength,
    DeliveryLimit,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Reason::Rejected => "rejected",
            Reason::Expired => "expired",
            Reason::MaxLength => "maxlen",
            Reason::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A message on its way to a dead-letter exchange.
#[derive(Debug)]
pub(super) struct DeadLetter {
    message: Arc<Message>,
    queue: Arc<str>,
    exchange: Arc<str>,
    routing_key: Option<Arc<str>>,
    reason: Reason,
}

impl State {
    /// Gives an entry up: to the dead-letter exchange of its queue, or for good.
    pub(super) fn bury(&mut self, queue: QueueId, entry: Entry, reason: Reason) {
        let Some(queue) = self.queues.get(&queue) else { return };
        let settings = queue.settings();
        let Some(exchange) = &settings.dead_letter_exchange else { return };
        self.dead_letters.push_back(DeadLetter {
            message: entry.message,
            queue: Arc::clone(&queue.name),
            exchange: Arc::clone(exchange),
            routing_key: settings.dead_letter_routing_key.clone(),
            reason,
        });
    }

    /// Gives up the entries at a queue's head for which `expired` holds, of their moment and now.
    pub(super) fn bury_expired(&mut self, id: QueueId, expired: impl Fn(Tick, Tick) -> bool) {
        let now = self.now;
        while let Some(queue) = self.queues.get_mut(&id) {
            if !queue.ready.head().is_some_and(|head| expired(head.expires_at, now)) {
                return;
            }
            let Some(entry) = queue.ready.pop() else { return };
            self.bury(id, entry, Reason::Expired);
        }
    }

    /// Routes a dead letter. Where its exchange is gone, or nothing is bound, it is lost, as in RabbitMQ.
    pub(super) fn publish_dead_letter(&mut self, letter: &DeadLetter) {
        if !self.exchanges.contains_key(&letter.exchange) {
            return;
        }
        let died_at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // Headers that cannot be read are refused when they are published.
        let Some(decoded) = properties::decode(letter.message.properties()) else { return };
        let buried = buried_properties(&decoded, letter, died_at);
        let block = properties::encode(&buried);
        let key = letter.routing_key.as_ref().map_or(letter.message.routing_key(), |key| key.as_bytes());
        let message = Arc::new(letter.message.readdressed(Arc::clone(&letter.exchange), key, &block));
        self.deliver_replies(&message);
        let mut routed = Vec::new();
        self.route(&message, &mut routed);
        let deaths = buried.headers().as_ref().map(deaths).unwrap_or_default();
        for queue in routed {
            let Some(target) = self.queues.get(&queue).map(|queue| Arc::clone(&queue.name)) else { continue };
            if letter.reason != Reason::Rejected && is_cycle(&deaths, &target) {
                tracing::warn!(
                    queue = &*target,
                    "a message was dead-lettered in a circle, without a rejection: dropped"
                );
                continue;
            }
            self.enqueue(queue, Arc::clone(&message), false);
        }
    }
}

/// The message would come to a queue where it died before, and nobody rejected it since: it would go round for ever.
/// The latest of its deaths is the first.
fn is_cycle(deaths: &[FieldTable], to: &str) -> bool {
    let is = |death: &FieldTable, name: &str, value: &str| death.inner().get(name) == Some(&text(value));
    let Some(place) = deaths.iter().position(|death| is(death, "queue", to)) else { return false };
    !deaths[..=place].iter().any(|death| is(death, "reason", "rejected"))
}

fn deaths(headers: &FieldTable) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(array)) = headers.inner().get("x-death") else { return Vec::new() };
    let tables = array.as_slice().iter().filter_map(|value| match value {
        AMQPValue::FieldTable(table) => Some(table.clone()),
        _ => None,
    });
    tables.collect()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// The properties of a message that died: its history, and no expiration that could kill it again.
fn buried_properties(decoded: &AMQPProperties, letter: &DeadLetter, died_at: u64) -> AMQPProperties {
    let mut headers = decoded.headers().clone().unwrap_or_default();
    let (queue, reason) = (&*letter.queue, letter.reason.name());
    let has_history = headers.contains_key("x-death");
    let mut deaths = deaths(&headers);
    let same = |death: &FieldTable| {
        death.inner().get("queue") == Some(&text(queue)) && death.inner().get("reason") == Some(&text(reason))
    };
    let death = match deaths.iter().position(same) {
        Some(place) => {
            let mut death = deaths.remove(place);
            let count = match death.inner().get("count") {
                Some(AMQPValue::LongLongInt(count)) => *count,
                _ => 0,
            };
            death.insert("count".into(), AMQPValue::LongLongInt(count + 1));
            death
        }
        None => first_death(decoded, &headers, letter, died_at),
    };
    deaths.insert(0, death);
    let deaths: Vec<AMQPValue> = deaths.into_iter().map(AMQPValue::FieldTable).collect();
    headers.insert("x-death".into(), AMQPValue::FieldArray(FieldArray::from(deaths)));
    if !has_history {
        headers.insert("x-first-death-exchange".into(), text(letter.message.exchange()));
        headers.insert("x-first-death-queue".into(), text(queue));
        headers.insert("x-first-death-reason".into(), text(reason));
    }
    if letter.routing_key.is_some() {
        // The queue's key stands for all of the message's keys.
        headers = copies::without(&headers, &["CC", "BCC"]);
    }
    without_expiration(decoded).with_headers(headers)
}

fn first_death(decoded: &AMQPProperties, headers: &FieldTable, letter: &DeadLetter, died_at: u64) -> FieldTable {
    let mut death = FieldTable::default();
    let mut keys = vec![AMQPValue::LongString(letter.message.routing_key().into())];
    keys.extend(copies::listed(headers, "CC"));
    death.insert("count".into(), AMQPValue::LongLongInt(1));
    death.insert("exchange".into(), text(letter.message.exchange()));
    death.insert("queue".into(), text(&letter.queue));
    death.insert("reason".into(), text(letter.reason.name()));
    death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(keys)));
    death.insert("time".into(), AMQPValue::Timestamp(died_at));
    if let Some(expiration) = decoded.expiration() {
        death.insert("original-expiration".into(), text(expiration.as_str()));
    }
    death
}

fn without_expiration(properties: &AMQPProperties) -> AMQPProperties {
    let mut kept = AMQPProperties::default();
    macro_rules! keep {
        ($($get:ident => $with:ident),*) => {
            $(if let Some(value) = properties.$get().clone() { kept = kept.$with(value); })*
        };
    }
    keep!(
        content_type => with_content_type, content_encoding => with_content_encoding, delivery_mode => with_delivery_mode,
        priority => with_priority, correlation_id => with_correlation_id, reply_to => with_reply_to,
        message_id => with_message_id, timestamp => with_timestamp, kind => with_type, user_id => with_user_id,
        app_id => with_app_id, cluster_id => with_cluster_id
    );
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(reason: Reason) -> DeadLetter {
        let message = Arc::new(Message::new("work".into(), b"key", &[0, 0], b"body"));
        DeadLetter { message, queue: "q".into(), exchange: "dlx".into(), routing_key: None, reason }
    }

    #[test]
    fn deaths_of_one_kind_are_counted_and_others_come_first() {
        let decoded = AMQPProperties::default().with_expiration("5".into());
        let once = buried_properties(&decoded, &letter(Reason::Expired), 7);
        assert_eq!(once.expiration(), &None);
        let twice = buried_properties(&once, &letter(Reason::Expired), 8);
        let thrice = buried_properties(&twice, &letter(Reason::Rejected), 9);
        let headers = thrice.headers().clone().unwrap();
        let deaths = deaths(&headers);
        let field = |place: usize, name: &str| deaths[place].inner().get(name).cloned().unwrap();
        assert_eq!((field(0, "reason"), field(0, "count")), (text("rejected"), AMQPValue::LongLongInt(1)));
        assert_eq!((field(1, "reason"), field(1, "count")), (text("expired"), AMQPValue::LongLongInt(2)));
        assert_eq!(field(1, "original-expiration"), text("5"));
        assert_eq!(headers.inner().get("x-first-death-reason"), Some(&text("expired")));
    }

    #[test]
    fn a_circle_without_a_rejection_is_seen() {
        let once = buried_properties(&AMQPProperties::default(), &letter(Reason::Expired), 7);
        let history = |properties: &AMQPProperties| deaths(properties.headers().as_ref().unwrap());
        assert!(is_cycle(&history(&once), "q"));
        assert!(!is_cycle(&history(&once), "elsewhere"));
        let rejected = buried_properties(&once, &letter(Reason::Rejected), 8);
        assert!(!is_cycle(&history(&rejected), "q"));
        let expired_since = buried_properties(&rejected, &letter(Reason::Expired), 9);
        assert!(is_cycle(&history(&expired_since), "q"));
    }
}
