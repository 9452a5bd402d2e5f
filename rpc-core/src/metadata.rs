//! What travels beside a request, for layers and handlers: a token, a tenant, a language.

use std::{collections::BTreeMap, fmt, sync::Arc};

use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::{
    amqp,
    error::{HeaderError, RejectReason},
    wire,
};

/// Most bytes of a request's metadata, names and values together. More is refused on both sides.
pub const METADATA_BYTES_MAX: usize = 4096;

/// Texts that travel beside a request, by name: one of the request's headers each, so that a client that knows nothing
/// of Warren can send them too. Cheap to clone.
///
/// A handler's own calls do not inherit them: what is to go on is passed on
/// ([`CallOptions::metadata`](crate::CallOptions::metadata)), so that no token reaches a service that it is not meant
/// for. `Debug` shows the names, and no value.
///
/// ```
/// use warren_rpc::Metadata;
///
/// let metadata = Metadata::new().with("token", "abc");
/// assert_eq!(metadata.get("token"), Some("abc"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(Option<Arc<BTreeMap<String, String>>>);

impl Metadata {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and one more. Names have 1 to 255 bytes, do not begin with `x-`, and are none of those that the wire
    /// contract or the broker gives a meaning to; others, and more than [`METADATA_BYTES_MAX`] bytes in all, are
    /// refused where they are sent ([`RejectReason`](crate::RejectReason)).
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(name, value);
        self
    }

    /// Adds one, as [`with`](Self::with) does, in place of another of that name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name.into(), value.into());
    }

    /// Takes one away, and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let texts = self.0.as_mut().filter(|texts| texts.contains_key(name))?;
        Arc::make_mut(texts).remove(name)
    }

    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.as_ref()?.get(name).map(String::as_str)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|texts| texts.iter()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether they can be sent.
    pub(crate) fn check(&self) -> Result<(), RejectReason> {
        let mut bytes = 0_usize;
        for (name, value) in self.iter() {
            if !wire::can_be_chosen(name) {
                return Err(HeaderError { name: name.to_owned() }.into());
            }
            bytes = bytes.saturating_add(name.len()).saturating_add(value.len());
        }
        let is_too_large = bytes > METADATA_BYTES_MAX;
        if is_too_large { Err(RejectReason::MetadataTooLarge { bytes, bytes_max: METADATA_BYTES_MAX }) } else { Ok(()) }
    }

    /// Writes them as headers. They were checked, or read.
    pub(crate) fn write(&self, headers: &mut FieldTable) {
        for (name, value) in self.iter() {
            let name = ShortString::try_new(name).expect("it was checked, or came as one");
            headers.insert(name, AMQPValue::LongString(value.into()));
        }
    }

    /// Those of a request: its headers that are texts, and not the contract's or the broker's.
    ///
    /// # Errors
    ///
    /// How many bytes they have, if too many.
    pub(crate) fn read(headers: &FieldTable) -> Result<Self, usize> {
        let texts = || headers.inner().iter().filter_map(|(name, value)| Some((chosen(name)?, amqp::text(value)?)));
        let bytes = texts().map(|(name, value)| name.len() + value.len()).sum();
        match bytes {
            0 => Ok(Self::new()),
            1..=METADATA_BYTES_MAX => {
                let texts = texts().map(|(name, value)| (name.to_owned(), value.to_owned()));
                Ok(Self(Some(Arc::new(texts.collect()))))
            }
            _ => Err(bytes),
        }
    }
}

/// A name, if a sender can choose it.
fn chosen(name: &ShortString) -> Option<&str> {
    Some(name.as_str()).filter(|name| wire::can_be_chosen(name))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_back_and_nothing_else_is() {
        let metadata = Metadata::new().with("token", "secret").with("empty", "").with("née", "☃");
        let mut headers = FieldTable::default();
        metadata.write(&mut headers);
        headers.insert("deadline-ms".into(), AMQPValue::LongString("1".into()));
        headers.insert("x-death".into(), AMQPValue::LongString("1".into()));
        headers.insert("".into(), AMQPValue::LongString("1".into()));
        headers.insert("number".into(), AMQPValue::LongInt(1));
        headers.insert("bytes".into(), AMQPValue::LongString([0xff].as_slice().into()));
        assert_eq!(Metadata::read(&headers), Ok(metadata));
        assert_eq!(Metadata::read(&FieldTable::default()), Ok(Metadata::new()));
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        for name in ["", "x-match", "credit", "CC", "deadline-ms", &"n".repeat(256)] {
            let refused = Metadata::new().with(name, "").check().unwrap_err();
            assert!(matches!(&refused, RejectReason::Header(error) if error.name == name), "{refused}");
        }
        let most = Metadata::new().with("n", "v".repeat(METADATA_BYTES_MAX - 1));
        assert!(most.check().is_ok());
        let refused = most.clone().with("m", "").check().unwrap_err();
        assert_eq!(refused.to_string(), "metadata takes at most 4096 bytes, not 4097");
        for (metadata, read) in [(most.clone(), Ok(most.clone())), (most.with("m", ""), Err(4097))] {
            let mut headers = FieldTable::default();
            metadata.write(&mut headers);
            assert_eq!(Metadata::read(&headers), read);
        }
    }

    #[test]
    fn no_value_is_shown_and_a_clone_is_another() {
        let mut metadata = Metadata::new().with("token", "secret");
        let clone = metadata.clone();
        assert_eq!(metadata.remove("token").as_deref(), Some("secret"));
        assert_eq!((metadata.get("token"), clone.get("token")), (None, Some("secret")));
        assert_eq!(format!("{clone:?}"), r#"{"token"}"#);
    }
}
