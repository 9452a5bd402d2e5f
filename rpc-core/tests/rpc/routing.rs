//! Requests that no queue takes.

use std::time::{Duration, Instant};

use futures::future::join_all;
use lapin::options::QueueDeclareOptions;
use warren_rpc::{CallError, ServeOptions, Service};

use super::harness::{Nowhere, PATIENCE, Work, broker, client, eventually, foreign, ready, soon, stateless, within};

fn is_unroutable(error: &CallError) -> bool {
    matches!(error, CallError::Unroutable { method } if method == "test.nowhere")
}

#[tokio::test]
async fn a_call_of_a_method_that_nobody_declared_is_told_so_at_once() {
    let Some(broker) = broker("unroutable").await else { return };
    let client = client(&broker.url).await;
    let begun = Instant::now();
    let error = client.call::<Nowhere>(&1).await.unwrap_err();
    assert!(is_unroutable(&error), "{error}");
    assert_eq!(error.to_string(), "no service has declared test.nowhere");
    assert!(begun.elapsed() < Duration::from_secs(8), "a round trip, not the deadline of 10 s");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_concurrent_calls_half_of_them_unroutable_each_is_told_its_own_outcome() {
    let Some(broker) = broker("half-unroutable").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(|_, _, number: u32| async move { Ok(format!("reply {number}")) });
    let options = ServeOptions { prefetch: 64, ..ServeOptions::default() };
    let _running = service.serve(&client, options).await.unwrap();
    let calls = (0..10_000_u32).map(|number| {
        let client = client.clone();
        async move {
            if number % 2 == 0 {
                assert_eq!(
                    client.call_with::<Work>(&number, within(PATIENCE)).await.unwrap(),
                    format!("reply {number}")
                );
            } else {
                let error = client.call_with::<Nowhere>(&number, within(PATIENCE)).await.unwrap_err();
                assert!(is_unroutable(&error), "{error}");
            }
        }
    });
    join_all(calls).await;
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn a_queue_that_does_not_confirm_holds_back_no_news_of_others() {
    let Some(broker) = broker("head-of-line").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("test.work".into(), options, Default::default()).await.unwrap();
    broker.suspend_queue("test.work", 1).await;
    let stuck = tokio::spawn({
        let client = client.clone();
        async move { client.call_with::<Work>(&1, within(PATIENCE)).await }
    });
    eventually("the stuck call is on its way", || async { client.in_flight() == 1 }).await;
    for _ in 0..10 {
        let error = client.call_with::<Nowhere>(&1, within(PATIENCE)).await.unwrap_err();
        assert!(is_unroutable(&error), "{error}");
    }
    assert!(!stuck.is_finished());
    broker.resume_queue("test.work").await;
    eventually("its request arrives", || async { ready(&channel, "test.work").await == 1 }).await;
    stuck.abort();
}

/// Makes calls to a queue that does not confirm, and then some to another. So many of the first are written.
async fn calls_beside_a_queue_that_does_not_confirm(stuck_calls: u32, written: u32) {
    let Some(broker) = broker("stuck-queue").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("test.work".into(), options, Default::default()).await.unwrap();
    if !broker.suspend_queue("test.work", written).await {
        return;
    }
    let stuck = tokio::spawn({
        let client = client.clone();
        async move {
            let call = |number| {
                let client = client.clone();
                async move { client.call_with::<Work>(&number, within(2 * PATIENCE)).await }
            };
            join_all((0..stuck_calls).map(call)).await
        }
    });
    eventually("they are on their way", || async { client.in_flight() == stuck_calls as usize }).await;
    for _ in 0..10 {
        let error = soon("a call", client.call_with::<Nowhere>(&1, within(PATIENCE))).await.unwrap_err();
        assert!(is_unroutable(&error), "{error}");
    }
    assert!(!stuck.is_finished());
    broker.resume_queue("test.work").await;
    stuck.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_calls_to_a_queue_that_does_not_confirm_holds_back_no_call_to_another() {
    calls_beside_a_queue_that_does_not_confirm(300, 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_may_be_unconfirmed_to_one_queue_hold_back_no_call_to_another() {
    calls_beside_a_queue_that_does_not_confirm(3000, 1024).await;
}
