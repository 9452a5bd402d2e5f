//! What can be called and what can be told: one type a method, one type an event.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of a request or a reply, unless the method says otherwise: 1 MiB.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Most requests that wait in a method's queue, unless the method says otherwise.
pub const QUEUE_LENGTH_MAX: u32 = 1 << 16;

/// What a second run of the same call would do, so what may happen when nobody knows whether the first one did.
///
/// Whatever the effect, a client tries again after a status that says that nothing was done (`unavailable`,
/// `resource_exhausted`, `aborted`). A handler that returns one after it has done something adds the detail
/// [`MayHaveRun`](crate::MayHaveRun); so does one whose own call failed then, for `?` tells only of the other's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Something that must not happen twice, and nothing prevents it. The call is run once at most: if its connection
    /// is lost it ends [`CallError::ConnectionLost`](crate::CallError::ConnectionLost), and a request that an instance
    /// had and did not settle is answered `unavailable`, unrun.
    AtMostOnce,
    /// The same as one run: it reads, or it writes what is there already. Sent again, and run again, within the
    /// deadline.
    Repeatable,
    /// Nothing: the instances remember, in a store that they share, which calls they have answered.
    Once,
}

impl Effect {
    /// Whether a request may be sent again although an instance may have had it.
    #[must_use]
    pub fn may_repeat(self) -> bool {
        !matches!(self, Self::AtMostOnce)
    }
}

/// A remote procedure: its name, and what goes in and comes out.
///
/// The name is also the queue and the routing key, so that adding instances spreads the load by itself.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use warren_rpc::Method;
///
/// /// Adds two numbers.
/// struct Sum;
///
/// #[derive(Serialize, Deserialize)]
/// struct SumRequest {
///     a: i64,
///     b: i64,
/// }
///
/// impl Method for Sum {
///     const NAME: &'static str = "calculator.sum";
///     type Request = SumRequest;
///     type Reply = i64;
/// }
/// ```
pub trait Method: Send + Sync + 'static {
    /// The method, the queue and the routing key: `scoreboard.compute`. 1 to 248 bytes: the queue of its dead letters
    /// has a longer name, and so has the key of its cancels.
    /// (One of 249 or 250 is served, but its calls cannot be cancelled.)
    const NAME: &'static str;

    /// Most bytes of an encoded request or reply. A larger request is refused before it is published
    /// ([`CallError::Rejected`](crate::CallError::Rejected)); a larger reply becomes `resource_exhausted`.
    const BODY_BYTES_MAX: usize = BODY_BYTES_MAX;

    /// What a second run of the same call would do. Default: nobody knows, so there is none.
    const EFFECT: Effect = Effect::AtMostOnce;

    /// Whether requests survive the loss of a broker's node: the queue is a quorum queue, and requests are on disk on
    /// most nodes before they are confirmed. Slower. Default: false.
    ///
    /// The broker keeps to what a queue was first declared with: if this changes, or one of the next two, serving ends
    /// [`ServeError::Declare`](crate::ServeError::Declare) until the queue is deleted; for this one, `NAME.dead` too.
    const DURABLE: bool = false;

    /// The highest [`CallOptions::priority`](crate::CallOptions::priority) that counts, 255 at most; RabbitMQ advises
    /// ten or fewer. Without effect on a durable method: quorum queues differ there from version to version. A change
    /// needs the queue deleted first, as that of [`DURABLE`](Self::DURABLE). Default: 0, none.
    const PRIORITY_MAX: u8 = 0;

    /// Most requests that wait in the queue. One more ends
    /// [`RejectReason::Broker`](crate::RejectReason::Broker). A change needs the queue deleted first, as that of
    /// [`DURABLE`](Self::DURABLE). Default: 65,536.
    const QUEUE_LENGTH_MAX: u32 = QUEUE_LENGTH_MAX;

    /// Longest that a handler may take; then it is dropped, and its call ends `deadline_exceeded`, if the call's own
    /// deadline has not passed before. An instance refuses to serve what may take longer than
    /// [`ServeOptions::consumer_timeout`](crate::ServeOptions::consumer_timeout). Default: none, as long as that.
    const HANDLING_MAX: Option<Duration> = None;

    /// What goes in.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What comes out.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// A method whose handler says how far it is before it replies.
///
/// ```
/// # use warren_rpc::{Method, Progressive};
/// /// Counts to a number.
/// struct Count;
///
/// impl Method for Count {
///     const NAME: &'static str = "calculator.count";
///     type Request = u32;
///     type Reply = u32;
/// }
///
/// impl Progressive for Count {
///     type Progress = u32;
/// }
/// ```
pub trait Progressive: Method {
    /// What is said on the way. [`Method::BODY_BYTES_MAX`] counts for each item.
    type Progress: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Something that happened: published to the topic exchange `warren.events`, for whoever subscribes.
pub trait Event: Send + Sync + 'static {
    /// The routing key: `grading.judged`. 1 to 255 bytes; together with the name of a service that handles the event
    /// at most 246, for its queue is called `SERVICE.on.KEY`.
    const KEY: &'static str;

    /// What is told.
    type Body: Serialize + DeserializeOwned + Send + Sync + 'static;
}
