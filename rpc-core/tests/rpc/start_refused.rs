//! An instance that cannot start, or stops by itself.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use warren_rpc::{CallError, Context, ServeError, ServeOptions, Service, Status};

use super::harness::{Outer, Work, broker, client, eventually, foreign, stateless};

async fn reply(_: Arc<()>, _: Context, number: u32) -> Result<String, Status> {
    Ok(number.to_string())
}

#[tokio::test]
async fn a_queue_that_exists_with_other_arguments_is_named_and_nothing_is_left_running() {
    let Some(broker) = broker("other-arguments").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let transient = QueueDeclareOptions::default();
    channel.queue_declare("test.outer".into(), transient, Default::default()).await.unwrap();
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(reply).method::<Outer, _, _>(reply);
    let error = service.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert!(matches!(&error, ServeError::Declare { queue, .. } if queue == "test.outer"), "{error}");
    assert!(error.to_string().contains("PRECONDITION_FAILED"), "{error}");

    let deleted =
        channel.queue_delete("test.work".into(), QueueDeleteOptions { if_unused: true, ..Default::default() });
    deleted.await.expect("the method that could be declared is not consumed any more");
    assert!(matches!(client.call::<Work>(&1).await, Err(CallError::Unroutable { .. })), "the client lives on");
}

#[tokio::test]
async fn a_method_that_is_served_twice_is_named() {
    let Some(broker) = broker("served-twice").await else { return };
    let client = client(&broker.url).await;
    let twice = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(reply).method::<Work, _, _>(reply);
    let error = twice.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "test.work is served twice by one service");
    assert!(matches!(client.call::<Work>(&1).await, Err(CallError::Unroutable { .. })), "nothing was declared");
}

/// Waits for a future until it was polled so often.
async fn polled<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context).map(Some);
        polls -= 1;
        if polls == 0 && polled.is_pending() { Poll::Ready(None) } else { polled }
    })
    .await
}

#[tokio::test]
async fn a_start_that_is_given_up_wherever_it_is_leaves_no_consumer() {
    let Some(broker) = broker("given-up").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(reply);
    let mut polls = 1;
    let running = loop {
        if let Some(served) = polled(service.serve(&client, ServeOptions::default()), polls).await {
            break served.unwrap();
        }
        polls += 1;
    };
    assert!(polls > 5, "{polls}");
    eventually("one consumer", async || client.serving::<Work>().await.unwrap() == 1).await;
    drop(running);
    eventually("no consumer", async || client.serving::<Work>().await.unwrap() == 0).await;
}
