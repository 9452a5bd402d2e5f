//! Parts of JSON answers that many of them share.

use std::time::{SystemTime, UNIX_EPOCH};

use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use super::rates::Change;
use crate::counters::{Count, Counters};
use crate::vhost::snapshot::Depth;

pub(super) type Object = Map<String, Value>;

/// An object of what `json!` makes.
pub(super) fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => unreachable!("only objects are made here, not {other}"),
    }
}

/// Arguments or headers, as RabbitMQ shows them.
pub(super) fn table(table: &FieldTable) -> Value {
    table.inner().iter().map(|(name, value)| (name.to_string(), field(value))).collect::<Object>().into()
}

fn field(value: &AMQPValue) -> Value {
    match value {
        AMQPValue::Boolean(value) => json!(value),
        AMQPValue::ShortShortInt(value) => json!(value),
        AMQPValue::ShortShortUInt(value) => json!(value),
        AMQPValue::ShortInt(value) => json!(value),
        AMQPValue::ShortUInt(value) => json!(value),
        AMQPValue::LongInt(value) => json!(value),
        AMQPValue::LongUInt(value) => json!(value),
        AMQPValue::LongLongInt(value) => json!(value),
        AMQPValue::Float(value) => json!(value),
        AMQPValue::Double(value) => json!(value),
        AMQPValue::DecimalValue(value) => json!(f64::from(value.value) / 10f64.powi(value.scale.into())),
        AMQPValue::ShortString(text) => json!(text.as_str()),
        AMQPValue::LongString(text) => json!(String::from_utf8_lossy(text.as_bytes())),
        AMQPValue::FieldArray(values) => values.as_slice().iter().map(field).collect(),
        AMQPValue::Timestamp(seconds) => json!(seconds),
        AMQPValue::FieldTable(inner) => table(inner),
        AMQPValue::ByteArray(bytes) => json!(String::from_utf8_lossy(bytes.as_slice())),
        AMQPValue::Void => Value::Null,
    }
}

/// A number and its rate: `publish` and `publish_details.rate`.
pub(super) fn put_rated(object: &mut Object, name: &str, value: u64, rate: f64) {
    object.insert(name.to_owned(), value.into());
    object.insert(format!("{name}_details"), json!({ "rate": rate }));
}

/// `messages`, ready and not settled.
pub(super) fn put_depth<T>(object: &mut Object, depth: Depth, change: &Change<T>, of: impl Fn(&T) -> Depth) {
    let rate = |part: fn(Depth) -> u64| change.per_second(|it| part(of(it)));
    put_rated(object, "messages", depth.total(), rate(Depth::total));
    put_rated(object, "messages_ready", depth.ready, rate(|depth| depth.ready));
    put_rated(object, "messages_unacknowledged", depth.unacked, rate(|depth| depth.unacked));
}

const QUEUE_COUNTS: [(&str, Count); 8] = [
    ("publish", Count::Publish),
    ("ack", Count::Ack),
    ("deliver", Count::Deliver),
    ("deliver_no_ack", Count::DeliverNoAck),
    ("get", Count::Get),
    ("get_no_ack", Count::GetNoAck),
    ("get_empty", Count::GetEmpty),
    ("redeliver", Count::Redeliver),
];

const PUBLISHER_COUNTS: [(&str, Count); 3] = [
    ("confirm", Count::Confirm),
    ("return_unroutable", Count::ReturnUnroutable),
    ("drop_unroutable", Count::DropUnroutable),
];

/// `message_stats` of a queue.
pub(super) fn queue_stats<T>(counters: &Counters, change: &Change<T>, of: impl Fn(&T) -> &Counters) -> Object {
    let mut stats = Object::new();
    for (name, count) in QUEUE_COUNTS {
        put_rated(&mut stats, name, counters.get(count), change.per_second(|it| of(it).get(count)));
    }
    let rate = change.per_second(|it| of(it).deliver_get());
    put_rated(&mut stats, "deliver_get", counters.deliver_get(), rate);
    stats
}

/// `message_stats` of a channel, a vhost, or everything.
pub(super) fn stats<T>(counters: &Counters, change: &Change<T>, of: impl Fn(&T) -> &Counters) -> Object {
    let mut stats = queue_stats(counters, change, &of);
    for (name, count) in PUBLISHER_COUNTS {
        put_rated(&mut stats, name, counters.get(count), change.per_second(|it| of(it).get(count)));
    }
    stats
}

/// Milliseconds since 1970.
pub(super) fn since_epoch_ms(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_a_table_has_its_json() {
        let mut inner = FieldTable::default();
        inner.insert("text".into(), AMQPValue::LongString("é".into()));
        let mut outer = FieldTable::default();
        outer.insert("a".into(), AMQPValue::FieldArray(vec![AMQPValue::LongInt(-1), AMQPValue::Boolean(true)].into()));
        outer.insert("b".into(), AMQPValue::FieldTable(inner));
        outer.insert("c".into(), AMQPValue::Double(1.5));
        outer.insert("d".into(), AMQPValue::Void);
        let expected = json!({ "a": [-1, true], "b": { "text": "é" }, "c": 1.5, "d": null });
        assert_eq!(table(&outer), expected);
    }
}
