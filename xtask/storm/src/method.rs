//! What is called.

use warren_rpc::{Effect, Method};

/// Has an effect, which is kept with the reply.
pub(crate) struct HaveEffect;

impl Method for HaveEffect {
    const NAME: &'static str = "storm.effect";
    const EFFECT: Effect = Effect::Once;
    const DURABLE: bool = true;
    type Request = u64;
    type Reply = u64;
}
