//! The service with real parts: its files as poppler reads them, and its methods over RabbitMQ.
#![allow(clippy::unwrap_used, reason = "tests")]

mod certificates {
    mod document;
    mod wire;
}
