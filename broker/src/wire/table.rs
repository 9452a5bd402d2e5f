//! Headers by bytes: entries are found, left out and added without decoding the rest, which need not be text. What the
//! broker does not change stays as it came.
//!
//! Tables that cannot be read to their end are refused when they are published: what is left out here behind such a
//! place was never accepted.

use amq_protocol::types::AMQPValue;
use amq_protocol::types::generation::gen_value;
use amq_protocol::types::parsing::parse_value;

use super::encode;

/// An entry of a table: its name, its value with the type before it, and both as they stand there.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    value: &'a [u8],
    whole: &'a [u8],
}

/// The entries of a table, given without its length field.
pub(crate) fn entries(table: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut rest = table;
    std::iter::from_fn(move || {
        let name_bytes = usize::from(*rest.first()?);
        let value = rest.get(1 + name_bytes..)?;
        let whole = rest.get(..1 + name_bytes + value_bytes(value)?)?;
        rest = &rest[whole.len()..];
        Some(Entry { name: &whole[1..=name_bytes], value: &whole[1 + name_bytes..], whole })
    })
}

/// How long the value is that `bytes` begin with, its type included.
fn value_bytes(bytes: &[u8]) -> Option<usize> {
    let (kind, rest) = bytes.split_first()?;
    let value = match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        b'S' | b'x' | b'A' | b'F' => (u32::from_be_bytes(*rest.first_chunk()?) as usize).checked_add(4)?,
        _ => return None,
    };
    value.checked_add(1)
}

impl Entry<'_> {
    /// The value, if the codec can read it.
    pub(crate) fn decode(&self) -> Option<AMQPValue> {
        if super::nesting::too_deep(self.whole) {
            return None;
        }
        parse_value(self.value).ok().map(|(_, value)| value)
    }
}

/// The value of a name in a table; the first, should there be more.
pub(crate) fn value(table: &[u8], name: &str) -> Option<AMQPValue> {
    entries(table).find(|entry| entry.name == name.as_bytes())?.decode()
}

/// Whether the table has a value of this name, readable or not.
pub(crate) fn has(table: &[u8], name: &str) -> bool {
    entries(table).any(|entry| entry.name == name.as_bytes())
}

/// The same table without the entries of these names.
pub(crate) fn without(table: &[u8], names: &[&str]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(table.len());
    for entry in entries(table) {
        if !names.iter().any(|name| entry.name == name.as_bytes()) {
            kept.extend_from_slice(entry.whole);
        }
    }
    kept
}

/// Adds an entry behind the others. The name is at most 255 bytes.
pub(crate) fn append(table: &mut Vec<u8>, name: &str, value: &AMQPValue) {
    encode::short_string(table, name.as_bytes());
    table.extend_from_slice(&encode::generate(gen_value(value)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::nesting::{self, Table};

    #[test]
    fn only_what_is_named_goes_and_the_rest_stays_byte_by_byte() {
        let latin_1 = [3, b'c', 0xf4, b't', b't', 1];
        let mut table = latin_1.to_vec();
        append(&mut table, "CC", &AMQPValue::LongInt(7));
        table.extend(latin_1);
        assert_eq!(value(&table, "CC"), Some(AMQPValue::LongInt(7)));
        assert!(has(&table, "CC") && !has(&table, "BCC"));
        assert_eq!(without(&table, &["CC", "BCC"]), [latin_1, latin_1].concat());
    }

    proptest! {
        #[test]
        fn what_may_be_published_is_kept_whole(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let kept = without(&bytes, &[]);
            if matches!(nesting::scan(&bytes), Table::Plain | Table::Copies) {
                prop_assert_eq!(kept, bytes);
            }
        }
    }
}
