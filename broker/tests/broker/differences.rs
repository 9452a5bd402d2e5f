//! What is meant to differ from RabbitMQ 3.10, and nothing else. Each line names the case that allows for it.
//!
//! - Server properties: `product` is `warren-broker`.
//! - An unknown method: this broker answers 503, RabbitMQ cuts the connection (`wire::an_unknown_method_ends_the_connection`).
//! - Transactions: RabbitMQ has them, this broker answers `tx.select` with 540 (`refusals::transactions_are_refused`, embedded only).
