//! Messages that a queue gives up: they go to its dead-letter exchange, with their history in `x-death`.
//!
//! RabbitMQ's documentation, "Dead Letter Exchanges", and `rabbit_dead_letter.erl` have the rules.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};

use super::{State, copies};
use crate::clock::Tick;
use crate::message::Message;
use crate::queue::QueueId;
use crate::queue::ready::Entry;
use crate::wire::properties::{self, Changes};
use crate::wire::table;

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
        let (block, deaths) = buried_properties(letter, died_at);
        let key = letter.routing_key.as_ref().map_or(letter.message.routing_key(), |key| key.as_bytes());
        let message = Arc::new(letter.message.readdressed(Arc::clone(&letter.exchange), key, &block));
        self.deliver_replies(&message);
        let mut routed = Vec::new();
        self.route(&message, &mut routed);
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

/// The history in a message's headers, given without their length field. Up to RabbitMQ 3 a publisher may bring one
/// along, and what of it is no death is left out.
fn deaths(headers: &[u8]) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(array)) = table::value(headers, "x-death") else { return Vec::new() };
    let tables = array.as_slice().iter().filter_map(|value| match value {
        AMQPValue::FieldTable(table) => Some(table.clone()),
        _ => None,
    });
    tables.collect()
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

const FIRST_DEATH: [&str; 3] = ["x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"];

/// The properties of a message that died: with its history, which is returned too, and no expiration that could kill it
/// again. Everything else is as it was published.
fn buried_properties(letter: &DeadLetter, died_at: u64) -> (Vec<u8>, Vec<FieldTable>) {
    let block = letter.message.properties();
    let read = properties::read(block).unwrap_or_default();
    let came = read.headers.unwrap_or_default();
    let (queue, reason) = (&*letter.queue, letter.reason.name());
    let mut deaths = deaths(came);
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
            // A publisher's own history may count to any number.
            death.insert("count".into(), AMQPValue::LongLongInt(count.saturating_add(1)));
            death
        }
        None => first_death(read.expiration, came, letter, died_at),
    };
    deaths.insert(0, death);
    let mut headers = table::without(came, &["x-death"]);
    if letter.routing_key.is_some() {
        // The queue's key stands for all of the message's keys.
        headers = table::without(&headers, &["CC", "BCC"]);
    }
    let history: Vec<AMQPValue> = deaths.iter().cloned().map(AMQPValue::FieldTable).collect();
    table::append(&mut headers, "x-death", &AMQPValue::FieldArray(FieldArray::from(history)));
    if !table::has(came, "x-death") {
        headers = table::without(&headers, &FIRST_DEATH);
        for (name, value) in FIRST_DEATH.into_iter().zip([letter.message.exchange(), queue, reason]) {
            table::append(&mut headers, name, &text(value));
        }
    }
    let changes = Changes { headers: Some(&headers), without_expiration: true, ..Changes::default() };
    let block = properties::changed(block, &changes).expect("a block that cannot be read is refused when it comes");
    (block, deaths)
}

fn first_death(expiration: Option<&[u8]>, headers: &[u8], letter: &DeadLetter, died_at: u64) -> FieldTable {
    let mut death = FieldTable::default();
    let mut keys = vec![AMQPValue::LongString(letter.message.routing_key().into())];
    keys.extend(copies::listed(table::value(headers, "CC")));
    death.insert("count".into(), AMQPValue::LongLongInt(1));
    death.insert("exchange".into(), text(letter.message.exchange()));
    death.insert("queue".into(), text(&letter.queue));
    death.insert("reason".into(), text(letter.reason.name()));
    death.insert("routing-keys".into(), AMQPValue::FieldArray(FieldArray::from(keys)));
    death.insert("time".into(), AMQPValue::Timestamp(died_at));
    if let Some(expiration) = expiration {
        death.insert("original-expiration".into(), AMQPValue::LongString(expiration.into()));
    }
    death
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::basic::AMQPProperties;

    use super::*;

    fn letter(reason: Reason, block: &[u8]) -> DeadLetter {
        let message = Arc::new(Message::new("work".into(), b"key", block, b"body"));
        DeadLetter { message, queue: "q".into(), exchange: "dlx".into(), routing_key: None, reason }
    }

    fn buried(reason: Reason, block: &[u8]) -> (Vec<u8>, Vec<FieldTable>) {
        buried_properties(&letter(reason, block), 7)
    }

    #[test]
    fn deaths_of_one_kind_are_counted_and_others_come_first() {
        let block = properties::encode(&AMQPProperties::default().with_expiration("5".into()));
        let (once, _) = buried(Reason::Expired, &block);
        assert_eq!(properties::read(&once).unwrap().expiration, None);
        let (twice, _) = buried(Reason::Expired, &once);
        let (thrice, deaths) = buried(Reason::Rejected, &twice);
        let field = |place: usize, name: &str| deaths[place].inner().get(name).cloned().unwrap();
        assert_eq!((field(0, "reason"), field(0, "count")), (text("rejected"), AMQPValue::LongLongInt(1)));
        assert_eq!((field(1, "reason"), field(1, "count")), (text("expired"), AMQPValue::LongLongInt(2)));
        assert_eq!(field(1, "original-expiration"), text("5"));
        assert_eq!(properties::header(&thrice, "x-first-death-reason"), Some(text("expired")));
    }

    #[test]
    fn a_publishers_own_count_may_be_the_greatest_number() {
        let mut death = FieldTable::default();
        for (name, value) in
            [("queue", text("q")), ("reason", text("expired")), ("count", AMQPValue::LongLongInt(i64::MAX))]
        {
            death.insert(name.into(), value);
        }
        let mut headers = FieldTable::default();
        headers.insert("x-death".into(), AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()));
        let block = properties::encode(&AMQPProperties::default().with_headers(headers));
        let (_, deaths) = buried(Reason::Expired, &block);
        assert_eq!(deaths[0].inner().get("count"), Some(&AMQPValue::LongLongInt(i64::MAX)));
    }

    #[test]
    fn a_circle_without_a_rejection_is_seen() {
        let (once, history) = buried(Reason::Expired, &[0, 0]);
        assert!(is_cycle(&history, "q"));
        assert!(!is_cycle(&history, "elsewhere"));
        let (rejected, history) = buried(Reason::Rejected, &once);
        assert!(!is_cycle(&history, "q"));
        let (_, history) = buried(Reason::Expired, &rejected);
        assert!(is_cycle(&history, "q"));
    }
}
