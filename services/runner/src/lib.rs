//! The service `runner`: compiles submissions, runs them on a problem's cases in a sandbox, and judges what they print.
//!
//! It holds no state but a cache of packages, so any number of instances can run, on machines that have nothing else.
//! Code that nobody trusts runs in the sandbox or not at all: without a working one the service does not start.
//!
//! A submission that is lost with its runner is not tried by the next one: that answers `aborted`, and grading counts.
//!
//! Reading order: [`service()`] is what a program serves, [`judge`] takes one submission from source to verdict,
//! `language` knows the compilers, `validator` compares output, [`sandbox`] contains and measures, `cache` fetches and
//! keeps packages.

mod cache;
pub mod judge;
mod language;
pub mod sandbox;
mod service;
mod validator;

pub use service::{Options, Runner, StartError, missing_packages, service};
