//! A broker that blocks publishers, for want of memory (row 4 of the table of faults): nothing waits for ever, and what
//! was given up is not done later.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use lapin::options::BasicRejectOptions;
use tokio::sync::{Semaphore, mpsc};
use warren_rpc::{CallError, Client, ClientOptions, Code, PublishError, ServeOptions, Service};
use warren_testing::{OwnOptions, own_broker};

use super::{
    harness::{Happened, PATIENCE, Work, client, eventually, foreign, ready, soon, within},
    logs::Logs,
};

const TIMEOUT: Duration = Duration::from_millis(300);

/// Publishes events until one is not confirmed, for the broker takes what it reads before it blocks a connection; and
/// two more, of which the first may be with the AMQP library by then, which writes what it has.
async fn publish_until_blocked(publisher: &Client) {
    soon("the broker blocks", async {
        while publisher.publish::<Happened>(&0).await.is_ok() {}
        for _ in 0..2 {
            assert!(publisher.publish::<Happened>(&0).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn calls_and_events_end_in_time_and_what_was_given_up_is_not_published_later() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(handled))
        .on::<Happened, _, _>(|handled: Arc<mpsc::UnboundedSender<u32>>, _, number| async move {
            handled.send(number).unwrap();
            Ok(())
        })
        .method::<Work, _, _>(|handled, _, number| async move {
            handled.send(number).unwrap();
            Ok(String::new())
        });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let options = ClientOptions { publish_timeout: TIMEOUT, ..ClientOptions::default() };
    let publisher = Client::connect(&broker.url, options).await.unwrap();

    broker.block_publishers().await;
    publish_until_blocked(&publisher).await;
    let error = soon("the event", publisher.publish::<Happened>(&1)).await.unwrap_err();
    assert!(matches!(error, PublishError::Blocked { timeout: TIMEOUT, .. }), "{error}");
    assert!(error.to_string().starts_with("the broker blocks publishers, and did so for 300ms: "), "{error}");
    let error = soon("the call", publisher.call_with::<Work>(&2, within(TIMEOUT))).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Unavailable), "{error}");
    assert!(publisher.blocked().is_some());

    broker.unblock_publishers().await;
    eventually("the client is told", || async { publisher.blocked().is_none() }).await;
    let waiting = publisher.call_with::<Work>(&3, within(Duration::from_secs(30)));
    soon("a call after it", waiting).await.unwrap();
    soon("an event after it", async { while publisher.publish::<Happened>(&4).await.is_err() {} }).await;
    let mut handled = Vec::new();
    while !handled.contains(&3) || !handled.contains(&4) {
        handled.push(soon("what was published", handled_rx.recv()).await.unwrap());
    }
    assert!(!handled.contains(&1) && !handled.contains(&2), "{handled:?}");
}

#[tokio::test]
async fn a_blocked_caller_is_still_answered_and_its_new_calls_end_at_once() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let _logs = Logs::begin();
    let service =
        Service::new("test", "1.0.0", Arc::new(())).method::<Work, _, _>(|_, _, _| async { Ok(String::new()) });
    service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap().shutdown().await;
    let caller = client(&broker.url).await;
    let before = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&1, within(PATIENCE)).await }
    });
    let channel = foreign(&broker.url).await;
    let mut requests =
        channel.basic_consume("test.work".into(), "".into(), Default::default(), Default::default()).await.unwrap();
    let request = soon("the request", requests.next()).await.unwrap().unwrap();

    broker.block_publishers().await;
    eventually("the caller is told", || async {
        // The broker tells who publishes.
        let _ = caller.call_with::<Work>(&2, within(Duration::from_millis(50))).await;
        caller.blocked().is_some()
    })
    .await;
    assert_eq!(Logs::count("the broker blocks publishers"), 1);
    let asked = Instant::now();
    let error = caller.call_with::<Work>(&3, within(PATIENCE)).await.unwrap_err();
    assert!(error.to_string().starts_with("unavailable: the broker blocks publishers: "), "{error}");
    assert!(asked.elapsed() < PATIENCE / 2, "{:?}: at once, not at the deadline", asked.elapsed());

    // An instance could not publish its reply now; the broker's own word needs no publisher.
    request.acker.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let error = soon("the answer", before).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "internal: test.work failed: the request is in test.work.dead");
    assert!(caller.blocked().is_some(), "it came while the caller is blocked");
}

#[tokio::test]
async fn one_way_deliveries_are_acked_while_publishers_are_blocked() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let go = Arc::new(Semaphore::new(0));
    let service =
        Service::new("test", "1.0.0", Arc::clone(&go)).on::<Happened, _, _>(|go: Arc<Semaphore>, _, _| async move {
            go.acquire().await.unwrap().forget();
            Ok(())
        });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let options = ClientOptions { publish_timeout: TIMEOUT, ..ClientOptions::default() };
    let publisher = Client::connect(&broker.url, options).await.unwrap();
    for number in 0..5 {
        publisher.publish::<Happened>(&number).await.unwrap();
    }
    let channel = foreign(&broker.url).await;
    broker.block_publishers().await;
    publish_until_blocked(&publisher).await;
    // At prefetch 1 each is delivered only when the one before it is acked.
    go.add_permits(10_000);
    eventually("all are handled", || async { ready(&channel, "test.on.test.happened").await == 0 }).await;
    assert!(publisher.blocked().is_some(), "while publishers are blocked");
}
