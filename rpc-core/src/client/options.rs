//! What can be chosen of a client and of a call.

use std::{fmt, time::Duration};

use super::retry::RetryPolicy;
use crate::{backoff, codec::Codec, metadata::Metadata};

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
    /// Longest one broker may take to accept the connection and open channels; then the next address is tried.
    /// Default: 10 s.
    pub connect_timeout: Duration,
    /// How a connection that is lost is made again.
    pub reconnect: ReconnectOptions,
    /// Longest that `notify`, `publish` and `serving` take, unless their options say otherwise: waiting for a
    /// connection ([`NotConnected`](crate::PublishError::NotConnected)), for a broker that blocks publishers
    /// ([`Blocked`](crate::PublishError::Blocked)), and for its confirm
    /// ([`TimedOut`](crate::PublishError::TimedOut)). `serving` ends `unavailable`. Default: 30 s.
    pub publish_timeout: Duration,
    /// A connection that is silent is noticed within 2.5 of these. Whole seconds, rounded up. Default: 10 s.
    pub heartbeat: Duration,
    /// For addresses that begin with `amqps://`.
    pub tls: TlsOptions,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            name: "warren".to_owned(),
            codec: Codec::Msgpack,
            in_flight_max: 16_384,
            connect_timeout: Duration::from_secs(10),
            reconnect: ReconnectOptions::default(),
            publish_timeout: Duration::from_secs(30),
            heartbeat: Duration::from_secs(10),
            tls: TlsOptions::default(),
        }
    }
}

/// How what is lost is made again: the connection, or an instance's consumer.
///
/// The first attempt is made at once, unless what was lost was made less than `pause_max` before: then pauses go on to
/// double. With the defaults a broker is given up after nearly an hour and a half, on average.
#[derive(Clone, Copy, Debug)]
pub struct ReconnectOptions {
    /// Attempts in a row; after the last one there is none any more, and calls end
    /// [`RejectReason::Closed`](crate::RejectReason::Closed) at once. 0: none for the connection, one for a
    /// consumer. Default: 2,000.
    pub attempts_max: u32,
    /// The longest pause before the second attempt; each later one may be twice as long. The pause is a random part of
    /// it, so that those who lost a broker together do not come back together. Default: 100 ms.
    pub pause: Duration,
    /// The longest pause of all. Default: 5 s.
    pub pause_max: Duration,
}

impl Default for ReconnectOptions {
    fn default() -> Self {
        Self { attempts_max: 2_000, pause: Duration::from_millis(100), pause_max: Duration::from_secs(5) }
    }
}

impl ReconnectOptions {
    /// The pause before an attempt, counted from 0; `part` is random, from 0 to 1.
    pub(crate) fn pause_before(&self, attempt: u32, part: f64) -> Duration {
        if attempt == 0 { Duration::ZERO } else { backoff::doubled(self.pause, self.pause_max, attempt).mul_f64(part) }
    }
}

/// How a broker is trusted, and how a client proves itself to it.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Who signs brokers' certificates, in PEM, beside those whom the system trusts. Default: none.
    pub roots_pem: Option<String>,
    /// The client's own certificate. Without a password in the address, the client is known by it (EXTERNAL).
    /// Default: none.
    pub identity: Option<TlsIdentity>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The certificate, and those between it and the root, in PEM.
    pub certificates_pem: String,
    /// The private key (PKCS #8), in PEM. Never shown.
    pub key_pem: String,
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

/// How one call is made.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The call ends within this, whatever the error: most often it is `deadline_exceeded` then, but `unavailable` if
    /// there was no broker, and [`CallError::ConnectionLost`](crate::CallError::ConnectionLost) if an earlier attempt
    /// was lost. The instance is told the deadline too. A call of a handler ends with its own call's deadline, if that
    /// is earlier. Default: 10 s.
    pub deadline: Duration,
    /// The idempotency key, 1 to 255 bytes. The same over every attempt at the same work; absent: a new UUIDv7.
    pub call_id: Option<String>,
    /// Which request an instance takes first, if the method's queue has priorities; the highest first. Default: none,
    /// which counts as 0.
    pub priority: Option<u8>,
    /// Whether the call is tried again.
    pub retry: RetryPolicy,
    /// Ask the broker first whether an instance takes the method's requests now: if none does, the call ends
    /// `unavailable` at once, and is not tried again, where it would wait for one until its deadline. Advice only: an
    /// instance may come or go meanwhile. Costs three round trips. Default: false.
    pub ask_first: bool,
    /// Most progress messages of a [progressive call](crate::Client::call_progressive) that are on their way and
    /// unread; a handler that has more to say waits. 0 counts as 1, more than 1,024
    /// ([`PROGRESS_WINDOW_MAX`](crate::PROGRESS_WINDOW_MAX)) as that. Default: 16.
    pub progress_window: u32,
    /// Texts that travel beside the request, at most 4,096 bytes of them
    /// ([`METADATA_BYTES_MAX`](crate::METADATA_BYTES_MAX)); with more the call ends
    /// [`CallError::Rejected`](crate::CallError::Rejected). Default: none.
    pub metadata: Metadata,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            call_id: None,
            priority: None,
            retry: RetryPolicy::default(),
            ask_first: false,
            progress_window: 16,
            metadata: Metadata::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_random_parts_that_double_up_to_the_longest() {
        let options = ReconnectOptions::default();
        let pauses: Vec<_> = (0..9).map(|attempt| options.pause_before(attempt, 1.0).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(options.pause_before(3, 0.5).as_millis(), 200);
        assert_eq!(options.pause_before(u32::MAX, 1.0), options.pause_max);
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let options = ClientOptions::default();
        assert_eq!((options.in_flight_max, options.codec), (16_384, Codec::Msgpack));
        let seconds = [options.connect_timeout, options.publish_timeout, options.heartbeat].map(|time| time.as_secs());
        assert_eq!(seconds, [10, 30, 10]);
        assert_eq!(options.reconnect.attempts_max, 2_000);
        assert_eq!(CallOptions::default().deadline.as_secs(), 10);
        assert_eq!((CallOptions::default().progress_window, crate::PROGRESS_WINDOW_MAX), (16, 1024));
    }
}
