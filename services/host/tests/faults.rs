//! Processes that are killed and stores that are gone, on a broker: the embedded one, or a RabbitMQ
//! (`WARREN_RABBITMQ`). `docs/faults.md` says which rows of the table of faults are here.
//!
//! `victim` is a program that is killed, or ends itself; `harness` is what the tests share with it.
#![allow(clippy::unwrap_used, reason = "tests, and what they share")]

mod faults {
    mod harness;
    mod killed;
    mod poison;
    mod starts;
    mod store_gone;
    mod victim;
}
