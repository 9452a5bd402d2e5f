//! Handlers that take longer than they may, or than the broker waits: row 16 of the table of faults.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use warren_rpc::{CallError, Code, Context, Effect, Method, ServeError, ServeOptions, Service, Status};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Careful, PATIENCE, broker, client, soon, stateless, within};

/// Must be quick.
struct Brief;

impl Method for Brief {
    const NAME: &'static str = "test.brief";
    const EFFECT: Effect = Effect::Repeatable;
    const HANDLING_MAX: Option<Duration> = Some(Duration::from_millis(200));
    type Request = u32;
    type Reply = String;
}

/// 1 never ends.
async fn unless_it_is_1<S>(_: Arc<S>, _: Context, number: u32) -> Result<String, Status> {
    if number == 1 {
        std::future::pending::<()>().await;
    }
    Ok(format!("done {number}"))
}

#[tokio::test]
async fn a_method_that_may_take_longer_than_the_broker_waits_is_refused_at_the_start() {
    let Some(broker) = broker("handling-max").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).method::<Brief, _, _>(unless_it_is_1);
    let within = |consumer_timeout| ServeOptions { consumer_timeout, ..ServeOptions::default() };
    let refused = service.serve(&client, within(Duration::from_millis(100))).await.unwrap_err();
    assert!(matches!(&refused, ServeError::HandlingTooLong { queue, .. } if queue == "test.brief"), "{refused}");
    let error = client.call::<Brief>(&2).await.unwrap_err();
    assert!(matches!(error, CallError::Unroutable { .. }), "nothing was declared: {error}");
    let _raised = service.serve(&client, within(Duration::from_millis(200))).await.unwrap();
    assert_eq!(client.call::<Brief>(&2).await.unwrap(), "done 2");
}

#[tokio::test]
async fn a_handler_that_takes_longer_than_it_may_is_dropped_and_its_caller_told() {
    let Some(broker) = broker("handling-too-long").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Brief, _, _>(unless_it_is_1)
        .method::<Careful, _, _>(unless_it_is_1);
    let options = ServeOptions { consumer_timeout: Duration::from_millis(300), ..ServeOptions::default() };
    let _running = service.serve(&client, options).await.unwrap();
    let error = soon("the call ends", client.call_with::<Brief>(&1, within(PATIENCE))).await.unwrap_err();
    assert_eq!(error.to_string(), "deadline_exceeded: the handler of test.brief took longer than 200ms");
    let error = soon("the call ends", client.call_with::<Careful>(&1, within(PATIENCE))).await.unwrap_err();
    assert_eq!(error.to_string(), "deadline_exceeded: the handler of test.careful took longer than 300ms");
    assert_eq!(client.call::<Brief>(&2).await.unwrap(), "done 2");
}

#[tokio::test]
async fn a_consumer_that_the_broker_ends_for_a_slow_handler_comes_back() {
    let options = OwnOptions { consumer_timeout: Some(Duration::from_secs(1)), ..OwnOptions::default() };
    let Some(broker) = own_broker(options).await else { return };
    if !broker.ends_slow_consumers() {
        return;
    }
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Careful, _, _>(
        |handled: Arc<AtomicU32>, context, number| async move {
            handled.fetch_add(1, Ordering::SeqCst);
            unless_it_is_1(handled, context, number).await
        },
    );
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let error = soon("the call ends", caller.call_with::<Careful>(&1, within(PATIENCE))).await.unwrap_err();
    let CallError::Status(status) = &error else { panic!("{error}") };
    assert_eq!(status.code, Code::Unavailable, "the broker gave the request out again: {error}");
    assert_eq!(soon("the next call", caller.call_with::<Careful>(&2, within(PATIENCE))).await.unwrap(), "done 2");
    assert_eq!(handled.load(Ordering::SeqCst), 2, "the slow one was not run again");
}
