//! What can be chosen of an instance and of a method that it serves.

use std::time::Duration;

/// How an instance runs.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Most requests of a method that the instance holds unsettled (with 1: not answered), so how many of its handlers
    /// run at a time, unless the method says otherwise. 0 counts as 1. Default: 1, so that a free instance gets the
    /// next request.
    ///
    /// A request is settled when the broker has confirmed its reply. With a prefetch of 1, a method whose requests come
    /// fast has a second consumer, which gets the next one meanwhile: then up to two are unsettled, and at most one of
    /// them is not answered. An answered one is settled some 20 ms after its confirm at the latest. Not on quorum
    /// queues, and not for events.
    pub prefetch: u16,
    /// Longest a shutdown waits for handlers; what is left goes back to the queues. Default: 30 s.
    pub drain_timeout: Duration,
    /// How long the broker lets a consumer hold a delivery. RabbitMQ closes the channel of one that holds it longer
    /// than its own `consumer_timeout`, 30 min by default, which cannot be asked over AMQP: whoever changes it there
    /// changes it here, to somewhat less. So it is the longest that a handler may take, too; a method that says more
    /// ([`Method::HANDLING_MAX`](crate::Method::HANDLING_MAX)) is refused at the start. Default: 25 min.
    pub consumer_timeout: Duration,
    /// The instance's id, 1 to 255 bytes; absent: the service's name and six hexadecimal digits.
    pub instance: Option<String>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            prefetch: 1,
            drain_timeout: Duration::from_secs(30),
            consumer_timeout: Duration::from_secs(25 * 60),
            instance: None,
        }
    }
}

/// How one method is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct MethodOptions {
    /// In place of [`ServeOptions::prefetch`]. 0 counts as 1. Default: none, as that says.
    pub prefetch: Option<u16>,
}
