#![expect(clippy::unwrap_used, reason = "tests")]

//! Grading with real parts: the example contest's files, and RabbitMQ.

mod grading {
    mod example_contest;
    mod service;
}
