//! RPC over AMQP.
mod method;
mod status;
pub use method::{BODY_BYTES_MAX, Event, Method};
pub use status::{Code, Retry, Status, UnknownCode};
