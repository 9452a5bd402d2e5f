//! How a second declaration differs from the first, in RabbitMQ's words (`rabbit_misc:assert_args_equivalence`).

use std::fmt::Display;

use amq_protocol::types::AMQPValue;

use crate::exchange::headers::integer;

/// A value's type as RabbitMQ names it.
pub(crate) fn type_name(value: &AMQPValue) -> &'static str {
    match value {
        AMQPValue::Boolean(_) => "bool",
        AMQPValue::ShortShortInt(_) => "byte",
        AMQPValue::ShortShortUInt(_) => "unsignedbyte",
        AMQPValue::ShortInt(_) => "short",
        AMQPValue::ShortUInt(_) => "unsignedshort",
        AMQPValue::LongInt(_) => "signedint",
        AMQPValue::LongUInt(_) => "unsignedint",
        AMQPValue::LongLongInt(_) => "long",
        AMQPValue::Float(_) => "float",
        AMQPValue::Double(_) => "double",
        AMQPValue::DecimalValue(_) => "decimal",
        AMQPValue::ShortString(_) | AMQPValue::LongString(_) => "longstr",
        AMQPValue::FieldArray(_) => "array",
        AMQPValue::Timestamp(_) => "timestamp",
        AMQPValue::FieldTable(_) => "table",
        AMQPValue::ByteArray(_) => "binary",
        AMQPValue::Void => "void",
    }
}

/// A difference between what is asked for and what a queue or exchange was declared with, as RabbitMQ tells it.
pub(crate) fn difference(asked: Option<&AMQPValue>, current: Option<&AMQPValue>) -> Option<String> {
    let (Some(asked), Some(current)) = (asked, current) else {
        let described = |value: Option<&AMQPValue>| match value {
            None => "none".to_owned(),
            Some(value) => format!("the value '{}' of type '{}'", Shown(value), type_name(value)),
        };
        let differ = asked.is_some() || current.is_some();
        return differ.then(|| format!("received {} but current is {}", described(asked), described(current)));
    };
    let same = asked == current || (integer(asked).is_some() && integer(asked) == integer(current));
    (!same).then(|| format!("received '{}' but current is '{}'", Shown(asked), Shown(current)))
}

/// A value as RabbitMQ prints it.
pub(crate) struct Shown<'a>(pub(crate) &'a AMQPValue);

impl Display for Shown<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0, integer(self.0)) {
            (_, Some(number)) => number.fmt(formatter),
            (AMQPValue::LongString(text), _) => text.fmt(formatter),
            (AMQPValue::Boolean(value), _) => value.fmt(formatter),
            (other, _) => write!(formatter, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_values_or_by_what_is_missing() {
        let (five, six) = (AMQPValue::LongInt(5), AMQPValue::LongLongInt(6));
        assert_eq!(difference(Some(&five), Some(&six)).unwrap(), "received '5' but current is '6'");
        let missing = "received none but current is the value '6' of type 'long'";
        assert_eq!(difference(None, Some(&six)).unwrap(), missing);
        assert_eq!(difference(Some(&five), Some(&AMQPValue::LongLongInt(5))), None);
        assert_eq!(difference(None, None), None);
    }
}
