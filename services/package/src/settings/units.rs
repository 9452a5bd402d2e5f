//! Durations and sizes as omegaUp writes them: `"1.5s"` or milliseconds, `"32MiB"` or bytes.

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

/// A duration in whole milliseconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Millis(pub(super) u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a duration such as \"1.5s\" or \"500ms\", or a whole number of milliseconds";
        deserializer.deserialize_any(Amount { expected, parse: parse_millis }).map(Self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a size such as \"32MiB\" or \"10KiB\", or a whole number of bytes";
        deserializer.deserialize_any(Amount { expected, parse: parse_bytes }).map(Self)
    }
}

struct Amount {
    expected: &'static str,
    parse: fn(&str) -> Option<u64>,
}

impl Visitor<'_> for Amount {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Go's `time.ParseDuration`: numbers with units, one after the other.
fn parse_millis(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit_nanos = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        nanos = nanos.checked_add(scaled(number, unit_nanos)?)?;
        rest = after;
    }
    u64::try_from(nanos.div_ceil(1_000_000)).ok()
}

fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len()));
    let unit_bytes = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    u64::try_from(scaled(number, unit_bytes)?).ok()
}

/// `number`, which may have decimals, times `unit`, rounded down.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if whole.len() > 12 || decimals.len() > 12 {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let digits = whole.parse::<u128>().ok()? * scale + decimals.parse::<u128>().ok()?;
    Some(digits * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in
            [("1s", 1000), ("1.5s", 1500), ("500ms", 500), ("1m0s", 60_000), ("1m30.5s", 90_500), ("1h", 3_600_000)]
        {
            assert_eq!(parse_millis(text), Some(millis), "{text}");
        }
        assert_eq!(parse_millis("1us"), Some(1), "rounded up");
        for text in ["", "1", "s", "-1s", "1 s", "1x", ".5s", "9999999999999s"] {
            assert_eq!(parse_millis(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_read_with_binary_units() {
        for (text, bytes) in [("32MiB", 32 << 20), ("10KiB", 10 << 10), ("1.5GiB", 3 << 29), ("100", 100), ("7 B", 7)] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "32MB", "-1", "1e3", "9999999999999"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
