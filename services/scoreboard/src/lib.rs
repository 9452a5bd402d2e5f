//! The scoreboard: what runs make of a contest.
//!
//! [`compute()`] is the whole of it, without state or I/O; the service around it keeps contests and the runs that
//! grading reports, and computes their boards afresh for every question.
//!
//! Reading order: `compute`, then `rules` (ICPC, points), `freeze`, `first_to_solve` and `rank`, each a rule on
//! its own; `validate` and `limits` say what is refused; `contest`, `store` and `service` are what stored contests
//! need.

mod compute;
mod contest;
mod first_to_solve;
mod freeze;
mod limits;
mod rank;
mod rules;
mod service;
mod store;
#[cfg(test)]
mod testing;
mod validate;

pub use compute::compute;
pub use service::{State, service};
