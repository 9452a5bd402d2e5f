//! What the broker sends, as frames.

use amq_protocol::protocol::{AMQPClass, gen_class};
use amq_protocol::types::generation::SerializeFn;

use super::frame;
use crate::message::Message;

const CLASS_BASIC: u16 = 60;
const BASIC_RETURN: u16 = 50;
const BASIC_DELIVER: u16 = 60;
const BASIC_GET_OK: u16 = 71;
const BASIC_ACK: u16 = 80;
const BASIC_NACK: u16 = 120;

/// Runs a serializer of the codec into a new vector.
pub(crate) fn generate(serializer: impl SerializeFn<Vec<u8>>) -> Vec<u8> {
    serializer(Vec::new().into()).expect("writing to a vector does not fail").into_inner().0
}

/// A method frame.
pub(crate) fn method(out: &mut Vec<u8>, channel: u16, method: &AMQPClass) {
    let payload = generate(gen_class(method));
    frame_head(out, frame::METHOD, channel, payload.len());
    out.extend_from_slice(&payload);
    out.push(frame::END);
}

pub(crate) fn heartbeat(out: &mut Vec<u8>) {
    frame_head(out, frame::HEARTBEAT, 0, 0);
    out.push(frame::END);
}

fn frame_head(out: &mut Vec<u8>, kind: u8, channel: u16, payload_bytes: usize) {
    let [high, low] = channel.to_be_bytes();
    let length = u32::try_from(payload_bytes).expect("a payload is never over frame_max").to_be_bytes();
    out.extend_from_slice(&[kind, high, low, length[0], length[1], length[2], length[3]]);
}

/// `basic.deliver`, without its content.
pub(crate) fn deliver(
    out: &mut Vec<u8>,
    channel: u16,
    consumer_tag: &str,
    delivery_tag: u64,
    redelivered: bool,
    message: &Message,
) {
    basic(out, channel, BASIC_DELIVER, message, 1 + consumer_tag.len() + 9, 0, |out| {
        short_string(out, consumer_tag.as_bytes());
        out.extend_from_slice(&delivery_tag.to_be_bytes());
        out.push(u8::from(redelivered));
    });
}

/// `basic.get-ok`, without its content.
pub(crate) fn get_ok(
    out: &mut Vec<u8>,
    channel: u16,
    delivery_tag: u64,
    redelivered: bool,
    message: &Message,
    message_count: u32,
) {
    basic(out, channel, BASIC_GET_OK, message, 9, 4, |out| {
        out.extend_from_slice(&delivery_tag.to_be_bytes());
        out.push(u8::from(redelivered));
    });
    let end = out.pop();
    out.extend_from_slice(&message_count.to_be_bytes());
    out.extend(end);
}

/// `basic.return` of a message that has no route, without its content.
pub(crate) fn return_unrouted(out: &mut Vec<u8>, channel: u16, message: &Message) {
    const NO_ROUTE: u16 = 312;
    const TEXT: &[u8] = b"NO_ROUTE";
    basic(out, channel, BASIC_RETURN, message, 2 + 1 + TEXT.len(), 0, |out| {
        out.extend_from_slice(&NO_ROUTE.to_be_bytes());
        short_string(out, TEXT);
    });
}

/// A method that carries a message: fields of its own (`own_bytes`), then the exchange and the key as they came, which
/// need not be text, then `more_bytes` that the caller puts before the end mark.
fn basic(
    out: &mut Vec<u8>,
    channel: u16,
    method: u16,
    message: &Message,
    own_bytes: usize,
    more_bytes: usize,
    own: impl FnOnce(&mut Vec<u8>),
) {
    let (exchange, key) = (message.exchange().as_bytes(), message.routing_key());
    let payload_bytes = 4 + own_bytes + 1 + exchange.len() + 1 + key.len() + more_bytes;
    out.reserve(payload_bytes + message.content_bytes() + 64);
    frame_head(out, frame::METHOD, channel, payload_bytes);
    out.extend_from_slice(&CLASS_BASIC.to_be_bytes());
    out.extend_from_slice(&method.to_be_bytes());
    own(out);
    short_string(out, exchange);
    short_string(out, key);
    out.push(frame::END);
}

