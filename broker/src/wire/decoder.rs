//! Frames to commands: methods decoded, contents assembled (AMQP 0-9-1, 4.2.6). No I/O.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, AMQPHardError, channel};
use rustc_hash::{FxHashMap, FxHashSet};

use super::frame::{self, Frame, Next};
use super::method::{closes_channel, decode, short_string, syntax_error};
use super::properties;
use crate::error::Refusal;
use crate::message::{Message, Traits};

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Publish),
    Ack {
        channel: u16,
        delivery_tag: u64,
        multiple: bool,
    },
    Method {
        channel: u16,
        method: Box<AMQPClass>,
    },
    /// A `basic.publish` on a channel that is not open: its content is thrown away.
    Stray {
        channel: u16,
    },
}

/// A whole `basic.publish` with its content.
#[derive(Debug)]
pub(crate) struct Publish {
    pub(crate) channel: u16,
    pub(crate) mandatory: bool,
    pub(crate) immediate: bool,
    pub(crate) message: Arc<Message>,
}

/// A content on its way.
struct Partial {
    exchange: Arc<str>,
    mandatory: bool,
    immediate: bool,
    content: Vec<u8>,
    routing_key_bytes: usize,
    /// Known when the header frame has come.
    header: Option<Header>,
}

struct Header {
    properties_bytes: usize,
    missing_bytes: u64,
}

/// Turns what is read from one connection into commands.
pub(crate) struct Decoder {
    /// Bytes of a frame, with its overhead.
    pub(crate) frame_max: usize,
    /// Limit of a body, in bytes.
    body_bytes_max: u64,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
    partial: FxHashMap<u16, Partial>,
    /// Channels that the client opened and did not close: nothing is collected for others.
    open: FxHashSet<u16>,
    /// Channels whose content is thrown away.
    stray: FxHashSet<u16>,
    /// The exchange of the last publish: clients publish to one for long stretches.
    last_exchange: Arc<str>,
}

impl Decoder {
    pub(crate) fn new(frame_max: usize, body_bytes_max: u64) -> Decoder {
        Decoder {
            frame_max,
            body_bytes_max,
            rest: Vec::new(),
            partial: FxHashMap::default(),
            open: FxHashSet::default(),
            stray: FxHashSet::default(),
            last_exchange: Arc::from(""),
        }
    }

    /// Collects nothing more: the connection ends, and only its methods matter.
    pub(crate) fn drop_content(&mut self) {
        self.stray.extend(self.partial.drain().map(|(channel, _)| channel));
        self.open.clear();
    }

    /// Adds the commands in `bytes` to `commands`.
    ///
    /// # Errors
    ///
    /// What ends the connection. The commands before it are in `commands`.
    pub(crate) fn feed(&mut self, bytes: &[u8], commands: &mut Vec<Command>) -> Result<(), Refusal> {
        if self.rest.is_empty() {
            let used = self.frames(bytes, commands)?;
            self.rest.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.rest);
        joined.extend_from_slice(bytes);
        let used = self.frames(&joined, commands)?;
        if used < joined.len() {
            joined.drain(..used);
            self.rest = joined;
        }
        Ok(())
    }

    fn frames(&mut self, bytes: &[u8], commands: &mut Vec<Command>) -> Result<usize, Refusal> {
        let mut at = 0;
        loop {
            match frame::next(&bytes[at..], self.frame_max) {
                Next::Frame(frame, length) => {
                    self.frame(frame, commands)?;
                    at += length;
                }
                Next::Incomplete => return Ok(at),
                Next::TooLarge { kind, payload_bytes } => {
                    let limit = self.frame_max - frame::OVERHEAD;
                    let text = format!("type {kind}, all octets = <<>>: {{frame_too_large,{payload_bytes},{limit}}}");
                    return Err(Refusal::hard(AMQPHardError::FRAMEERROR, text));
                }
                Next::NoEnd { kind, found } => {
                    let text = format!("type {kind}, all octets = <<>>: {{invalid_frame_end_marker,{found}}}");
                    return Err(Refusal::hard(AMQPHardError::FRAMEERROR, text));
                }
            }
        }
    }

    fn frame(&mut self, frame: Frame<'_>, commands: &mut Vec<Command>) -> Result<(), Refusal> {
        match frame.kind {
            frame::METHOD => self.method(frame.channel, frame.payload, commands),
            frame::HEADER | frame::BODY if self.stray.contains(&frame.channel) => Ok(()),
            frame::HEADER => self.header(frame.channel, frame.payload, commands),
            frame::BODY => self.body(frame.channel, frame.payload, commands),
            frame::HEARTBEAT => Ok(()),
            kind => Err(Refusal::hard(AMQPHardError::FRAMEERROR, format!("unknown frame type {kind}"))),
        }
    }

