//! A method that exists, and no instance of it runs: row 9 of the table of faults.

use std::time::{Duration, Instant};

use futures::FutureExt;
use warren_rpc::{CallError, CallOptions, ServeOptions, Service};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Nowhere, PATIENCE, Work, broker, client, soon, stateless, within};

#[tokio::test]
async fn a_caller_that_asks_first_is_told_at_once_that_no_instance_runs() {
    let Some(broker) = broker("ask-first").await else { return };
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let asking = CallOptions { ask_first: true, ..within(PATIENCE) };
    let running = service.serve(&server, ServeOptions::default()).await.unwrap();
    assert_eq!(caller.call_with::<Work>(&1, asking.clone()).await.unwrap(), "done");
    assert_eq!(caller.serving::<Work>().await.unwrap(), 1);

    running.shutdown().await;
    assert_eq!(caller.serving::<Work>().await.unwrap(), 0);
    let error = caller.serving::<Nowhere>().await.unwrap_err();
    assert!(matches!(&error, CallError::Unroutable { method } if method == "test.nowhere"), "{error}");
    let begun = Instant::now();
    let error = caller.call_with::<Work>(&2, asking.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: no instance of test.work runs");
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}: at once, not at the deadline", begun.elapsed());

    let error = caller.call_with::<Nowhere>(&3, asking.clone()).await.unwrap_err();
    assert!(matches!(&error, CallError::Unroutable { method } if method == "test.nowhere"), "{error}");

    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("a call after it", caller.call_with::<Work>(&4, asking)).await.unwrap(), "done");
}

#[tokio::test]
async fn a_caller_that_does_not_ask_waits_for_an_instance_to_come() {
    let Some(broker) = broker("ask-not").await else { return };
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    service.serve(&server, ServeOptions::default()).await.unwrap().shutdown().await;
    let waiting = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    tokio::time::timeout(Duration::from_millis(100), async {
        while !waiting.is_finished() {
            tokio::task::yield_now().await
        }
    })
    .await
    .expect_err("it waits");
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("the reply", waiting).await.unwrap().unwrap(), "done");
}

#[tokio::test]
async fn a_caller_that_asks_while_the_connection_is_lost_asks_on_the_next_one() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    let server = client(&broker.url).await;
    service.serve(&server, ServeOptions::default()).await.unwrap().shutdown().await;
    let caller = client(&broker.url).await;
    let mut asking = Box::pin(caller.serving::<Work>());
    assert!(asking.as_mut().now_or_never().is_none(), "it asks");
    broker.cut_connections().await;
    assert_eq!(soon("the answer", asking).await.unwrap(), 0);
}
