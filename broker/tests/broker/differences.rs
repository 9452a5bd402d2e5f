//! What a client is meant to see otherwise than on RabbitMQ 3.10, beside what is not there at all (`docs/broker.md`),
//! and nothing else. A line names the case that allows for it, where there is one; where RabbitMQ 4 differs from 3.10,
//! the cases ask `Target::is_4`.
//!
//! - Server properties: `product` is `warren-broker` (one test of amqplib's looks for `RabbitMQ`: `clients/node.rs`).
//! - A handshake out of order: RabbitMQ hangs up after three seconds. This broker hangs up at once, and from `tune-ok`
//!   on it says why (501 to 505; `order::a_handshake_out_of_order_ends`).
//! - A publish on a channel that is not open is refused (504) before its content; RabbitMQ collects it first
//!   (`wire::a_publish_on_a_channel_that_is_not_open_is_504`).
//! - An unknown method: this broker answers 503, RabbitMQ cuts the connection
//!   (`wire::an_unknown_method_ends_the_connection`).
//! - Transactions: RabbitMQ has them, this broker answers `tx.select` with 540 (`refusals::transactions_are_refused`,
//!   embedded only).
//! - Streams: this broker knows no such queue type (`refusals::streams_are_refused`, embedded only).
//! - A dead-letter routing key over 255 bytes is refused; RabbitMQ takes it, and then cannot send it to anybody
//!   (`refusals::a_dead_letter_key_that_cannot_be_sent_is_refused`, embedded only).
//! - Field tables nested deeper than 64 are refused as unreadable (the unit tests of `src/wire/nesting.rs`).
//! - A delivery that is never acked: RabbitMQ closes its channel after 30 minutes (`consumer_timeout`), this broker
//!   waits for ever.
//! - Publishers are blocked when a test says so, and never for want of memory or disk.
//! - Dead letters that are sent at least once wait in RabbitMQ for a route; here they are lost without one, as at most
//!   once.
