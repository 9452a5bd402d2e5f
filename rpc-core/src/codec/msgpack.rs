//! What is wrong with msgpack, in the words of people: `rmp-serde` speaks of markers.

use rmp::Marker;
use rmp_serde::decode::Error;

use super::DEPTH_MAX;

/// What is wrong, without the place.
pub(super) fn explain(error: &Error) -> String {
    match error {
        // What was expected, only the visitor knows, and it was not asked.
        Error::TypeMismatch(marker) => format!("{} is not what is expected here", kind(*marker)),
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "the body ends in the middle of a value".to_owned(),
        Error::LengthMismatch(expected) => format!("an array of {expected} elements is expected here"),
        Error::OutOfRange => "the number does not fit what is expected here".to_owned(),
        Error::Utf8Error(_) => "a text that is not UTF-8".to_owned(),
        Error::DepthLimitExceeded => format!("nested deeper than {DEPTH_MAX}"),
        Error::Uncategorized(problem) | Error::Syntax(problem) => problem.clone(),
    }
}

/// What a marker begins; the table of formats is in <https://github.com/msgpack/msgpack/blob/master/spec.md>.
fn kind(marker: Marker) -> &'static str {
    match marker {
        Marker::Null => "nothing (nil)",
        Marker::True | Marker::False => "true or false",
        Marker::FixPos(_) | Marker::FixNeg(_) => "a whole number",
        Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => "a whole number",
        Marker::I8 | Marker::I16 | Marker::I32 | Marker::I64 => "a whole number",
        Marker::F32 | Marker::F64 => "a floating-point number",
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => "a text",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "a byte string",
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => "an array",
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => "a map",
        Marker::FixExt1 | Marker::FixExt2 | Marker::FixExt4 | Marker::FixExt8 | Marker::FixExt16 => "an extension",
        Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => "an extension",
        Marker::Reserved => "a byte that begins no value",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;

    use crate::codec::Codec;

    fn problem<T: DeserializeOwned>(body: &[u8]) -> String {
        Codec::Msgpack.decode::<T>(body).err().expect("it is refused").to_string()
    }

    #[test]
    fn each_problem_is_said_without_a_marker() {
        assert_eq!(problem::<u8>(b"\xa1x"), "a text is not what is expected here");
        assert_eq!(problem::<u8>(b"\xc1"), "a byte that begins no value is not what is expected here");
        assert_eq!(problem::<BTreeMap<String, u8>>(b"\x81\xa1x\x91\x01"), "x: an array is not what is expected here");
        assert_eq!(problem::<u8>(b""), "the body ends in the middle of a value");
        assert_eq!(problem::<String>(b"\xa4ab"), "the body ends in the middle of a value");
    }

    #[test]
    fn what_nests_too_deeply_is_said_as_in_json() {
        assert_eq!(problem::<serde_json::Value>(&[0x91; 100]), "[0]".repeat(31) + ": nested deeper than 32");
    }
}
