//! What the broker needs of a property block (AMQP 0-9-1, 4.2.6.1), read in place: everything else passes through as
//! bytes.

use amq_protocol::protocol::basic::{AMQPProperties, gen_properties, parse_properties};
use amq_protocol::types::FieldTable;

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;

/// The properties that decide what the broker does with a message.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Properties<'a> {
    /// The table, without its length field.
    pub(crate) headers: Option<&'a [u8]>,
    /// 2: persistent.
    pub(crate) delivery_mode: Option<u8>,
    pub(crate) priority: u8,
    pub(crate) reply_to: Option<&'a [u8]>,
    pub(crate) expiration: Option<&'a [u8]>,
    pub(crate) user_id: Option<&'a [u8]>,
}

/// The block is shorter than its flags promise, or has flags that AMQP 0-9-1 does not know.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn short_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    fn long_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.take(4)?;
        self.take(u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize)
    }
}

/// Reads a property block: flags, then values in the flags' order.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn read(block: &[u8]) -> Result<Properties<'_>, Malformed> {
    let mut reader = Reader { rest: block };
    let flags = reader.take(2)?;
    let flags = u16::from_be_bytes([flags[0], flags[1]]);
    // Bit 0 would say that more flags follow: there are none in this protocol.
    if flags & 0b11 != 0 {
        return Err(Malformed);
    }
    let mut properties = Properties::default();
    for flag in [CONTENT_TYPE, CONTENT_ENCODING] {
        if flags & flag != 0 {
            reader.short_string()?;
        }
    }
    if flags & HEADERS != 0 {
        properties.headers = Some(reader.long_string()?);
    }
    if flags & DELIVERY_MODE != 0 {
        properties.delivery_mode = Some(reader.byte()?);
    }
    if flags & PRIORITY != 0 {
        properties.priority = reader.byte()?;
    }
    if flags & CORRELATION_ID != 0 {
        reader.short_string()?;
    }
    if flags & REPLY_TO != 0 {
        properties.reply_to = Some(reader.short_string()?);
    }
    if flags & EXPIRATION != 0 {
        properties.expiration = Some(reader.short_string()?);
    }
    if flags & MESSAGE_ID != 0 {
        reader.short_string()?;
    }
    if flags & TIMESTAMP != 0 {
        reader.take(8)?;
    }
    if flags & TYPE != 0 {
        reader.short_string()?;
    }
    if flags & USER_ID != 0 {
        properties.user_id = Some(reader.short_string()?);
    }
    for flag in [APP_ID, CLUSTER_ID] {
        if flags & flag != 0 {
            reader.short_string()?;
        }
    }
    Ok(properties)
}

/// The whole block, by the codec: for the rare message that is changed on its way.
pub(crate) fn decode(block: &[u8]) -> Option<AMQPProperties> {
    let read = read(block).ok()?;
    if read.headers.is_some_and(super::nesting::too_deep) {
        return None;
    }
    parse_properties(block).ok().map(|(_, properties)| properties)
}

/// The headers of a block, if it has any that can be read.
pub(crate) fn headers(block: &[u8]) -> Option<FieldTable> {
    decode(block)?.headers().clone()
}

/// The block of `properties`.
pub(crate) fn encode(properties: &AMQPProperties) -> Vec<u8> {
    super::encode::generate(gen_properties(properties))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_codec_writes_is_read() {
        let mut table = FieldTable::default();
        table.insert("k".into(), amq_protocol::types::AMQPValue::LongString("v".into()));
        let block = encode(
            &AMQPProperties::default()
                .with_content_type("text/plain".into())
                .with_headers(table.clone())
                .with_delivery_mode(2)
                .with_priority(7)
                .with_correlation_id("c".into())
                .with_reply_to("r".into())
                .with_expiration("1000".into())
                .with_message_id("m".into())
                .with_timestamp(1)
                .with_user_id("guest".into()),
        );
        let read = read(&block).unwrap();
        let expected = Properties {
            headers: read.headers,
            delivery_mode: Some(2),
            priority: 7,
            reply_to: Some(b"r"),
            expiration: Some(b"1000"),
            user_id: Some(b"guest"),
        };
        assert_eq!(read, expected);
        assert_eq!(headers(&block), Some(table));
    }

    #[test]
    fn a_cut_block_is_malformed() {
        assert_eq!(read(&[0x80, 0x00, 5, b'a']), Err(Malformed));
        assert_eq!(read(&[0x80]), Err(Malformed));
        assert_eq!(read(&[0, 1]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            let _ = decode(&bytes);
        }
    }
}
