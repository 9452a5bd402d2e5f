//! A connection: [`session`] is what it says, without I/O; [`driver`] moves its bytes, and [`delayed`] holds them back.

pub(crate) mod control;
mod delayed;
pub(crate) mod driver;
pub(crate) mod handshake;
mod phase;
pub(crate) mod session;

/// A connection, for as long as the broker lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(crate) u64);
