//! Where messages are published that are nobody's question: exchanges, what they choose queues by, and what binds one.

mod headers;

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

pub use self::headers::{HEADERS_BYTES_MAX, HeaderValue, Headers};
use crate::{
    amqp::{self, Bound},
    error::BindingError,
};

/// How an exchange chooses the queues that a message goes to (AMQP 0-9-1, section 3.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeKind {
    /// By the same routing key.
    Direct,
    /// By a pattern of words with dots between: `*` stands for one word, `#` for any number.
    Topic,
    /// Every queue that is bound.
    Fanout,
    /// By the message's headers.
    Headers,
}

impl fmt::Display for ExchangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Topic => "topic",
            Self::Fanout => "fanout",
            Self::Headers => "headers",
        })
    }
}

/// An exchange, and the type of what is published there. It is durable, and declared by whoever uses it first.
///
/// ```
/// use warren_rpc::Exchange;
///
/// /// Every change of a board; keys are like `spring.frozen`.
/// const BOARDS: Exchange<String> = Exchange::topic("contest.boards");
/// ```
pub struct Exchange<B> {
    name: Cow<'static, str>,
    kind: ExchangeKind,
    body: PhantomData<fn(B) -> B>,
}

impl<B> Exchange<B> {
    /// An exchange that chooses by the same routing key.
    #[must_use]
    pub const fn direct(name: &'static str) -> Self {
        Self::of(name, ExchangeKind::Direct)
    }

    /// An exchange that chooses by patterns of routing keys.
    #[must_use]
    pub const fn topic(name: &'static str) -> Self {
        Self::of(name, ExchangeKind::Topic)
    }

    /// An exchange that chooses every queue.
    #[must_use]
    pub const fn fanout(name: &'static str) -> Self {
        Self::of(name, ExchangeKind::Fanout)
    }

    /// An exchange that chooses by headers.
    #[must_use]
    pub const fn headers(name: &'static str) -> Self {
        Self::of(name, ExchangeKind::Headers)
    }

    const fn of(name: &'static str, kind: ExchangeKind) -> Self {
        Self { name: Cow::Borrowed(name), kind, body: PhantomData }
    }

    /// An exchange whose name is known only at run time: 1 to 255 bytes, or it is refused where it is used.
    #[must_use]
    pub fn named(name: impl Into<String>, kind: ExchangeKind) -> Self {
        Self { name: Cow::Owned(name.into()), kind, body: PhantomData }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ExchangeKind {
        self.kind
    }
}

impl<B> Clone for Exchange<B> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), kind: self.kind, body: PhantomData }
    }
}

impl<B> fmt::Debug for Exchange<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("name", &self.name).field("kind", &self.kind).finish()
    }
}

/// What can be published, and read by who subscribes: anything that serde can write and read back.
pub trait Body: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Body for T {}

/// Which messages of an exchange a queue wants. A text is a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding(By);

#[derive(Clone, Debug, PartialEq)]
enum By {
    Key(String),
    Everything,
    /// All of them, or any.
    Headers(Headers, bool),
}

impl Binding {
    /// Of a direct exchange, those with this key; of a topic exchange, those whose key is like it (`contest.*`).
    #[must_use]
    pub fn key(key: impl Into<String>) -> Self {
        Self(By::Key(key.into()))
    }

    /// Of a fanout, topic or headers exchange, every message. A direct one has no such binding.
    #[must_use]
    pub fn everything() -> Self {
        Self(By::Everything)
    }

    /// Of a headers exchange, messages that have all of these headers.
    #[must_use]
    pub fn all_of(headers: Headers) -> Self {
        Self(By::Headers(headers, true))
    }

    /// Of a headers exchange, messages that have one of these headers or more.
    #[must_use]
    pub fn any_of(headers: Headers) -> Self {
        Self(By::Headers(headers, false))
    }

    /// As AMQP has it.
    pub(crate) fn bound<B>(&self, exchange: &Exchange<B>) -> Result<Bound, BindingError> {
        let Exchange { name, kind, .. } = exchange;
        let (key, headers) = match (&self.0, kind) {
            (By::Key(key), ExchangeKind::Direct | ExchangeKind::Topic) => (key.as_str(), None),
            (By::Everything, ExchangeKind::Topic) => ("#", None),
            (By::Everything, ExchangeKind::Fanout) => ("", None),
            (By::Everything, ExchangeKind::Headers) => ("", Some((Headers::new(), true))),
            (By::Headers(headers, all), ExchangeKind::Headers) => ("", Some((headers.clone(), *all))),
            _ => return Err(BindingError::Kind { exchange: name.to_string(), kind: *kind }),
        };
        let exchange = amqp::name("exchange's name", name)?;
        let headers = headers.map(|(headers, all)| Ok::<_, BindingError>((headers.table()?, all))).transpose()?;
        Ok(Bound { exchange, kind: *kind, key: amqp::routing_key(key)?, headers })
    }
}

impl From<&str> for Binding {
    fn from(key: &str) -> Self {
        Self::key(key)
    }
}

impl From<String> for Binding {
    fn from(key: String) -> Self {
        Self::key(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_that_the_kind_does_not_know_is_refused_and_the_exchange_named() {
        let (direct, fanout) = (Exchange::<()>::direct("a.direct"), Exchange::<()>::fanout("a.fanout"));
        let (topic, headers) = (Exchange::<()>::topic("a.topic"), Exchange::<()>::headers("a.headers"));
        for (binding, exchange) in [
            (Binding::key("k"), &fanout),
            (Binding::key("k"), &headers),
            (Binding::everything(), &direct),
            (Binding::all_of(Headers::new()), &topic),
        ] {
            let error = binding.bound(exchange).unwrap_err();
            assert!(error.to_string().contains(exchange.name()), "{error}");
        }
        assert_eq!(Binding::everything().bound(&topic).unwrap().key.as_str(), "#");
        let nameless = Exchange::<()>::named("", ExchangeKind::Topic);
        assert!(matches!(Binding::key("k").bound(&nameless), Err(BindingError::Name(_))));
    }
}
