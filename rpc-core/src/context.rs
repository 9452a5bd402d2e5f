//! What a handler knows of its request beside the body.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{client::Client, deadline, exchange::Headers, metadata::Metadata, trace::TraceContext, wire::Published};

/// What a handler knows of its request beside the body. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) call_id: Arc<str>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) cancellation: CancellationToken,
    pub(crate) client: Client,
    pub(crate) trace: TraceContext,
    pub(crate) instance: Arc<str>,
    pub(crate) redelivered: bool,
    pub(crate) metadata: Metadata,
    /// What its publisher said, if it was published to an exchange.
    pub(crate) published: Option<Arc<Published>>,
    /// What the instance waits for before it is shut down.
    pub(crate) unfinished: TaskTracker,
}

impl Context {
    /// The call's id: the same over every attempt at it, so it is the idempotency key. 1 to 255 bytes; a UUIDv7
    /// unless the caller chose another.
    #[must_use]
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// What remains until nobody waits for the reply; [`Duration::MAX`] without a deadline.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, deadline::remaining)
    }

    /// Fires when the caller gives the call up, and when the handler is over, however: it returned, it panicked, or its
    /// future was dropped because the deadline passed or the instance stops and will not wait longer. A handler that is
    /// cancelled may end early; what it returns then reaches nobody. What it spawned and shall outlive the reply must
    /// not listen to this.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }

    /// For the handler's own calls and events. Its calls end with the handler's deadline, are cancelled with it, and
    /// belong to its trace. With `?` what became of them is passed on to the handler's own caller.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use warren_rpc::{Context, Method, Service, Status};
    /// # struct Sum;
    /// # impl Method for Sum { const NAME: &'static str = "test.sum"; type Request = [u32; 2]; type Reply = u32; }
    /// # struct Mean;
    /// # impl Method for Mean { const NAME: &'static str = "test.mean"; type Request = [u32; 2]; type Reply = u32; }
    /// async fn mean(_: Arc<()>, context: Context, numbers: [u32; 2]) -> Result<u32, Status> {
    ///     let sum = context.client().call::<Sum>(&numbers).await?;
    ///     Ok(sum / 2)
    /// }
    ///
    /// let service = Service::new("statistics", "1.0.0", Arc::new(())).method::<Mean, _, _>(mean);
    /// ```
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The handler's place in its call's trace.
    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        &self.trace
    }

    /// The id of the instance that runs the handler: `runner-3fa9c1`.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// What travelled beside the request ([`CallOptions::metadata`](crate::CallOptions::metadata)), as the layers of
    /// the service left it; nothing if it was published to an exchange: that has [`headers`](Self::headers).
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The key that the message was published with; none if it is a request.
    #[must_use]
    pub fn routing_key(&self) -> Option<&str> {
        self.published.as_ref().map(|published| published.routing_key.as_str())
    }

    /// The headers that the message was published with; none if it is a request.
    #[must_use]
    pub fn headers(&self) -> Option<&Headers> {
        self.published.as_ref().map(|published| &published.headers)
    }

    /// Whether the request may have been handled before: an instance had it and did not settle it, or its handler
    /// returned a status and the message, a one-way one, is tried again.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.redelivered
    }
}
