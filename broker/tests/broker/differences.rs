//! What is meant to differ from RabbitMQ 3.10, and nothing else. Each line names the case that allows for it.
//!
//! - Server properties: `product` is `warren-broker`.
//! - An unknown method: this broker answers 503, RabbitMQ cuts the connection (`wire::an_unknown_method_ends_the_connection`).
//! - A mechanism that is not offered: this broker says so (503), RabbitMQ cuts the connection
//!   (`tls::external_without_tls_is_not_offered`).
//! - Transactions: RabbitMQ has them, this broker answers `tx.select` with 540 (`refusals::transactions_are_refused`, embedded only).