    fn method(&mut self, channel: u16, payload: &[u8], commands: &mut Vec<Command>) -> Result<(), Refusal> {
        if !self.partial.is_empty() && self.partial.contains_key(&channel) && !closes_channel(payload) {
            let text = "expected content header for class 60, got non content header frame instead";
            return Err(Refusal::hard(AMQPHardError::UNEXPECTEDFRAME, text));
        }
        match payload {
            [0, 60, 0, 40, ..] if !self.open.contains(&channel) => {
                self.stray.insert(channel);
                commands.push(Command::Stray { channel });
                Ok(())
            }
            [0, 60, 0, 40, _, _, fields @ ..] => self.publish(channel, fields),
            [0, 60, 0, 80, tag @ .., flags] if tag.len() == 8 => {
                let delivery_tag = u64::from_be_bytes(tag.try_into().expect("eight bytes"));
                commands.push(Command::Ack { channel, delivery_tag, multiple: flags & 1 != 0 });
                Ok(())
            }
            // The codec leaves the prefetch in bytes out, which RabbitMQ refuses.
            [0, 60, 0, 10, size @ .., _, _, _] if size.len() == 4 && size != [0; 4] => {
                let size = u32::from_be_bytes(size.try_into().expect("four bytes"));
                Err(Refusal::not_implemented(format!("prefetch_size!=0 ({size})")))
            }
            _ => {
                let method = decode(payload)?;
                self.partial.remove(&channel);
                self.note_channel(channel, &method);
                commands.push(Command::Method { channel, method: Box::new(method) });
                Ok(())
            }
        }
    }

    fn note_channel(&mut self, channel: u16, method: &AMQPClass) {
        match method {
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                self.stray.remove(&channel);
                self.open.insert(channel);
            }
            AMQPClass::Channel(channel::AMQPMethod::Close(_) | channel::AMQPMethod::CloseOk(_)) => {
                self.open.remove(&channel);
            }
            _ => {}
        }
    }

    fn publish(&mut self, channel: u16, fields: &[u8]) -> Result<(), Refusal> {
        let (exchange, fields) = short_string(fields)?;
        let (routing_key, fields) = short_string(fields)?;
        let [flags] = fields else { return Err(syntax_error()) };
        if exchange != self.last_exchange.as_bytes() {
            self.last_exchange = std::str::from_utf8(exchange).map_err(|_| syntax_error())?.into();
        }
        let partial = Partial {
            exchange: Arc::clone(&self.last_exchange),
            mandatory: flags & 1 != 0,
            immediate: flags & 2 != 0,
            content: routing_key.to_vec(),
            routing_key_bytes: routing_key.len(),
            header: None,
        };
        self.partial.insert(channel, partial);
        Ok(())
    }

    fn header(&mut self, channel: u16, payload: &[u8], commands: &mut Vec<Command>) -> Result<(), Refusal> {
        let Some((&[0, 60, _, _, ref body_bytes @ ..], block)) = payload.split_first_chunk::<12>() else {
            return Err(unexpected_header(payload));
        };
        let body_bytes = u64::from_be_bytes(*body_bytes);
        let Some(partial) = self.partial.get_mut(&channel).filter(|partial| partial.header.is_none()) else {
            let text = "expected method frame, got non method frame instead";
            return Err(Refusal::hard(AMQPHardError::UNEXPECTEDFRAME, text));
        };
        if properties::read(block).is_err() {
            // RabbitMQ looks at properties late, where nobody expects them to be wrong.
            return Err(Refusal::internal_error());
        }
        // No more than one frame's worth on the word of a length that was only promised.
        let expected = usize::try_from(body_bytes).unwrap_or(usize::MAX).min(self.frame_max);
        partial.content.reserve_exact(block.len() + expected);
        partial.content.extend_from_slice(block);
        partial.header = Some(Header { properties_bytes: block.len(), missing_bytes: body_bytes });
        self.finish(channel, commands);
        Ok(())
    }

    fn body(&mut self, channel: u16, payload: &[u8], commands: &mut Vec<Command>) -> Result<(), Refusal> {
        let unexpected = || {
            let text = "expected method frame, got non method frame instead";
            Refusal::hard(AMQPHardError::UNEXPECTEDFRAME, text)
        };
        let partial = self.partial.get_mut(&channel).ok_or_else(unexpected)?;
        let header = partial.header.as_mut().ok_or_else(unexpected)?;
        let Some(missing) = header.missing_bytes.checked_sub(payload.len() as u64) else {
            return Err(Refusal::hard(AMQPHardError::FRAMEERROR, "a body is longer than its header says"));
        };
        header.missing_bytes = missing;
        // What is over the limit is counted and thrown away: the refusal comes when the message is whole, as RabbitMQ's
        // does.
        let kept = partial.content.len() as u64;
        if kept <= self.body_bytes_max.saturating_add(2 * self.frame_max as u64) {
            partial.content.extend_from_slice(payload);
        }
        self.finish(channel, commands);
        Ok(())
    }

    fn finish(&mut self, channel: u16, commands: &mut Vec<Command>) {
        let Some(partial) = self.partial.get(&channel) else { return };
        let Some(Header { properties_bytes, missing_bytes: 0 }) = partial.header else { return };
        let partial = self.partial.remove(&channel).expect("it was there a line ago");
        let Partial { exchange, mandatory, immediate, content, routing_key_bytes, .. } = partial;
        let block = &content[routing_key_bytes..routing_key_bytes + properties_bytes];
        let read = properties::read(block).expect("it was read when it came");
        let traits = Traits::of(&read);
        let message = Message::of_content(exchange, content, routing_key_bytes, properties_bytes, traits);
        commands.push(Command::Publish(Publish { channel, mandatory, immediate, message: Arc::new(message) }));
    }
}

