//! Methods: frames' payloads read by the codec, once it is sure that they do not nest too deep for it.

use amq_protocol::protocol::{AMQPClass, AMQPHardError, parse_class};

use super::nesting;
use crate::error::Refusal;

/// Whether a method may come amid a content: it ends the channel or the connection.
pub(super) fn closes_channel(payload: &[u8]) -> bool {
    matches!(payload, [0, 20, 0, 40 | 41, ..] | [0, 10, ..])
}

/// A method, by the codec.
///
/// # Errors
///
/// 502 if its fields cannot be read, 503 if there is no such method.
pub(super) fn decode(payload: &[u8]) -> Result<AMQPClass, Refusal> {
    if nesting::method_too_deep(payload) {
        return Err(syntax_error());
    }
    match parse_class(payload) {
        Ok((_, method)) => Ok(method),
        Err(_) => {
            let id = |at: usize| payload.get(at..at + 2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
            if known_method(id(0), id(2)) {
                return Err(syntax_error());
            }
            let text = format!("unknown class or method {{{},{}}}", id(0), id(2));
            Err(Refusal::hard(AMQPHardError::COMMANDINVALID, text))
        }
    }
}

/// Whether AMQP 0-9-1, as RabbitMQ extends it, has such a method.
fn known_method(class: u16, method: u16) -> bool {
    match class {
        10 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51 | 60 | 61 | 70 | 71),
        20 => matches!(method, 10 | 11 | 20 | 21 | 40 | 41),
        30 => matches!(method, 10 | 11),
        40 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 51),
        50 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 41 | 50 | 51),
        60 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31 | 40 | 50 | 60 | 70..=72 | 80 | 90 | 100 | 110 | 111 | 120),
        85 => matches!(method, 10 | 11),
        90 => matches!(method, 10 | 11 | 20 | 21 | 30 | 31),
        _ => false,
    }
}

/// A short string, and what stands behind it.
pub(super) fn short_string(bytes: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let (length, rest) = bytes.split_first().ok_or_else(syntax_error)?;
    rest.split_at_checked(usize::from(*length)).ok_or_else(syntax_error)
}

pub(super) fn syntax_error() -> Refusal {
    Refusal::hard(AMQPHardError::SYNTAXERROR, "a frame's payload cannot be read")
}
