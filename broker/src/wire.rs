//! Bytes to commands and back. No I/O here.
//!
//! - [`frame`]: where a frame begins and ends;
//! - [`decoder`]: frames to [`decoder::Command`]s, contents assembled;
//! - `method`: methods through the codec;
//! - [`properties`]: what the broker needs of a property block, read in place;
//! - [`table`]: headers, changed by bytes;
//! - [`nesting`]: field tables, looked at before the codec recurses into them;
//! - [`encode`]: what the broker sends.
//!
//! Methods go through the codec of `amq-protocol`, except the two that come with every message (`basic.publish` and
//! `basic.ack`), which are read in place.

pub(crate) mod decoder;
pub(crate) mod encode;
pub(crate) mod frame;
mod method;
pub(crate) mod nesting;
pub(crate) mod properties;
pub(crate) mod table;
