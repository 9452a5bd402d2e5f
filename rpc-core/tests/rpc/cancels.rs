//! A caller that gives up, and what the handlers on its way are told: rows 7 and 23 of the table of faults.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};
use warren_rpc::{CallError, Context, ServeOptions, Service, Status};

use super::harness::{Outer, PATIENCE, Work, broker, client, eventually, foreign, ready, soon, stateless, within};

#[derive(Debug, PartialEq)]
enum Told {
    Begun(u32),
    Cancelled(u32),
}

/// Waits until it is cancelled.
async fn until_cancelled(
    told: Arc<mpsc::UnboundedSender<Told>>,
    context: Context,
    number: u32,
) -> Result<String, Status> {
    told.send(Told::Begun(number)).unwrap();
    context.cancellation().cancelled().await;
    told.send(Told::Cancelled(number)).unwrap();
    Err(Status::cancelled("as asked"))
}

#[tokio::test]
async fn a_dropped_call_cancels_its_handler_and_frees_it() {
    let Some(broker) = broker("cancel").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(until_cancelled);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    for number in 0..3 {
        let call = tokio::spawn({
            let caller = caller.clone();
            async move { caller.call_with::<Work>(&number, within(PATIENCE)).await }
        });
        assert_eq!(soon("it begins", told_rx.recv()).await, Some(Told::Begun(number)));
        call.abort();
        assert_eq!(soon("it is cancelled", told_rx.recv()).await, Some(Told::Cancelled(number)));
    }
    assert_eq!(caller.in_flight(), 0);
    let channel = foreign(&broker.url).await;
    eventually("nothing is left", || async { ready(&channel, "test.work").await == 0 }).await;
}

#[tokio::test]
async fn a_request_that_is_given_up_in_the_queue_is_never_begun() {
    let Some(broker) = broker("cancel-queued").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(until_cancelled);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let call = |number| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call_with::<Work>(&number, within(PATIENCE)).await })
    };
    let first = call(1);
    assert_eq!(soon("the first begins", told_rx.recv()).await, Some(Told::Begun(1)));
    let (second, channel) = (call(2), foreign(&broker.url).await);
    eventually("the second waits", || async { ready(&channel, "test.work").await == 1 }).await;
    second.abort();
    // Behind the second's cancel, on the same way.
    first.abort();
    assert_eq!(soon("the first is cancelled", told_rx.recv()).await, Some(Told::Cancelled(1)));
    let _third = call(3);
    assert_eq!(soon("the third begins", told_rx.recv()).await, Some(Told::Begun(3)), "and not the second");
}

#[tokio::test]
async fn a_handlers_calls_inherit_its_deadline_its_trace_and_its_cancellation() {
    let Some(broker) = broker("inherit").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told))
        .method::<Outer, _, _>(|_, context: Context, number| async move {
            context.client().call_with::<Work>(&number, within(PATIENCE)).await.map_err(|error| match error {
                CallError::Status(status) => status,
                other => Status::internal(other.to_string()),
            })
        })
        .method::<Work, _, _>(|told: Arc<mpsc::UnboundedSender<_>>, context: Context, _| async move {
            told.send((context.remaining(), context.trace().trace_id)).unwrap();
            context.cancellation().cancelled().await;
            told.send((Duration::ZERO, 0)).unwrap();
            Err(Status::cancelled("as asked"))
        });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let deadline = Duration::from_secs(20);
    let call = tokio::spawn({
        // A client that is dropped with its call closes the connection, and nobody is told.
        let caller = caller.clone();
        async move { caller.call_with::<Outer>(&1, within(deadline)).await }
    });
    let (remaining, trace_id) = soon("the inner one begins", told_rx.recv()).await.unwrap();
    assert!(
        remaining <= deadline && trace_id != 0,
        "{remaining:?}: what remains of the outer one's 20 s, not its own 30"
    );
    call.abort();
    assert_eq!(soon("the inner one is cancelled", told_rx.recv()).await.unwrap().0, Duration::ZERO);
}

#[tokio::test]
async fn a_call_that_waits_for_itself_ends_at_its_deadline_and_says_so() {
    let Some(broker) = broker("cycle").await else { return };
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Outer, _, _>(|_, context: Context, number| async move { ask::<Work>(&context, number).await })
        .method::<Work, _, _>(|_, context: Context, number| async move { ask::<Outer>(&context, number).await });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let error = soon("the call ends", caller.call_with::<Outer>(&1, within(Duration::from_secs(2)))).await.unwrap_err();
    let cycle = "it may wait for itself: test.outer > test.work > test.outer";
    assert!(error.to_string().ends_with(cycle), "{error}");
}

async fn ask<M: warren_rpc::Method<Request = u32, Reply = String>>(
    context: &Context,
    number: u32,
) -> Result<String, Status> {
    // A little earlier than its own caller gives up, so that the reason arrives.
    let deadline = context.remaining().saturating_sub(Duration::from_millis(500));
    context
        .client()
        .call_with::<M>(&number, within(deadline))
        .await
        .map_err(|error| Status::internal(error.to_string()))
}

#[tokio::test]
async fn another_method_always_goes_through() {
    let Some(broker) = broker("nested").await else { return };
    let service = Service::new("test", "1.0.0", Arc::new(Semaphore::new(1)))
        .method::<Outer, _, _>(|_, context: Context, number| async move { ask::<Work>(&context, number).await })
        .method::<Work, _, _>(|_, _, number| async move { Ok(number.to_string()) });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let calls = (0..20).map(|number| {
        let caller = caller.clone();
        async move { caller.call_with::<Outer>(&number, within(PATIENCE)).await.unwrap() }
    });
    let answers = soon("all are answered", futures::future::join_all(calls)).await;
    assert_eq!(answers, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_handler_that_fires_its_own_token_is_answered_all_the_same() {
    let Some(broker) = broker("own-token").await else { return };
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(async |_, context: Context, _| {
        let _what_it_spawned_stops = context.cancellation().clone().drop_guard();
        Ok("done".to_owned())
    });
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    assert_eq!(client.call_with::<Work>(&1, within(PATIENCE)).await.unwrap(), "done");
}
