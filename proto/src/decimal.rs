//! Exact decimal numbers: scores and points are compared and added, so a float's rounding would show on a board.

use std::{fmt, ops::Deref, str::FromStr};

use bigdecimal::BigDecimal;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
    ser::Error as _,
};
use serde_json::value::RawValue;

/// Most characters of a decimal's text.
const TEXT_CHARS_MAX: usize = 64;

/// Most digits on either side of the point, so that `1e99999999` costs nothing.
const DIGITS_MAX: u64 = 128;

/// An exact decimal number. In JSON a number, read digit by digit (`0.1` is one tenth); in msgpack its text, and a
/// float is taken as the shortest decimal that means it.
///
/// Read, it has at most 64 characters, and at most 128 digits after the point (or zeros before it) once `1e-7` is
/// written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(BigDecimal);

impl Decimal {
    /// 0.
    #[must_use]
    pub fn zero() -> Self {
        Self::default()
    }

    /// 1.
    #[must_use]
    pub fn one() -> Self {
        Self::from(1)
    }

    /// The number for arithmetic.
    #[must_use]
    pub fn into_inner(self) -> BigDecimal {
        self.0
    }
}

impl Deref for Decimal {
    type Target = BigDecimal;

    fn deref(&self) -> &BigDecimal {
        &self.0
    }
}

impl From<BigDecimal> for Decimal {
    fn from(value: BigDecimal) -> Self {
        Self(value)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.normalized().to_plain_string())
    }
}

/// A text that is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most {TEXT_CHARS_MAX} characters")]
pub struct NotDecimal;

impl FromStr for Decimal {
    type Err = NotDecimal;

    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(NotDecimal);
        }
        let value = BigDecimal::from_str(text).map_err(|_| NotDecimal)?;
        if value.fractional_digit_count().unsigned_abs() > DIGITS_MAX {
            return Err(NotDecimal);
        }
        Ok(Self(value))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.to_string();
        if serializer.is_human_readable() {
            RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
        } else {
            serializer.serialize_str(&text)
        }
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            let is_number = raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
            let text = if is_number { raw.get() } else { "" };
            return text.parse().map_err(|error| de::Error::custom(format!("{}: {error}", shorten(raw.get()))));
        }
        deserializer.deserialize_any(DecimalVisitor)
    }
}

/// As much of a refused text as a message should show.
fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(24).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

struct DecimalVisitor;

impl Visitor<'_> for DecimalVisitor {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Decimal, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Decimal, E> {
        Ok(Decimal(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Decimal, E> {
        value.to_string().parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_json(text: &str) -> Result<Decimal, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn json_numbers_are_read_digit_by_digit() {
        let read = from_json("0.00499999999999999999999").expect("a decimal");
        assert_eq!(read.to_string(), "0.00499999999999999999999");
        assert_eq!(from_json("1.50").unwrap(), "1.5".parse().unwrap());
    }

    #[test]
    fn json_is_written_as_a_plain_number() {
        let written = |text: &str| serde_json::to_string(&text.parse::<Decimal>().unwrap()).unwrap();
        assert_eq!(written("66.670"), "66.67");
        assert_eq!(written("100"), "100");
        assert_eq!(written("1e2"), "100");
        assert_eq!(written("1e-7"), "0.0000001");
    }

    #[test]
    fn msgpack_takes_text_and_floats_and_integers() {
        let read = |bytes: Vec<u8>| rmp_serde::from_slice::<Decimal>(&bytes).unwrap().to_string();
        assert_eq!(read(rmp_serde::to_vec("0.1").unwrap()), "0.1");
        assert_eq!(read(rmp_serde::to_vec(&0.1_f64).unwrap()), "0.1");
        assert_eq!(read(rmp_serde::to_vec(&7).unwrap()), "7");
        assert_eq!(read(rmp_serde::to_vec(&"0.25".parse::<Decimal>().unwrap()).unwrap()), "0.25");
    }

    #[test]
    fn text_and_giant_exponents_are_refused() {
        assert!(from_json("\"1\"").unwrap_err().contains("not a decimal number"));
        assert!(from_json("null").is_err());
        assert!(from_json("1e99999999").is_err());
        assert!(from_json(&"1".repeat(65)).is_err());
    }
}
