//! What can be chosen of a client and of a call.

use std::time::Duration;

use crate::codec::Codec;

/// How a client connects, and what it holds at most.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Shown by the broker beside the connection, and sent as `app_id`. 1 to 255 bytes. Default: `warren`.
    pub name: String,
    /// How requests and events are written. Replies come in the same form. Default: msgpack.
    pub codec: Codec,
    /// Most calls unanswered at a time; one more ends [`CallError::Rejected`](crate::CallError::Rejected) at once.
    /// Default: 16,384.
    pub in_flight_max: usize,
    /// Longest the broker may take to accept the connection and open channels. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest the broker may take to confirm an event, so also how long one waits for a broker that blocks its
    /// publishers (it does when memory or disk run low); then the publish ends
    /// [`PublishError::TimedOut`](crate::PublishError::TimedOut). Default: 30 s.
    pub publish_timeout: Duration,
    /// A connection that is silent is noticed within 2.5 of these. Whole seconds, rounded up. Default: 10 s.
    pub heartbeat: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            name: "warren".to_owned(),
            codec: Codec::Msgpack,
            in_flight_max: 16_384,
            connect_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// How one call is made.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The call ends within this, with `deadline_exceeded` at the latest; the instance is told too. Default: 10 s.
    pub deadline: Duration,
    /// The idempotency key, 1 to 255 bytes. The same over every attempt at the same work; absent: a new UUIDv7.
    pub call_id: Option<String>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), call_id: None }
    }
}
