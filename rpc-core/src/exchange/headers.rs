//! Headers of published messages.

use std::collections::BTreeMap;

use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::{amqp, error::HeaderError, wire};

/// Most bytes of a message's headers as AMQP writes them (section 4.2.5.5: a name and 2 bytes, a text and 4, a number
/// 8, a yes or no 1). All properties of a message are one frame, which has 131,072 bytes with RabbitMQ's defaults: a
/// broker ends the connection that sends more.
pub const HEADERS_BYTES_MAX: usize = 65_536;

/// The headers of a published message, by which a headers exchange chooses.
///
/// ```
/// use warren_rpc::Headers;
///
/// let headers = Headers::new().with("language", "cpp").with("points", 100).with("final", true);
/// assert_eq!(headers.text("language"), Some("cpp"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(BTreeMap<String, HeaderValue>);

/// What a header holds. AMQP has more; those are passed over.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum HeaderValue {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Yes or no.
    Bool(bool),
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for HeaderValue {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<bool> for HeaderValue {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}

impl HeaderValue {
    /// As AMQP writes it.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => 4 + text.len(),
            Self::Integer(_) => 8,
            Self::Bool(_) => 1,
        }
    }
}

impl Headers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and one more. Names have 1 to 255 bytes, do not begin with `x-`, and are none of those that the wire
    /// contract or the broker gives a meaning to; all together take [`HEADERS_BYTES_MAX`]. Where others are used, they
    /// are refused ([`HeaderError`]).
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<HeaderValue>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// A header, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&HeaderValue> {
        self.0.get(name)
    }

    /// A header's text, if it is there and a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(HeaderValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// As AMQP has them.
    pub(crate) fn table(&self) -> Result<FieldTable, HeaderError> {
        let mut table = FieldTable::default();
        let mut bytes = 0_usize;
        for (name, value) in &self.0 {
            bytes = bytes.saturating_add(name.len() + 2).saturating_add(value.bytes());
            let refused = || HeaderError { name: name.clone() };
            let key = ShortString::try_new(name.as_str()).map_err(|_| refused())?;
            if !wire::can_be_chosen(name) || bytes > HEADERS_BYTES_MAX {
                return Err(refused());
            }
            let value = match value {
                HeaderValue::Text(text) => AMQPValue::LongString(text.as_str().into()),
                HeaderValue::Integer(integer) => AMQPValue::LongLongInt(*integer),
                HeaderValue::Bool(bool) => AMQPValue::Boolean(*bool),
            };
            table.insert(key, value);
        }
        Ok(table)
    }

    /// Those of a message that its publisher chose.
    pub(crate) fn read(table: &FieldTable) -> Self {
        // A name that nobody can choose here is not to keep the others from another try.
        let chosen = table.inner().iter().filter(|(name, _)| wire::can_be_chosen(name.as_str()));
        Self(chosen.filter_map(|(name, value)| Some((name.to_string(), read_value(value)?))).collect())
    }
}

fn read_value(value: &AMQPValue) -> Option<HeaderValue> {
    if let AMQPValue::Boolean(bool) = value {
        return Some(HeaderValue::Bool(*bool));
    }
    amqp::text(value).map(HeaderValue::from).or_else(|| amqp::integer(value).map(HeaderValue::Integer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_back_and_those_of_the_contract_are_neither_written_nor_read() {
        let headers = Headers::new().with("language", "cpp").with("points", 100).with("final", true);
        assert_eq!(Headers::read(&headers.table().unwrap()), headers);
        for name in ["", "x-match", "tries", "CC", "deadline-ms", &"n".repeat(256)] {
            assert_eq!(Headers::new().with(name, 1).table().unwrap_err().name, name);
        }
        let all_but_text = 4 + "text".len() + 2;
        let most = Headers::new().with("text", "x".repeat(HEADERS_BYTES_MAX - all_but_text));
        assert!(most.table().is_ok());
        assert_eq!(most.with("zero", 0).table().unwrap_err().name, "zero");
        let mut table = FieldTable::default();
        table.insert("tries".into(), AMQPValue::LongInt(7));
        table.insert("points".into(), AMQPValue::ShortShortUInt(7));
        table.insert("".into(), AMQPValue::ShortShortUInt(7));
        assert_eq!(Headers::read(&table), Headers::new().with("points", 7));
    }
}
