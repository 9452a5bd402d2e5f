//! Clients that were not written here, at their own work: their own tests and examples where they are packaged, and
//! programs that use them as their users do. Each runs on the embedded broker and on RabbitMQ, with the same code,
//! except where the broker cuts connections.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod node;
mod python;
mod rust;
mod stage;
