//! What a binding of a headers exchange asks of a message.

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::queue::arguments::difference::{Shown, type_name};

/// A binding's `x-match` and the headers that it wants.
#[derive(Debug)]
pub(crate) struct HeadersMatch {
    /// `all` and `all-with-x`; otherwise one is enough.
    all: bool,
    /// A void value asks for the header to be there, whatever it is.
    wanted: Vec<(String, AMQPValue)>,
}

/// Whether RabbitMQ knows such an `x-match`.
pub(crate) fn valid_x_match(arguments: &FieldTable) -> Result<(), String> {
    match arguments.inner().get("x-match") {
        None => Ok(()),
        Some(AMQPValue::LongString(mode)) => match mode.as_bytes() {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => Ok(()),
            _ => {
                Err(format!("Invalid x-match field value <<\"{mode}\">>; expected all, any, all-with-x, or any-with-x"))
            }
        },
        Some(other) => {
            let kind = type_name(other);
            Err(format!("Invalid x-match field type {kind} (value {}); expected longstr", Shown(other)))
        }
    }
}

impl HeadersMatch {
    pub(crate) fn new(arguments: &FieldTable) -> HeadersMatch {
        let mode = match arguments.inner().get("x-match") {
            Some(AMQPValue::LongString(mode)) => mode.to_string(),
            _ => "all".to_owned(),
        };
        let with_x = mode.ends_with("-with-x");
        let wanted = arguments
            .into_iter()
            .filter(|(name, _)| name.as_str() != "x-match" && (with_x || !name.as_str().starts_with("x-")))
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        HeadersMatch { all: mode.starts_with("all"), wanted }
    }

    pub(crate) fn holds(&self, headers: &FieldTable) -> bool {
        let holds = |(name, wanted): &(String, AMQPValue)| {
            headers.inner().get(name.as_str()).is_some_and(|value| *wanted == AMQPValue::Void || same(wanted, value))
        };
        if self.all { self.wanted.iter().all(holds) } else { self.wanted.iter().any(holds) }
    }
}

/// Values are compared, not their types: an integer matches the same integer of another width.
fn same(left: &AMQPValue, right: &AMQPValue) -> bool {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// The value of any integer type.
pub(crate) fn integer(value: &AMQPValue) -> Option<i128> {
    match value {
        AMQPValue::ShortShortInt(number) => Some(i128::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i128::from(*number)),
        AMQPValue::ShortInt(number) => Some(i128::from(*number)),
        AMQPValue::ShortUInt(number) => Some(i128::from(*number)),
        AMQPValue::LongInt(number) => Some(i128::from(*number)),
        AMQPValue::LongUInt(number) => Some(i128::from(*number)),
        AMQPValue::LongLongInt(number) => Some(i128::from(*number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pairs: &[(&str, AMQPValue)]) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in pairs {
            table.insert((*name).into(), value.clone());
        }
        table
    }

    fn text(value: &str) -> AMQPValue {
        AMQPValue::LongString(value.into())
    }

    #[test]
    fn all_wants_every_header_and_any_wants_one() {
        let headers = table(&[("a", text("1")), ("b", text("2"))]);
        for (mode, b, expected) in
            [("all", "2", true), ("all", "3", false), ("any", "3", true), ("all-with-x", "2", true)]
        {
            let wanted = table(&[("x-match", text(mode)), ("a", text("1")), ("b", text(b))]);
            assert_eq!(HeadersMatch::new(&wanted).holds(&headers), expected, "{mode} {b}");
        }
    }

    #[test]
    fn names_with_x_count_only_when_asked_for() {
        let wanted = |mode| table(&[("x-match", text(mode)), ("x-reason", text("rejected"))]);
        let headers = table(&[("x-reason", text("expired"))]);
        assert!(HeadersMatch::new(&wanted("all")).holds(&headers));
        assert!(!HeadersMatch::new(&wanted("all-with-x")).holds(&headers));
    }

    #[test]
    fn a_void_value_asks_for_presence_and_widths_do_not_matter() {
        let wanted = table(&[("a", AMQPValue::Void), ("n", AMQPValue::LongInt(5))]);
        let headers = table(&[("a", text("anything")), ("n", AMQPValue::LongLongInt(5))]);
        assert!(HeadersMatch::new(&wanted).holds(&headers));
    }
}
