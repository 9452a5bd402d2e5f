//! Requests that the broker itself gives up: their callers are told by it, even if every instance is dead.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicRejectOptions};
use warren_rpc::{CallError, CallOptions, Code, RetryPolicy, ServeOptions, Service, Status};

use super::harness::{Happened, PATIENCE, Work, broker, client, eventually, foreign, ready, soon, within};

async fn panic_or_not(handled: Arc<AtomicU32>, _: warren_rpc::Context, number: u32) -> Result<String, Status> {
    handled.fetch_add(1, Ordering::SeqCst);
    assert!(number != 13, "on purpose");
    Ok("done".to_owned())
}

#[tokio::test]
async fn a_request_whose_handler_panics_is_answered_and_kept_with_the_dead() {
    let Some(broker) = broker("dead-panic").await else { return };
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Work, _, _>(panic_or_not);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let error = soon("the call ends", caller.call::<Work>(&13)).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Internal), "{error}");
    assert_eq!(caller.call::<Work>(&1).await.unwrap(), "done");
    assert_eq!(handled.load(Ordering::SeqCst), 2, "it is not tried again");
    let channel = foreign(&broker.url).await;
    eventually("the request is kept", || async { ready(&channel, "test.work.dead").await == 1 }).await;
}

#[tokio::test]
async fn a_request_that_is_rejected_ends_its_call_at_once() {
    let Some(broker) = broker("dead-rejected").await else { return };
    let service =
        Service::new("test", "1.0.0", Arc::new(())).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    let server = client(&broker.url).await;
    // It declares the queue, and is gone.
    service.serve(&server, ServeOptions::default()).await.unwrap().shutdown().await;
    let caller = client(&broker.url).await;
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    let channel = foreign(&broker.url).await;
    let mut consumer = channel
        .basic_consume("test.work".into(), "".into(), BasicConsumeOptions::default(), Default::default())
        .await
        .unwrap();
    let request = soon("the request", consumer.next()).await.unwrap().unwrap();
    request.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let error = soon("the call ends", call).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "internal: test.work failed: the request is in test.work.dead");
}

#[tokio::test]
async fn a_status_that_says_that_nothing_was_done_is_tried_again_under_the_same_id() {
    let Some(broker) = broker("retried").await else { return };
    let (ids, mut ids_rx) = tokio::sync::mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(ids)).method::<Work, _, _>(
        |ids: Arc<tokio::sync::mpsc::UnboundedSender<String>>, context: warren_rpc::Context, refusals: u32| async move {
            ids.send(context.call_id().to_owned()).unwrap();
            if refusals > 0 { Err(Status::unavailable("not now")) } else { Ok("done".to_owned()) }
        },
    );
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let options = CallOptions { call_id: Some("once".to_owned()), ..within(PATIENCE) };
    let error = soon("it ends", caller.call_with::<Work>(&1, options.clone())).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: not now");
    for _ in 0..5 {
        assert_eq!(ids_rx.recv().await.unwrap(), "once");
    }
    let never = CallOptions { retry: RetryPolicy::never(), ..options };
    caller.call_with::<Work>(&1, never).await.unwrap_err();
    assert_eq!(ids_rx.recv().await.unwrap(), "once");
    assert!(ids_rx.try_recv().is_err(), "five attempts, and one");
}

#[tokio::test]
async fn an_event_that_is_given_up_is_kept_with_the_dead() {
    let Some(broker) = broker("dead-event").await else { return };
    let service = Service::new("test", "1.0.0", Arc::new(()))
        .on::<Happened, _, _>(|_, _, _| async { Err(Status::internal("it cannot be")) });
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    server.publish::<Happened>(&1).await.unwrap();
    let channel = foreign(&broker.url).await;
    eventually("the event is kept", || async { ready(&channel, "test.on.test.happened.dead").await == 1 }).await;
}
