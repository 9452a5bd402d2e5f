use std::sync::Arc;

use serde::{Deserialize, Serialize};
use warren_rpc::{Context, Effect, Method, Service, Status};

/// Adds two numbers.
pub struct Sum;

#[derive(Debug, Serialize, Deserialize)]
pub struct SumRequest {
    pub a: i64,
    pub b: i64,
}

impl Method for Sum {
    const NAME: &'static str = "calculator.sum";
    const EFFECT: Effect = Effect::Repeatable; // it may run again: it changes nothing
    type Request = SumRequest;
    type Reply = i64;
}

async fn sum(_: Arc<()>, _: Context, SumRequest { a, b }: SumRequest) -> Result<i64, Status> {
    a.checked_add(b).ok_or_else(|| Status::invalid_argument("b: the sum does not fit 64 bits"))
}

/// The state that all calls share is yours: here there is none.
pub fn service() -> Service<()> {
    Service::new("calculator", "1.0.0", Arc::new(())).method::<Sum, _, _>(sum)
}
