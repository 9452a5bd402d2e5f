//! An AMQP 0-9-1 broker in the process, with RabbitMQ's manners: for development and tests. RabbitMQ is for production.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use warren_broker::{Broker, Options};
//!
//! let broker = Broker::start(Options::default()).await?; // any free port on 127.0.0.1
//! println!("{}", broker.url()); // amqp://guest:guest@127.0.0.1:24817/%2f
//! # Ok(())
//! # }
//! ```
//!
//! Any AMQP 0-9-1 client works; what is not there is refused as RabbitMQ refuses it: transactions (540), streams (an
//! unknown `x-queue-type`). Everything is kept in memory, and given back to the program's allocator as soon as it is
//! gone; whether that gives it back to the system is its own affair (glibc's keeps most of it until `malloc_trim`).
//!
//! TLS, and logins by certificate: [`Options::tls`].
//!
//! Faults happen on demand: connections are cut, frozen and delayed ([`Broker::cut`], [`Broker::freeze`],
//! [`Broker::delay`]), publishers blocked ([`Broker::block_publishers`]), deliveries and confirms dropped and repeated
//! ([`Broker::tamper_with_delivery`], [`Broker::tamper_with_confirm`], [`Broker::tamper_at_random`]), and the broker
//! restarted ([`Broker::restart`]).
//!
//! With [`Options::http`] it shows itself: a page, the part of RabbitMQ's management API that `rabbitmqadmin` lists by,
//! and Prometheus' metrics.
//!
//! Reading order, from the wire inwards: `wire` (bytes to commands), `connection` (`session`: what is said; `driver`:
//! moving bytes; over `tls` too), `vhost` (the state machine behind one lock), `exchange`, `queue` and `channel` (its
//! parts, pure), `outbox` (what is to be sent); beside it `http` (what there is to see), `fault` (what goes wrong on
//! demand). `README.md` says where what is added.
//!
//! Invariants:
//! - nothing but `connection::driver`, `tls`, `broker` and `http` does I/O;
//! - a vhost's lock comes before an outbox's, and nothing waits while it holds either;
//! - a message's body is copied once when its frame comes in and at most once when it goes out; its properties are
//!   decoded only where they are changed, or route it.

mod auth;
mod broker;
mod channel;
mod clock;
mod connection;
mod counters;
mod error;
mod exchange;
mod fault;
#[cfg(feature = "http")]
mod http;
mod message;
mod names;
mod options;
mod outbox;
mod queue;
mod tls;
mod vhost;
mod wire;

pub use broker::{Broker, Survives};
pub use connection::ConnectionId;
pub use connection::control::ConnectionInfo;
pub use error::StartError;
pub use fault::Tampering;
pub use options::{Options, Permissions, UserOptions};
pub use tls::TlsOptions;

/// The examples of `docs/broker.md` are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/broker.md")]
mod page {}
