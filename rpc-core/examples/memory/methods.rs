//! What is called.

use warren_rpc::Method;

/// Bytes in a request.
const BODY_BYTES: usize = 256;

/// Answered at once.
pub(crate) struct Echo;

impl Method for Echo {
    const NAME: &'static str = "example.memory.echo";
    type Request = String;
    type Reply = String;
}

/// Held until the instance is told to answer the burst, whose number is in the request.
pub(crate) struct Held;

impl Method for Held {
    const NAME: &'static str = "example.memory.held";
    type Request = (usize, String);
    type Reply = String;
}

pub(crate) fn text() -> String {
    "x".repeat(BODY_BYTES)
}
