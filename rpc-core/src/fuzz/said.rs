//! What a stranger says, from what is almost right to any bytes.

use bolero::TypeGenerator;
use lapin::{
    BasicProperties,
    types::{AMQPValue, ByteArray, FieldArray, FieldTable, ShortString},
};

/// Texts that mean something often enough for something to happen.
const TEXTS: [&str; 18] = [
    "",
    "a",
    "b",
    "runs",
    "code",
    "message",
    "details",
    "internal",
    "not_found",
    "bad_fields",
    "retry_after",
    "ms",
    "may_have_run",
    "Code",
    "Message",
    "Details",
    "\u{1}\"\\é☃",
    "field",
];
/// The headers of the contract, and a stranger's.
const HEADERS: [&str; 18] = [
    "points",
    "language",
    "deadline-ms",
    "deadline-at",
    "caller",
    "traceparent",
    "tracestate",
    "path",
    "status",
    "tries",
    "seq",
    "run",
    "credit",
    "routing-key",
    "x-first-death-reason",
    "x-first-death-queue",
    "CC",
    "",
];
const CONTENT_TYPES: [&str; 6] =
    ["application/json", "application/msgpack", "Application/JSON; charset=utf-8", "text/html", "", ";"];

/// What a body begins with that is nearly right, in JSON; what follows is inside, and then comes the end.
const BEGINNINGS: [(&str, &str); 5] = [
    ("", ""),
    (r#"{"code":"internal","message":"m","details":{"a":"#, "}}"),
    (r#"{"code":"aborted","message":"m","details":{"bad_fields":[{"field":"a","problem":"#, "}]}}"),
    (r#"{"a":1,"b":null,"runs":["#, "]}"),
    (r#"{"a":1,"runs":[{"Details":{"a":null,"b":{"a":"#, "}}}]}"),
];
/// The same in msgpack.
const PACKED: [&[u8]; 5] = [
    b"",
    b"\x83\xa4code\xa8internal\xa7message\xa1m\xa7details\x81\xa1a",
    b"\x83\xa4code\xa7aborted\xa7message\xa1m\xa7details\x81\xaabad_fields\x91\x82\xa5field\xa1a\xa7problem",
    b"\x83\xa1a\x01\xa1b\xc0\xa4runs\x91",
    b"\x82\xa1a\x01\xa4runs\x91\x81\xa7Details\x82\xa1a\xc0\xa1b\x81\xa1a",
];

/// A body, in the order of its pieces.
#[derive(Debug, TypeGenerator)]
pub(super) struct Body {
    beginning: u8,
    pieces: Vec<Piece>,
}

#[derive(Debug, TypeGenerator)]
enum Piece {
    Nil,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Known(u8),
    /// The same text so many times: where one byte may become many.
    Many(u8, u8),
    Text(String),
    Binary(Vec<u8>),
    Extension(i8, Vec<u8>),
    /// Of so many elements; then come others, or do not.
    Array(u8),
    Map(u8),
    /// Of a length that is only promised.
    Promised(u8, u32),
    /// Closes what is open, in JSON.
    Close,
    Deep(u8),
    Bytes(Vec<u8>),
}

impl Body {
    /// One that is right: a beginning, with a number or a text inside.
    pub(super) fn right(beginning: u8, is_number: bool) -> Self {
        Self { beginning, pieces: vec![if is_number { Piece::Integer(1) } else { Piece::Text("Code".to_owned()) }] }
    }

    pub(super) fn msgpack(&self) -> Vec<u8> {
        let mut out = pick(&PACKED, self.beginning).to_vec();
        for piece in &self.pieces {
            piece.msgpack(&mut out);
        }
        out
    }

    pub(super) fn json(&self) -> Vec<u8> {
        let (beginning, end) = pick(&BEGINNINGS, self.beginning);
        let (mut out, mut open) = (beginning.as_bytes().to_vec(), Vec::new());
        for piece in &self.pieces {
            piece.json(&mut out, &mut open);
        }
        open.iter().rev().for_each(|(_, close)| out.push(*close));
        out.extend(end.bytes());
        out
    }
}

impl Piece {
    fn msgpack(&self, out: &mut Vec<u8>) {
        let write = match self {
            Piece::Nil => return out.push(0xc0),
            Piece::Bool(value) => return out.push(0xc2 + u8::from(*value)),
            Piece::Integer(value) => rmp::encode::write_sint(out, *value).map(drop),
            Piece::Float(value) => rmp::encode::write_f64(out, *value),
            Piece::Known(text) => rmp::encode::write_str(out, pick(&TEXTS, *text)),
            Piece::Text(text) => rmp::encode::write_str(out, text),
            Piece::Binary(bytes) => rmp::encode::write_bin(out, bytes),
            Piece::Extension(kind, bytes) => {
                let length = u32::try_from(bytes.len()).expect("it is short");
                let written = rmp::encode::write_ext_meta(out, length, *kind).map(drop);
                out.extend(bytes);
                written
            }
            Piece::Array(values) => rmp::encode::write_array_len(out, (*values).into()).map(drop),
            Piece::Map(values) => rmp::encode::write_map_len(out, u32::from(*values) / 4).map(drop),
            Piece::Many(byte, times) => {
                // Nil, true, a small number, an empty text, an empty array, an empty map.
                out.extend(vec![pick(&[0xc0, 0xc3, 0x01, 0xa0, 0x90, 0x80], *byte); usize::from(*times) * 8]);
                return;
            }
            Piece::Promised(marker, length) => {
                out.push(pick(&[0xdd, 0xdf, 0xdb, 0xc6, 0xc9], *marker));
                out.extend(length.to_be_bytes());
                return;
            }
            Piece::Close => return,
            Piece::Deep(depth) => return out.extend(vec![0x91; usize::from(*depth)]),
            Piece::Bytes(bytes) => return out.extend(bytes),
        };
        write.expect("a vector takes everything");
    }

    /// `open`: whether a map, and what closes it.
    fn json(&self, out: &mut Vec<u8>, open: &mut Vec<(bool, u8)>) {
        if matches!(self, Piece::Close) {
            return out.extend(open.pop().map(|(_, close)| close));
        }
        // Often a comma or a colon is right here.
        match (out.last(), open.last()) {
            (None | Some(b'[' | b'{' | b':'), _) | (_, None) => {}
            (_, Some((true, _))) if out.len().is_multiple_of(2) => out.push(b':'),
            _ => out.push(b','),
        }
        match self {
            Piece::Nil => out.extend(b"null"),
            Piece::Bool(value) => out.extend(value.to_string().bytes()),
            Piece::Integer(value) => out.extend(value.to_string().bytes()),
            Piece::Float(value) => out.extend(format!("{value:e}").bytes()),
            Piece::Known(text) => out.extend(serde_json::to_vec(pick(&TEXTS, *text)).expect("a text is JSON")),
            Piece::Text(text) => out.extend(serde_json::to_vec(text).expect("a text is JSON")),
            Piece::Many(byte, times) => {
                let many = vec![pick(&["1", "[]", "{}", "1e9", "\"\"", "null"], *byte); usize::from(*times) * 8];
                out.extend(many.join(",").bytes());
            }
            Piece::Array(_) => {
                out.push(b'[');
                open.push((false, b']'));
            }
            Piece::Map(_) => {
                out.push(b'{');
                open.push((true, b'}'));
            }
            Piece::Deep(depth) => out.extend(vec![b'['; usize::from(*depth)]),
            Piece::Binary(bytes) | Piece::Extension(_, bytes) | Piece::Bytes(bytes) => out.extend(bytes),
            Piece::Promised(..) | Piece::Close => {}
        }
    }
}

/// What stands beside a body.
#[derive(Debug, TypeGenerator)]
pub(super) struct Properties {
    content_type: Option<u8>,
    texts: [Option<String>; 4],
    timestamp: Option<u64>,
    priority: Option<u8>,
    delivery_mode: Option<u8>,
    headers: Vec<(u8, Value)>,
}

#[derive(Debug, TypeGenerator)]
enum Value {
    Void,
    Boolean(bool),
    Tiny(i8),
    Small(u16),
    Integer(i32),
    Long(i64),
    Double(f64),
    Timestamp(u64),
    Short(String),
    Text(Vec<u8>),
    Known(u8),
    Binary(Vec<u8>),
    Array(Vec<i32>),
    Table(Vec<(u8, i64)>),
}

impl Properties {
    pub(super) fn build(&self) -> BasicProperties {
        let mut properties = BasicProperties::default();
        if let Some(content_type) = self.content_type {
            properties = properties.with_content_type(pick(&CONTENT_TYPES, content_type).into());
        }
        let [correlation_id, message_id, reply_to, app_id] = &self.texts;
        if let Some(text) = correlation_id {
            properties = properties.with_correlation_id(short(text));
        }
        if let Some(text) = message_id {
            properties = properties.with_message_id(short(text));
        }
        if let Some(text) = reply_to {
            properties = properties.with_reply_to(short(text));
        }
        if let Some(text) = app_id {
            properties = properties.with_app_id(short(text)).with_user_id(short(text));
        }
        if let Some(timestamp) = self.timestamp {
            properties = properties.with_timestamp(timestamp);
        }
        if let Some(priority) = self.priority {
            properties = properties.with_priority(priority);
        }
        if let Some(delivery_mode) = self.delivery_mode {
            properties = properties.with_delivery_mode(delivery_mode);
        }
        let mut headers = FieldTable::default();
        for (name, value) in &self.headers {
            headers.insert(pick(&HEADERS, *name).into(), value.build());
        }
        properties.with_headers(headers)
    }
}

impl Value {
    fn build(&self) -> AMQPValue {
        match self {
            Value::Void => AMQPValue::Void,
            Value::Boolean(value) => AMQPValue::Boolean(*value),
            Value::Tiny(value) => AMQPValue::ShortShortInt(*value),
            Value::Small(value) => AMQPValue::ShortUInt(*value),
            Value::Integer(value) => AMQPValue::LongInt(*value),
            Value::Long(value) => AMQPValue::LongLongInt(*value),
            Value::Double(value) => AMQPValue::Double(*value),
            Value::Timestamp(value) => AMQPValue::Timestamp(*value),
            Value::Short(text) => AMQPValue::ShortString(short(text)),
            Value::Text(bytes) => AMQPValue::LongString(bytes.as_slice().into()),
            Value::Known(text) => AMQPValue::LongString(pick(&TEXTS, *text).into()),
            Value::Binary(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
            Value::Array(values) => {
                let values: Vec<AMQPValue> = values.iter().map(|value| AMQPValue::LongInt(*value)).collect();
                AMQPValue::FieldArray(FieldArray::from(values))
            }
            Value::Table(values) => {
                let mut table = FieldTable::default();
                for (name, value) in values {
                    table.insert(pick(&HEADERS, *name).into(), AMQPValue::LongLongInt(*value));
                }
                AMQPValue::FieldTable(table)
            }
        }
    }
}

/// About as many bytes as the properties take on the wire.
pub(super) fn bytes(properties: &BasicProperties) -> usize {
    let texts = [properties.correlation_id(), properties.message_id(), properties.reply_to(), properties.app_id()];
    let texts: usize = texts.into_iter().flatten().map(|text| text.as_str().len()).sum();
    let header = |value: &AMQPValue| match value {
        AMQPValue::LongString(text) => text.as_bytes().len(),
        AMQPValue::ShortString(text) => text.as_str().len(),
        _ => 1,
    };
    let headers = properties.headers().iter().flat_map(|headers| headers.inner());
    texts + headers.map(|(name, value)| name.as_str().len() + header(value)).sum::<usize>()
}

/// As much of a text as a short string takes.
fn short(text: &str) -> ShortString {
    let end = (0..=text.len().min(255)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    text[..end].into()
}

fn pick<T: Copy>(from: &[T], number: u8) -> T {
    from[usize::from(number) % from.len()]
}
