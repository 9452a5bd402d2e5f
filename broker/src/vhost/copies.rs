//! Sender-selected distribution: more routing keys in the headers `CC` and `BCC`, of which consumers never see the
//! second (RabbitMQ's documentation, "Sender-selected Distribution").
//!
//! A message keeps its `BCC` as long as it is here, since a dead letter follows it again; it is left out where the
//! message is sent. What else is changed there, a quorum queue's `x-delivery-count`, is changed with it, so that the
//! properties are decoded once.

use std::collections::BTreeMap;

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::error::Refusal;
use crate::message::{Headers, Message};
use crate::queue::arguments::difference::type_name;
use crate::queue::ready::Entry;
use crate::wire::properties;

/// The keys in a message's `CC` and `BCC`. Nearly all messages have none, and are not decoded.
pub(super) fn routing_keys(message: &Message) -> Vec<Vec<u8>> {
    if message.traits.headers != Headers::Copies {
        return Vec::new();
    }
    let headers = properties::headers(message.properties()).unwrap_or_default();
    let keys = ["CC", "BCC"].into_iter().flat_map(|name| listed(&headers, name));
    keys.filter_map(|key| match key {
        AMQPValue::LongString(key) => Some(key.as_bytes().to_vec()),
        _ => None,
    })
    .collect()
}

/// The routing keys in the header `name`, as they stand there.
pub(super) fn listed(headers: &FieldTable, name: &str) -> Vec<AMQPValue> {
    match headers.inner().get(name) {
        Some(AMQPValue::FieldArray(keys)) => {
            keys.as_slice().iter().filter(|key| matches!(key, AMQPValue::LongString(_))).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// Refuses a message whose `CC` or `BCC` is no array.
pub(super) fn check(message: &Message) -> Result<(), Refusal> {
    if message.traits.headers != Headers::Copies {
        return Ok(());
    }
    let headers = properties::headers(message.properties()).unwrap_or_default();
    for name in ["CC", "BCC"] {
        match headers.inner().get(name) {
            None | Some(AMQPValue::FieldArray(_)) => {}
            Some(other) => {
                let reason = format!("{{unacceptable_type_in_header,\"{name}\",{}}}", type_name(other));
                return Err(Refusal::precondition(format!("invalid message: {reason}")));
            }
        }
    }
    Ok(())
}

/// The same headers without those of these names.
pub(super) fn without(headers: &FieldTable, names: &[&str]) -> FieldTable {
    let kept = headers.into_iter().filter(|(name, _)| !names.contains(&name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<BTreeMap<_, _>>().into()
}

/// The properties with which a message is sent back to its publisher, if they are not as they came.
pub(super) fn returned_properties(message: &Message) -> Option<Vec<u8>> {
    sent(message, None)
}

/// The properties with which an entry is given to a consumer, if they are not as they came: without `BCC`, and with
/// `x-delivery-count` if it came back to a quorum queue.
pub(super) fn given_properties(entry: &Entry, is_quorum: bool) -> Option<Vec<u8>> {
    sent(&entry.message, Some(entry.deliveries).filter(|count| is_quorum && *count > 0))
}

/// The same for `basic.get`, where a quorum queue counts from nought.
pub(super) fn fetched_properties(entry: &Entry, is_quorum: bool) -> Option<Vec<u8>> {
    sent(&entry.message, Some(entry.deliveries).filter(|_| is_quorum))
}

fn sent(message: &Message, deliveries: Option<u32>) -> Option<Vec<u8>> {
    if deliveries.is_none() && message.traits.headers != Headers::Copies {
        return None;
    }
    let decoded = properties::decode(message.properties())?;
    let mut headers = decoded.headers().as_ref().map(|headers| without(headers, &["BCC"])).unwrap_or_default();
    if let Some(deliveries) = deliveries {
        headers.insert("x-delivery-count".into(), AMQPValue::LongLongInt(i64::from(deliveries)));
    }
    Some(properties::encode(&decoded.with_headers(headers)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amq_protocol::protocol::basic::AMQPProperties;

    use super::*;
    use crate::clock::Tick;

    fn entry(headers: FieldTable) -> Entry {
        let block = properties::encode(&AMQPProperties::default().with_headers(headers));
        let message = Arc::new(Message::new("e".into(), b"k", &block, b""));
        Entry { message, sequence: 0, expires_at: Tick::NEVER, redelivered: false, deliveries: 0 }
    }

    fn keys(keys: &[&str]) -> AMQPValue {
        AMQPValue::FieldArray(keys.iter().map(|key| AMQPValue::LongString((*key).into())).collect::<Vec<_>>().into())
    }

    #[test]
    fn both_headers_add_keys_and_one_is_not_sent() {
        let mut headers = FieldTable::default();
        headers.insert("CC".into(), keys(&["a", "b"]));
        headers.insert("BCC".into(), keys(&["c"]));
        let entry = entry(headers);
        assert_eq!(routing_keys(&entry.message), [b"a", b"b", b"c"]);
        let sent = properties::headers(&given_properties(&entry, false).unwrap()).unwrap();
        assert!(sent.contains_key("CC") && !sent.contains_key("BCC"));
    }

    #[test]
    fn a_message_that_came_back_is_counted_in_a_quorum_queue() {
        let mut entry = entry(FieldTable::default());
        assert_eq!(given_properties(&entry, true), None);
        assert!(fetched_properties(&entry, true).is_some());
        entry.deliveries = 2;
        assert_eq!(given_properties(&entry, false), None);
        let headers = properties::headers(&given_properties(&entry, true).unwrap()).unwrap();
        assert_eq!(headers.inner().get("x-delivery-count"), Some(&AMQPValue::LongLongInt(2)));
    }
}
