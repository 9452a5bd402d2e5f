//! More requests than instances take: row 15 of the table of faults, at the broker. At the caller: `limits`.

use std::sync::Arc;

use tokio::sync::Semaphore;
use warren_rpc::{CallError, CallOptions, Effect, Method, RejectReason, RetryPolicy, ServeOptions, Service};

use super::harness::{PATIENCE, broker, client, eventually, foreign, ready, soon, within};

/// Two requests may wait for it.
struct Narrow;

impl Method for Narrow {
    const NAME: &'static str = "test.narrow";
    const EFFECT: Effect = Effect::Repeatable;
    const QUEUE_LENGTH_MAX: u32 = 2;
    type Request = u32;
    type Reply = u32;
}

#[tokio::test]
async fn one_request_more_than_may_wait_is_refused_by_the_broker_and_may_be_tried_again() {
    let Some(broker) = broker("overload").await else { return };
    let go = Arc::new(Semaphore::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&go)).method::<Narrow, _, _>(
        |go: Arc<Semaphore>, _, number| async move {
            go.acquire().await.unwrap().forget();
            Ok(number)
        },
    );
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let (caller, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let call = |number, retry| {
        let caller = caller.clone();
        let options = CallOptions { retry, ..within(PATIENCE) };
        tokio::spawn(async move { caller.call_with::<Narrow>(&number, options).await })
    };
    let mut accepted = Vec::new();
    for (number, waiting) in [(0, 0), (1, 1), (2, 2)] {
        accepted.push(call(number, RetryPolicy::never()));
        // With the instance, or behind it.
        eventually("it is where it belongs", || async {
            caller.in_flight() == accepted.len() && ready(&channel, "test.narrow").await == waiting
        })
        .await;
    }
    let refused = soon("one more", call(3, RetryPolicy::never())).await.unwrap();
    assert!(matches!(refused, Err(CallError::Rejected(RejectReason::Broker))), "{refused:?}");

    // Far more often than its pauses are long.
    let patient = RetryPolicy { attempts_max: 50, ..RetryPolicy::default() };
    let retried = call(4, patient);
    go.add_permits(4);
    assert_eq!(soon("the one that is tried again", retried).await.unwrap().unwrap(), 4);
    for (number, call) in (0..).zip(accepted) {
        assert_eq!(soon("what was accepted", call).await.unwrap().unwrap(), number);
    }
}
