//! How values become bodies: msgpack with named fields, or JSON.
//!
//! What comes from the network is read with a depth limit, to its last byte, and never by a length that was only
//! promised. A value that does not decode is reported with its place: `runs[3].time_ms: invalid type: string`.

mod msgpack;
mod promised;

use std::{fmt, io::Cursor};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// Deepest nesting that is read. `rmp-serde`'s own default of 1,024 overflows a 2 MiB stack in a debug build.
const DEPTH_MAX: usize = 32;

/// Room for most bodies: a larger one is moved as it grows.
const COMMON_BODY_BYTES: usize = 512;

/// The form of a body; `content_type` on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// `application/msgpack`: structs as maps, so that fields can be added.
    #[default]
    Msgpack,
    /// `application/json`, and what a message without a content type is.
    Json,
}

impl Codec {
    /// The content type on the wire.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Msgpack => "application/msgpack",
            Self::Json => "application/json",
        }
    }

    /// The codec of a content type; parameters (`; charset=utf-8`) are passed over.
    #[must_use]
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        [Self::Msgpack, Self::Json].into_iter().find(|codec| codec.content_type().eq_ignore_ascii_case(essence))
    }

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// If the value's own `Serialize` fails, or it has a map whose keys this form cannot have.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes, EncodeError> {
        let mut body = Vec::with_capacity(COMMON_BODY_BYTES);
        match self {
            Self::Msgpack => {
                rmp_serde::encode::write_named(&mut body, value).map_err(|error| EncodeError(error.to_string()))?;
            }
            Self::Json => serde_json::to_writer(&mut body, value).map_err(|error| EncodeError(error.to_string()))?,
        }
        Ok(body.into())
    }

    /// Reads a value that takes the whole of `body`.
    ///
    /// # Errors
    ///
    /// If the bytes are malformed, nested deeper than 32, followed by others, or not a `T`; says where.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, DecodeError> {
        match self {
            Self::Msgpack => decode_msgpack(body),
            Self::Json => decode_json(body),
        }
    }
}

/// A value that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be encoded: {0}")]
pub struct EncodeError(String);

/// Bytes that are not the value they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Where, as fields and indices: `runs[3].time_ms`; empty for the whole body.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.problem),
            path => write!(f, "{path}: {}", self.problem),
        }
    }
}

impl std::error::Error for DecodeError {}

fn decode_msgpack<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    promised::check(body)?;
    let read = |body| {
        // Behind a cursor, which tells where the value ended.
        let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(body));
        deserializer.set_max_depth(DEPTH_MAX);
        deserializer
    };
    let mut deserializer = read(body);
    match T::deserialize(&mut deserializer) {
        Ok(value) if deserializer.position() == body.len() as u64 => Ok(value),
        Ok(_) => Err(trailing(body.len() as u64 - deserializer.position())),
        Err(_) => Err(locate::<T, _>(&mut read(body), |error| msgpack::explain(&error))),
    }
}

fn decode_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, DecodeError> {
    if json_depth(body) > DEPTH_MAX {
        return Err(whole(format!("nested deeper than {DEPTH_MAX}")));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match T::deserialize(&mut deserializer) {
        Ok(value) => deserializer.end().map(|()| value).map_err(|error| whole(error.to_string())),
        Err(_) => Err(locate::<T, _>(&mut serde_json::Deserializer::from_slice(body), |error| error.to_string())),
    }
}

/// Reads once more, noting the way to the place that fails: too slow for bodies that are right.
fn locate<'de, T, D>(deserializer: D, explain: impl Fn(D::Error) -> String) -> DecodeError
where
    T: DeserializeOwned,
    D: serde::Deserializer<'de>,
{
    match serde_path_to_error::deserialize::<D, T>(deserializer) {
        Ok(_) => whole("it could be read only once".to_owned()),
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            DecodeError { path, problem: explain(error.into_inner()) }
        }
    }
}

fn whole(problem: String) -> DecodeError {
    DecodeError { path: String::new(), problem }
}

fn trailing(bytes: u64) -> DecodeError {
    whole(format!("{bytes} bytes follow the value"))
}

/// How deep arrays and objects are nested: a scan, so that hostile depth never reaches a recursive reader.
pub(crate) fn json_depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Board {
        runs: Vec<Run>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Run {
        time_ms: u64,
    }

    fn told(codec: Codec, body: &[u8]) -> String {
        codec.decode::<Board>(body).unwrap_err().to_string()
    }

    #[test]
    fn both_forms_read_back_what_they_wrote() {
        let board = Board { runs: vec![Run { time_ms: 7 }] };
        for codec in [Codec::Msgpack, Codec::Json] {
            assert_eq!(codec.decode::<Board>(&codec.encode(&board).unwrap()).unwrap(), board);
            assert_eq!(Codec::from_content_type(codec.content_type()), Some(codec));
        }
        assert_eq!(Codec::from_content_type("Application/JSON; charset=utf-8"), Some(Codec::Json));
        assert_eq!(Codec::from_content_type("text/plain"), None);
    }

    #[test]
    fn errors_name_the_place() {
        let text = told(Codec::Json, br#"{"runs":[{"time_ms":1},{"time_ms":"soon"}]}"#);
        assert!(text.starts_with("runs[1].time_ms: invalid type: string \"soon\", expected u64"), "{text}");
        let text = told(Codec::Json, br#"{"runs":[{}]}"#);
        assert!(text.starts_with("runs[0]: missing field `time_ms`"), "{text}");
        let text = told(Codec::Json, br#"{"runs":[],"rnus":1}"#);
        assert!(text.contains("unknown field `rnus`"), "{text}");
        let body = rmp_serde::to_vec_named(&serde_json::json!({"runs": [{"time_ms": "soon"}]})).unwrap();
        let text = told(Codec::Msgpack, &body);
        assert_eq!(text, "runs[0].time_ms: a text is not what is expected here");
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert!(told(Codec::Json, b"{\"runs\":[]} x").contains("trailing characters"));
        let mut body = Codec::Msgpack.encode(&Board { runs: vec![] }).unwrap().to_vec();
        body.push(0xc0);
        assert_eq!(told(Codec::Msgpack, &body), "1 bytes follow the value");
    }

    #[test]
    fn depth_is_limited_and_promised_lengths_are_not_believed() {
        let deep = "[".repeat(200_000);
        assert_eq!(told(Codec::Json, deep.as_bytes()), "nested deeper than 32");
        assert!(Codec::Msgpack.decode::<serde_json::Value>(&[0x91; 100_000]).is_err());
        assert!(Codec::Msgpack.decode::<Vec<u64>>(&[0xdd, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert_eq!(json_depth(br#"{"a":"[[[\"[["}"#), 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(body: Vec<u8>) {
            let _ = Codec::Json.decode::<Board>(&body);
            let _ = Codec::Msgpack.decode::<Board>(&body);
            let _ = Codec::Msgpack.decode::<serde_json::Value>(&body);
        }
    }
}