fn unexpected_header(payload: &[u8]) -> Refusal {
    if payload.len() < 12 {
        return syntax_error();
    }
    let class = u16::from_be_bytes([payload[0], payload[1]]);
    let text = format!("expected content header for class 60, got one for class {class} instead");
    Refusal::hard(AMQPHardError::UNEXPECTEDFRAME, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 1];
        bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        bytes.extend(payload);
        bytes.push(frame::END);
        bytes
    }

    /// One to which channel 1 is open.
    fn decoder() -> Decoder {
        let mut decoder = Decoder::new(4096, 1 << 20);
        decoder.feed(&frame(1, &[0, 20, 0, 10, 0]), &mut Vec::new()).unwrap();
        decoder
    }

    fn publish_of(body: &[u8], chunk: usize) -> Vec<u8> {
        let mut bytes = frame(1, &[0, 60, 0, 40, 0, 0, 1, b'e', 2, b'r', b'k', 1]);
        let header = [&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), &[0x10, 0, 2]].concat();
        bytes.extend(frame(2, &header));
        for part in body.chunks(chunk) {
            bytes.extend(frame(3, part));
        }
        bytes
    }

    fn only_publish(commands: &[Command]) -> &Publish {
        match commands {
            [Command::Publish(publish)] => publish,
            other => panic!("not one publish: {other:?}"),
        }
    }

    #[test]
    fn a_published_message_is_assembled_from_any_cut_of_the_bytes() {
        let bytes = publish_of(b"hello, broker", 5);
        for cut in 1..bytes.len() {
            let mut decoder = decoder();
            let mut commands = Vec::new();
            decoder.feed(&bytes[..cut], &mut commands).unwrap();
            decoder.feed(&bytes[cut..], &mut commands).unwrap();
            let publish = only_publish(&commands);
            assert_eq!((publish.channel, publish.mandatory, publish.immediate), (1, true, false));
            let message = &publish.message;
            assert_eq!(
                (message.exchange(), message.routing_key(), message.body()),
                ("e", &b"rk"[..], &b"hello, broker"[..])
            );
            assert!(message.traits.persistent);
        }
    }

    #[test]
    fn an_empty_body_needs_no_body_frame() {
        let mut commands = Vec::new();
        decoder().feed(&publish_of(b"", 5), &mut commands).unwrap();
        assert_eq!(only_publish(&commands).message.body(), b"");
    }

    #[test]
    fn a_body_without_a_publish_is_an_unexpected_frame() {
        let refusal = decoder().feed(&frame(3, b"x"), &mut Vec::new()).unwrap_err();
        assert_eq!((refusal.code, refusal.closes_connection), (505, true));
    }

    #[test]
    fn nothing_is_collected_for_a_channel_that_is_not_open() {
        let close_ok = frame(1, &[0, 20, 0, 41]);
        for mut decoder in [Decoder::new(4096, 1 << 20), decoder()] {
            decoder.feed(&close_ok, &mut Vec::new()).unwrap();
            let mut commands = Vec::new();
            decoder.feed(&publish_of(b"hello, broker", 5), &mut commands).unwrap();
            assert!(matches!(commands[..], [Command::Stray { channel: 1 }]), "{commands:?}");
            assert!(decoder.partial.is_empty() && decoder.rest.is_empty());
        }
    }

    #[test]
    fn what_was_collected_goes_when_the_connection_ends() {
        let (mut decoder, bytes) = (decoder(), publish_of(b"hello, broker", 5));
        decoder.feed(&bytes[..60], &mut Vec::new()).unwrap();
        assert_eq!(decoder.partial.len(), 1);
        decoder.drop_content();
        let mut commands = Vec::new();
        decoder.feed(&bytes[60..], &mut commands).unwrap();
        decoder.feed(&publish_of(b"x", 5), &mut commands).unwrap();
        assert!(matches!(commands[..], [Command::Stray { channel: 1 }]), "{commands:?}");
        assert!(decoder.partial.is_empty());
    }

    #[test]
    fn an_unknown_method_is_a_command_error() {
        let refusal = decoder().feed(&frame(1, &[0, 99, 0, 1]), &mut Vec::new()).unwrap_err();
        assert_eq!(refusal.code, 503);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decoder().feed(&bytes, &mut Vec::new());
        }

        #[test]
        fn any_payload_is_read_or_refused(kind in 1u8..4, payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut amid_content = decoder();
            amid_content.feed(&publish_of(b"abc", 1)[..30], &mut Vec::new()).unwrap();
            let _ = amid_content.feed(&frame(kind, &payload), &mut Vec::new());
            let _ = decoder().feed(&frame(kind, &payload), &mut Vec::new());
        }
    }
}
