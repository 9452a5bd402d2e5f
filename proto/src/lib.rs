//! Every Warren service's methods and messages, and nothing else.
//!
//! One module a group of methods; in it one type a method (a [`Method`](warren_rpc::Method) or an
//! [`Event`](warren_rpc::Event)) beside its request and reply. A service serves one group or more:
//! [`registry`] says which. No behaviour lives here beyond reading and writing the values themselves.
//!
//! Reading order: [`calculator`] shows the form, [`problems`], [`contests`] and [`grading`] are what a contest site
//! calls, [`runner`] is what grading calls, [`scoreboard`] and [`certificates`] come after the verdict.
//! [`registry`] lists all methods with a line and an example each, for completion, help and near names.
//!
//! Conventions: requests refuse unknown fields by name, so a typing error is reported; replies and events allow them,
//! so that fields can be added. The exception is [`contests::Contest`], which is request and reply. Every limit that a
//! caller can meet stands with its field; a service refuses more with `invalid_argument`, naming the field. Instants
//! are `*_at_ms`, milliseconds since 1970 (UTC); spans are `*_ms`; sizes `*_bytes`.

pub mod bench;
pub mod blob;
pub mod calculator;
pub mod certificates;
pub mod contests;
pub mod decimal;
pub mod grading;
mod language;
pub mod problems;
pub mod registry;
pub mod runner;
pub mod scoreboard;
mod verdict;

pub use blob::Blob;
pub use decimal::Decimal;
