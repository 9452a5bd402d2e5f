//! Grading with real parts: the example contest's files, and RabbitMQ.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "grading/example_contest.rs"]
mod example_contest;
#[path = "grading/service.rs"]
mod service;