pub(super) fn short_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).expect("names are at most 255 bytes: they came as short strings"));
    out.extend_from_slice(bytes);
}

/// The content header frame of a body of `body_bytes`.
pub(crate) fn content_header(out: &mut Vec<u8>, channel: u16, properties: &[u8], body_bytes: usize) {
    frame_head(out, frame::HEADER, channel, 12 + properties.len());
    out.extend_from_slice(&CLASS_BASIC.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&(body_bytes as u64).to_be_bytes());
    out.extend_from_slice(properties);
    out.push(frame::END);
}

/// The head of a body frame; the payload and [`frame::END`] come after it.
pub(crate) fn body_head(out: &mut Vec<u8>, channel: u16, payload_bytes: usize) {
    frame_head(out, frame::BODY, channel, payload_bytes);
}

/// `basic.ack`, to a publisher.
pub(crate) fn ack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64, multiple: bool) {
    confirm(out, channel, BASIC_ACK, delivery_tag, multiple);
}

/// `basic.nack`, to a publisher.
pub(crate) fn nack(out: &mut Vec<u8>, channel: u16, delivery_tag: u64) {
    confirm(out, channel, BASIC_NACK, delivery_tag, false);
}

fn confirm(out: &mut Vec<u8>, channel: u16, method: u16, delivery_tag: u64, multiple: bool) {
    frame_head(out, frame::METHOD, channel, 13);
    out.extend_from_slice(&CLASS_BASIC.to_be_bytes());
    out.extend_from_slice(&method.to_be_bytes());
    out.extend_from_slice(&delivery_tag.to_be_bytes());
    out.push(u8::from(multiple));
    out.push(frame::END);
}

#[cfg(test)]
mod tests {
    use super::*;
    use amq_protocol::protocol::basic;

    #[test]
    fn the_hand_written_methods_are_what_the_codec_writes() {
        let message = Message::new("amq.topic".into(), b"a.b", &[0, 0], b"body");
        let (mut by_hand, mut by_codec) = (Vec::new(), Vec::new());
        deliver(&mut by_hand, 3, "tag", 77, true, &message);
        let expected = AMQPClass::Basic(basic::AMQPMethod::Deliver(basic::Deliver {
            consumer_tag: "tag".into(),
            delivery_tag: 77,
            redelivered: true,
            exchange: "amq.topic".into(),
            routing_key: "a.b".into(),
        }));
        method(&mut by_codec, 3, &expected);
        get_ok(&mut by_hand, 3, 78, false, &message, 5);
        let expected = AMQPClass::Basic(basic::AMQPMethod::GetOk(basic::GetOk {
            delivery_tag: 78,
            redelivered: false,
            exchange: "amq.topic".into(),
            routing_key: "a.b".into(),
            message_count: 5,
        }));
        method(&mut by_codec, 3, &expected);
        return_unrouted(&mut by_hand, 3, &message);
        let expected = AMQPClass::Basic(basic::AMQPMethod::Return(basic::Return {
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
            exchange: "amq.topic".into(),
            routing_key: "a.b".into(),
        }));
        method(&mut by_codec, 3, &expected);
        ack(&mut by_hand, 1, 5, true);
        method(
            &mut by_codec,
            1,
            &AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 5, multiple: true })),
        );
        nack(&mut by_hand, 1, 6);
        let expected = basic::Nack { delivery_tag: 6, multiple: false, requeue: false };
        method(&mut by_codec, 1, &AMQPClass::Basic(basic::AMQPMethod::Nack(expected)));
        assert_eq!(by_hand, by_codec);
    }
}
