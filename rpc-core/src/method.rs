//! What can be called and what can be told: one type a method, one type an event.

use serde::{Serialize, de::DeserializeOwned};

/// Most bytes of a request or a reply, unless the method says otherwise: 1 MiB.
pub const BODY_BYTES_MAX: usize = 1 << 20;

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
    /// The method, the queue and the routing key: `scoreboard.compute`.
    const NAME: &'static str;

    /// Most bytes of an encoded request or reply. A larger request is refused before it is published
    /// ([`CallError::Rejected`](crate::CallError::Rejected)); a larger reply becomes `resource_exhausted`.
    const BODY_BYTES_MAX: usize = BODY_BYTES_MAX;

    /// What goes in.
    type Request: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What comes out.
    type Reply: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Something that happened: published to the topic exchange `warren.events`, for whoever subscribes.
pub trait Event: Send + Sync + 'static {
    /// The routing key: `grading.judged`.
    const KEY: &'static str;

    /// What is told.
    type Body: Serialize + DeserializeOwned + Send + Sync + 'static;
}
