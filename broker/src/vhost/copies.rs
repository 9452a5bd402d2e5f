//! Sender-selected distribution: more routing keys in the headers `CC` and `BCC`, of which consumers never see the
//! second (RabbitMQ's documentation, "Sender-selected Distribution").
//!
//! A message keeps its `BCC` as long as it is here, since a dead letter follows it again; it is left out where the
//! message is sent. What else is changed there, a quorum queue's `x-delivery-count`, is changed with it.

use amq_protocol::types::AMQPValue;

use crate::error::Refusal;
use crate::message::{Headers, Message};
use crate::queue::arguments::difference::type_name;
use crate::queue::ready::Entry;
use crate::wire::properties::{self, Changes};
use crate::wire::table;

/// The keys in a message's `CC` and `BCC`. Nearly all messages have none, and are not decoded.
pub(super) fn routing_keys(message: &Message) -> Vec<Vec<u8>> {
    if message.traits.headers != Headers::Copies {
        return Vec::new();
    }
    let keys = ["CC", "BCC"].into_iter().flat_map(|name| listed(properties::header(message.properties(), name)));
    keys.filter_map(|key| match key {
        AMQPValue::LongString(key) => Some(key.as_bytes().to_vec()),
        _ => None,
    })
    .collect()
}

/// The routing keys in the value of such a header, as they stand there.
pub(super) fn listed(value: Option<AMQPValue>) -> Vec<AMQPValue> {
    match value {
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
    for name in ["CC", "BCC"] {
        match properties::header(message.properties(), name) {
            None | Some(AMQPValue::FieldArray(_)) => {}
            Some(other) => {
                let reason = format!("{{unacceptable_type_in_header,\"{name}\",{}}}", type_name(&other));
                return Err(Refusal::precondition(format!("invalid message: {reason}")));
            }
        }
    }
    Ok(())
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
    let block = message.properties();
    let came = properties::read(block).ok()?.headers.unwrap_or_default();
    let mut headers = table::without(came, &["BCC"]);
    if let Some(deliveries) = deliveries {
        headers = table::without(&headers, &["x-delivery-count"]);
        table::append(&mut headers, "x-delivery-count", &AMQPValue::LongLongInt(i64::from(deliveries)));
    }
    properties::changed(block, &Changes { headers: Some(&headers), ..Changes::default() }).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amq_protocol::protocol::basic::AMQPProperties;
    use amq_protocol::types::FieldTable;

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
    fn a_header_that_is_no_text_hides_no_key_and_stays() {
        let latin_1 = [3, b'c', 0xf4, b't', b't', 1];
        let mut headers = latin_1.to_vec();
        table::append(&mut headers, "BCC", &keys(&["c"]));
        let block = properties::changed(&[0, 0], &Changes { headers: Some(&headers), ..Changes::default() }).unwrap();
        let message = Arc::new(Message::new("e".into(), b"k", &block, b""));
        assert_eq!(routing_keys(&message), [b"c"]);
        let given = returned_properties(&message).unwrap();
        assert_eq!(properties::read(&given).unwrap().headers, Some(&latin_1[..]));
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
