//! The library on a broker: the embedded one, a broker for each test; or a RabbitMQ (`WARREN_RABBITMQ`), a vhost for
//! each test.
//!
//! `harness` and `logs` are what they share; each other module is one promise of the library.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod rpc {
    mod asking;
    mod balance;
    mod blocked;
    mod broken_connections;
    mod calls;
    mod cancels;
    mod clocks;
    mod cluster;
    mod dead_letters;
    mod deadlines;
    mod error_details;
    mod events;
    mod exchanges;
    mod foreign;
    mod half_open;
    mod harness;
    mod large_headers;
    mod layers;
    mod layers_once;
    mod lifecycle;
    mod limits;
    mod logs;
    mod metadata;
    mod notify;
    mod once;
    mod one_way_retries;
    mod overload;
    mod page;
    mod priorities;
    mod progress;
    mod progress_faults;
    mod python;
    mod reconnect;
    mod relay;
    mod routing;
    mod shutdown;
    mod slow_handlers;
    mod start_refused;
    mod subscriptions;
    mod tls;
    mod two_connections;
}
