//! What a status tells programs beside its code: values with a name and a type each.
//!
//! They are kept as JSON text, whatever they came in: so what nobody here knows is passed on as it is, and a value is
//! read only when it is asked for, with the same limits as a body. Trees of values would take a hundred times the
//! bytes that they came in.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, Visitor},
    ser::{Error as _, SerializeMap},
};

use crate::codec::{Codec, DecodeError, json_depth};

/// Deepest nesting of a detail: a status is two levels around it, and nothing deeper than 32 is read.
const DEPTH_MAX: usize = 29;

/// Something that a status tells programs: on the wire `details.NAME`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use warren_rpc::{Detail, Status};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Begins {
///     unix_ms: i64,
/// }
///
/// impl Detail for Begins {
///     const NAME: &'static str = "contest_begins";
/// }
///
/// let status = Status::failed_precondition("the contest has not begun").with_detail(&Begins { unix_ms: 7 });
/// assert_eq!(status.detail::<Begins>(), Some(Ok(Begins { unix_ms: 7 })));
/// ```
pub trait Detail: Serialize + DeserializeOwned {
    /// The detail's name: one form for ever, for callers of other versions read it too.
    const NAME: &'static str;
}

/// The details of a [`Status`](crate::Status), by their names: those that this program knows, and those that it only
/// passes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// In JSON, without white space.
    by_name: BTreeMap<String, String>,
}

impl Details {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The names and the values, as JSON text, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }

    /// A detail; none if the status has none of this name.
    ///
    /// # Errors
    ///
    /// What is there under this name is something else.
    #[must_use]
    pub fn get<D: Detail>(&self) -> Option<Result<D, DecodeError>> {
        self.by_name.get(D::NAME).map(|json| Codec::Json.decode(json.as_bytes()))
    }

    /// Adds a detail, in place of one of the same name. One that cannot travel is left out, and a log line says so: a
    /// status must not fail.
    pub(super) fn insert<D: Detail>(&mut self, detail: &D) {
        let problem = match serde_json::to_string(detail) {
            Ok(json) if json_depth(json.as_bytes()) <= DEPTH_MAX => {
                self.by_name.insert(D::NAME.to_owned(), json);
                return;
            }
            Ok(_) => format!("nested deeper than {DEPTH_MAX}"),
            Err(error) => error.to_string(),
        };
        tracing::error!(name = D::NAME, problem, "a status was sent without a detail");
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.by_name.len()))?;
        for (name, json) in &self.by_name {
            map.serialize_entry(name, &FromJson(json))?;
        }
        map.end()
    }
}

/// A JSON text, to be written in another form.
struct FromJson<'a>(&'a str);

impl Serialize for FromJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serde_json::Deserializer::from_str(self.0);
        serde_transcode::transcode(&mut json, serializer).map_err(S::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Details {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ByName)
    }
}

struct ByName;

impl<'de> Visitor<'de> for ByName {
    type Value = Details;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details by their names")
    }

    /// As JSON's `null`: there are none.
    fn visit_unit<E>(self) -> Result<Details, E> {
        Ok(Details::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Details, A::Error> {
        let mut details = Details::default();
        while let Some(name) = map.next_key()? {
            details.by_name.insert(name, map.next_value_seed(ToJson)?);
        }
        Ok(details)
    }
}

/// Any value, to be written as JSON text.
struct ToJson;

impl<'de> DeserializeSeed<'de> for ToJson {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        let mut json = Vec::new();
        serde_transcode::transcode(deserializer, &mut serde_json::Serializer::new(&mut json))
            .map_err(D::Error::custom)?;
        String::from_utf8(json).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Begins {
        unix_ms: i64,
        names: Vec<Option<String>>,
        part: f64,
    }

    impl Detail for Begins {
        const NAME: &'static str = "contest_begins";
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Nested(serde_json::Value);

    impl Detail for Nested {
        const NAME: &'static str = "nested";
    }

    fn nested(depth: usize) -> Nested {
        Nested((0..depth).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner])))
    }

    #[test]
    fn what_is_told_travels_typed_in_both_forms() {
        let begins = Begins { unix_ms: i64::MIN, names: vec![None, Some("é \"".to_owned())], part: 0.1 };
        let status = Status::failed_precondition("not yet").with_detail(&begins);
        for codec in [Codec::Msgpack, Codec::Json] {
            let read: Status = codec.decode(&codec.encode(&status).unwrap()).unwrap();
            assert_eq!(read.detail::<Begins>().unwrap().as_ref(), Ok(&begins), "{codec:?}");
            assert_eq!(read.detail::<Nested>(), None);
            assert_eq!(read, status);
        }
    }

    #[test]
    fn what_nobody_knows_is_passed_on_from_form_to_form() {
        let body = br#"{"code":"internal","message":"","details":{"z":{"a":[1,-2,3.5,null,true]},"a":"x","more":{}}}"#;
        let foreign: Status = Codec::Json.decode(body).unwrap();
        let passed_on: Status = Codec::Msgpack.decode(&Codec::Msgpack.encode(&foreign).unwrap()).unwrap();
        assert_eq!(passed_on, foreign);
        let (names, values): (Vec<_>, Vec<_>) = passed_on.details.iter().unzip();
        assert_eq!((names[0], names[1], names[2]), ("a", "more", "z"));
        assert_eq!(values, [r#""x""#, "{}", r#"{"a":[1,-2,3.5,null,true]}"#]);
    }

    #[test]
    fn another_type_under_the_name_is_an_error_that_says_where() {
        let body = br#"{"code":"internal","message":"","details":{"contest_begins":{"unix_ms":"soon"}}}"#;
        let foreign: Status = Codec::Json.decode(body).unwrap();
        let error = foreign.detail::<Begins>().unwrap().unwrap_err();
        assert_eq!(error.path, "unix_ms");
    }

    #[test]
    fn the_deepest_detail_travels_and_a_deeper_one_is_left_out() {
        let deepest = Status::internal("").with_detail(&nested(DEPTH_MAX));
        for codec in [Codec::Msgpack, Codec::Json] {
            let read: Status = codec.decode(&codec.encode(&deepest).unwrap()).unwrap();
            assert_eq!(read.detail::<Nested>(), Some(Ok(nested(DEPTH_MAX))), "{codec:?}");
        }
        assert!(Status::internal("").with_detail(&nested(DEPTH_MAX + 1)).details.is_empty());
    }
}
