//! Echo: what `warren bench` measures calls with. No service has it: the bench serves it itself.

use warren_rpc::{Effect, Method};

use crate::Blob;

/// Answers what it was asked.
#[derive(Debug)]
pub struct Echo;

impl Method for Echo {
    const NAME: &'static str = "bench.echo";
    type Request = Blob;
    type Reply = Blob;
}

/// [`Echo`] on a quorum queue, its reply kept in a store.
#[derive(Debug)]
pub struct EchoOnce;

impl Method for EchoOnce {
    const NAME: &'static str = "bench.echo_once";
    const EFFECT: Effect = Effect::Once;
    const DURABLE: bool = true;
    type Request = Blob;
    type Reply = Blob;
}
