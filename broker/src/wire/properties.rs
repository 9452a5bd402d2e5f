//! What the broker needs of a property block (AMQP 0-9-1, 4.2.6.1), read in place: everything else passes through as
//! bytes.

use amq_protocol::types::{AMQPValue, FieldTable};

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

    fn flags(&mut self) -> Result<u16, Malformed> {
        let flags = self.take(2)?;
        let flags = u16::from_be_bytes([flags[0], flags[1]]);
        // Bit 0 would say that more flags follow: there are none in this protocol.
        if flags & 0b11 == 0 { Ok(flags) } else { Err(Malformed) }
    }

    /// The field of a flag, with the length field before it if it has one.
    fn field(&mut self, flag: u16) -> Result<&'a [u8], Malformed> {
        let from_here = self.rest;
        match flag {
            HEADERS => self.long_string()?,
            DELIVERY_MODE | PRIORITY => self.take(1)?,
            TIMESTAMP => self.take(8)?,
            _ => self.short_string()?,
        };
        Ok(&from_here[..from_here.len() - self.rest.len()])
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
    let flags = reader.flags()?;
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

/// What the broker changes in a block.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Changes<'a> {
    /// Other headers, without their length field.
    pub(crate) headers: Option<&'a [u8]>,
    /// Another reply address, of at most 255 bytes.
    pub(crate) reply_to: Option<&'a [u8]>,
    pub(crate) without_expiration: bool,
}

/// The same block with these changes; everything else stays as it came, be it text or not.
///
/// # Errors
///
/// [`Malformed`].
pub(crate) fn changed(block: &[u8], changes: &Changes<'_>) -> Result<Vec<u8>, Malformed> {
    let mut reader = Reader { rest: block };
    let mut flags = reader.flags()?;
    let mut fields = Vec::with_capacity(block.len() + changes.headers.map_or(0, <[u8]>::len));
    for flag in (2..16).rev().map(|place| 1 << place) {
        let field = if flags & flag == 0 { &[][..] } else { reader.field(flag)? };
        match flag {
            HEADERS if let Some(headers) = changes.headers => {
                flags |= HEADERS;
                fields.extend_from_slice(&u32::try_from(headers.len()).map_err(|_| Malformed)?.to_be_bytes());
                fields.extend_from_slice(headers);
            }
            REPLY_TO if let Some(reply_to) = changes.reply_to => {
                flags |= REPLY_TO;
                fields.push(u8::try_from(reply_to.len()).map_err(|_| Malformed)?);
                fields.extend_from_slice(reply_to);
            }
            EXPIRATION if changes.without_expiration => flags &= !EXPIRATION,
            _ => fields.extend_from_slice(field),
        }
    }
    fields.splice(0..0, flags.to_be_bytes());
    Ok(fields)
}

/// The headers of a block that can be read: a name need not be text, but then nothing of the broker's asks for it.
pub(crate) fn headers(block: &[u8]) -> Option<FieldTable> {
    let mut headers = FieldTable::default();
    for entry in super::table::entries(read(block).ok()?.headers?) {
        if let (Ok(name), Some(value)) = (std::str::from_utf8(entry.name), entry.decode()) {
            headers.insert(name.into(), value);
        }
    }
    Some(headers)
}

/// One header of a block.
pub(crate) fn header(block: &[u8], name: &str) -> Option<AMQPValue> {
    super::table::value(read(block).ok()?.headers?, name)
}

/// The block of `properties`.
#[cfg(test)]
pub(crate) fn encode(properties: &amq_protocol::protocol::basic::AMQPProperties) -> Vec<u8> {
    super::encode::generate(amq_protocol::protocol::basic::gen_properties(properties))
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::basic::AMQPProperties;
    use proptest::prelude::*;

    use super::*;

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
    fn only_what_is_asked_for_is_changed() {
        let all = AMQPProperties::default()
            .with_content_type("text/plain".into())
            .with_headers(FieldTable::default())
            .with_correlation_id("c".into())
            .with_reply_to("r".into())
            .with_expiration("1000".into())
            .with_timestamp(1);
        let block = encode(&all);
        assert_eq!(changed(&block, &Changes::default()).unwrap(), block);
        let changes = Changes { headers: Some(&[1, b'k', b't', 1]), reply_to: Some(b"to"), without_expiration: true };
        let mut table = FieldTable::default();
        table.insert("k".into(), AMQPValue::Boolean(true));
        let expected = AMQPProperties::default()
            .with_content_type("text/plain".into())
            .with_headers(table.clone())
            .with_correlation_id("c".into())
            .with_reply_to("to".into())
            .with_timestamp(1);
        assert_eq!(changed(&block, &changes).unwrap(), encode(&expected));
        let only = AMQPProperties::default().with_headers(table).with_reply_to("to".into());
        assert_eq!(changed(&[0, 0], &changes).unwrap(), encode(&only));
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
            let _ = headers(&bytes);
            prop_assert_eq!(changed(&bytes, &Changes::default()).is_ok(), read(&bytes).is_ok());
        }
    }
}
