//! RPC over AMQP 0-9-1 (RabbitMQ): calls are typed, carry their deadline, and always end.
//!
//! A [`Method`] is a type: its name, its request, its reply. A [`Client`] calls it; a [`Service`] serves it. The name
//! is the queue, so that a second instance of a service takes half of the load without anybody being told.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use warren_rpc::{Client, ClientOptions, Context, Method, ServeOptions, Service, Status};
//!
//! struct Sum;
//!
//! impl Method for Sum {
//!     const NAME: &'static str = "calculator.sum";
//!     type Request = (i64, i64);
//!     type Reply = i64;
//! }
//!
//! async fn sum(_: Arc<()>, _: Context, (a, b): (i64, i64)) -> Result<i64, Status> {
//!     a.checked_add(b).ok_or_else(|| Status::invalid_argument("the sum does not fit 64 bits"))
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("amqp://localhost", ClientOptions::default()).await?;
//! let service = Service::new("calculator", "1.0.0", Arc::new(())).method::<Sum, _, _>(sum);
//! let running = service.serve(&client, ServeOptions::default()).await?;
//!
//! assert_eq!(client.call::<Sum>(&(2, 3)).await?, 5);
//!
//! running.shutdown().await;
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! # The contract
//!
//! - Every call ends, once: with a reply, a [`Status`], or a [`CallError`] that says what may have happened; never
//!   later than its deadline.
//! - A request is acked only after the broker has confirmed its reply. An instance that dies before that leaves its
//!   requests to another; what a second run would do, and so whether there is one, is the method's to say
//!   ([`Effect`]).
//! - Nothing grows without a limit: see [`ClientOptions`], [`ServeOptions`], [`OneWayRetries`] and
//!   [`Method::BODY_BYTES_MAX`].
//!
//! `docs/rpc.md` begins at the beginning: a first service and client, errors, retries, tests.
//!
//! # Reading order
//!
//! `method`, `status`, `metadata`, `error` and `exchange` are the words; `codec`, `trace` and `wire` say how they
//! travel; `amqp` alone knows the broker's flags and the connection's thread, `link` keeps a connection; `backoff`,
//! `deadline`, `pending`, `publisher` and `client` call and publish; `context`, `service` and `once` serve; `progress`
//! goes between them before a reply; `subscription` reads what is published.

#![deny(missing_docs)]

mod amqp;
mod backoff;
mod client;
mod codec;
mod context;
mod deadline;
mod error;
mod exchange;
#[cfg(test)]
mod fuzz;
mod link;
mod metadata;
mod method;
mod once;
mod pending;
mod progress;
mod publisher;
mod service;
mod status;
mod subscription;
mod trace;
mod wire;

pub use client::{
    CallOptions, CallService, Client, ClientOptions, ClientStats, EncodedCall, EncodedReply, NotifyOptions,
    ProgressiveCall, PublishOptions, RawMethod, RawProgressiveCall, ReconnectOptions, RetryPolicy, TlsIdentity,
    TlsOptions,
};
pub use codec::{Codec, DecodeError, EncodeError};
pub use context::Context;
pub use error::{
    BindingError, BrokerError, CallError, ConnectError, HeaderError, NameError, PublishError, RejectReason, ServeError,
    SubscribeError,
};
pub use exchange::{Binding, Body, Exchange, ExchangeKind, HEADERS_BYTES_MAX, HeaderValue, Headers};
pub use metadata::{METADATA_BYTES_MAX, Metadata};
pub use method::{BODY_BYTES_MAX, Effect, Event, Method, Progressive, QUEUE_LENGTH_MAX};
pub use once::{
    Begun, CallKey, Committed, MemoryReplyStore, MemoryReplyStoreOptions, MemoryTransaction, ReplyStore, STARTS_MAX,
    StoreError, StoredAnswer,
};
pub use progress::{PROGRESS_WINDOW_MAX, ProgressError, ProgressSendError};
pub use service::{
    HandlerService, IncomingCall, MethodOptions, OneWayRetries, ProgressSender, Running, ServeOptions, Service,
};
pub use status::{BadField, BadFields, Code, Detail, Details, MayHaveRun, Retry, RetryAfter, Status, UnknownCode};
pub use subscription::{Message, SubscribeOptions, Subscription};
pub use trace::TraceContext;

/// The examples of `docs/rpc.md` are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/rpc.md")]
mod page {}
