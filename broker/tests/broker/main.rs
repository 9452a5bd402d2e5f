//! What a client sees of the broker. Every case of `conformance!` runs on the embedded broker and on a RabbitMQ with
//! the same code; what is meant to differ stands in `differences`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod arguments;
mod copies;
mod deaths;
mod delivery;
mod differences;
mod dying;
mod endings;
mod faults;
mod harness;
mod hostile;
#[cfg(feature = "http")]
mod http;
mod order;
mod paused;
mod publishing;
mod quorum;
mod raw;
mod refusals;
mod replies;
mod routing;
mod strict;
mod tls;
mod topology;
mod users;
mod wire;
