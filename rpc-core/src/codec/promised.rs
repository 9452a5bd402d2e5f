//! Lengths that msgpack promises, held against the bytes that are there: serde sets up to a megabyte aside for an array
//! by its promised length, in each array of an array again, and five bytes can promise four billion elements.
//!
//! One pass over the markers, without recursion. What else is wrong is left to the decoder, which says it better; where
//! this stops, that stops too.

use rmp::Marker;

use super::{DEPTH_MAX, DecodeError, whole};

/// What follows a marker.
#[derive(Clone, Copy)]
struct Follows {
    /// Bytes of the value's own: a number, a length, a text.
    bytes: usize,
    /// Values inside.
    values: u64,
}

/// Refuses an array or a map that promises more values than bytes follow it.
pub(super) fn check(body: &[u8]) -> Result<(), DecodeError> {
    // How many values are left in each array and map that is open; the body is one value.
    let mut open = [0_u64; DEPTH_MAX + 1];
    open[0] = 1;
    let (mut depth, mut rest) = (0, body);
    loop {
        while open[depth] == 0 {
            match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return Ok(()),
            }
        }
        open[depth] -= 1;
        let Some(Follows { bytes, values }) = follows(rest) else { return Ok(()) };
        let Some(inside) = rest.get(1 + bytes..) else { return Ok(()) };
        if values > inside.len() as u64 {
            let (place, left) = (body.len() - rest.len(), inside.len());
            return Err(whole(format!("byte {place} promises {values} values, and {left} bytes follow")));
        }
        rest = inside;
        if values > 0 {
            if depth == DEPTH_MAX {
                return Ok(());
            }
            depth += 1;
            open[depth] = values;
        }
    }
}

/// None if the length itself is cut off.
fn follows(rest: &[u8]) -> Option<Follows> {
    let (marker, rest) = rest.split_first()?;
    let flat = |bytes| Some(Follows { bytes, values: 0 });
    // A length of so many bytes, and as many bytes behind it.
    let long = |width: usize| Some(Follows { bytes: width.saturating_add(length(rest, width)?), values: 0 });
    let nested = |width, each| Some(Follows { bytes: width, values: length(rest, width)? as u64 * each });
    match Marker::from_u8(*marker) {
        Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => flat(0),
        // The decoder refuses it.
        Marker::Reserved => None,
        Marker::U8 | Marker::I8 => flat(1),
        Marker::U16 | Marker::I16 => flat(2),
        Marker::U32 | Marker::I32 | Marker::F32 => flat(4),
        Marker::U64 | Marker::I64 | Marker::F64 => flat(8),
        Marker::FixStr(bytes) => flat(bytes.into()),
        Marker::Str8 | Marker::Bin8 => long(1),
        Marker::Str16 | Marker::Bin16 => long(2),
        Marker::Str32 | Marker::Bin32 => long(4),
        Marker::FixExt1 => flat(2),
        Marker::FixExt2 => flat(3),
        Marker::FixExt4 => flat(5),
        Marker::FixExt8 => flat(9),
        Marker::FixExt16 => flat(17),
        Marker::Ext8 => long(1).map(with_type),
        Marker::Ext16 => long(2).map(with_type),
        Marker::Ext32 => long(4).map(with_type),
        Marker::FixArray(values) => Some(Follows { bytes: 0, values: values.into() }),
        Marker::FixMap(pairs) => Some(Follows { bytes: 0, values: u64::from(pairs) * 2 }),
        Marker::Array16 => nested(2, 1),
        Marker::Array32 => nested(4, 1),
        Marker::Map16 => nested(2, 2),
        Marker::Map32 => nested(4, 2),
    }
}

/// An extension has a byte for its type.
fn with_type(follows: Follows) -> Follows {
    Follows { bytes: follows.bytes + 1, ..follows }
}

/// A length of `width` bytes, most significant first.
fn length(rest: &[u8], width: usize) -> Option<usize> {
    Some(rest.get(..width)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_promises_more_than_there_is_is_refused_at_its_place() {
        let problem = |body: &[u8]| check(body).unwrap_err().to_string();
        assert_eq!(problem(b"\xdd\xff\xff\xff\xff"), "byte 0 promises 4294967295 values, and 0 bytes follow");
        assert_eq!(problem(b"\x92\xa1x\xdc\x00\x03\x01\x02"), "byte 3 promises 3 values, and 2 bytes follow");
        assert_eq!(problem(b"\x82\x01\x02\x03"), "byte 0 promises 4 values, and 3 bytes follow");
        assert_eq!(
            problem(b"\x92\xc7\x01\x00\x09\xdf\x00\x00\x00\x01"),
            "byte 5 promises 2 values, and 0 bytes follow"
        );
    }

    #[test]
    fn what_is_wrong_otherwise_is_left_to_the_decoder() {
        for body in [&b""[..], b"\xdb\xff\xff\xff\xff", b"\xdc\x00", b"\xc1", b"\x91\xc1", &[0x91; 100]] {
            assert_eq!(check(body), Ok(()), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_right_passes(value in proptest::collection::vec(any::<(Vec<String>, Option<f64>, i64)>(), 0..20)) {
            prop_assert_eq!(check(&rmp_serde::to_vec_named(&value).unwrap()), Ok(()));
        }
    }
}
