//! Requests that ask for no reply: accepted is kept, and everything else is told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use lapin::options::BasicGetOptions;
use tokio::sync::mpsc;
use warren_rpc::{
    Client, ClientOptions, Context, Method, NotifyOptions, PublishError, RejectReason, RetryPolicy, ServeOptions,
    Service, Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{
    Careful, Nowhere, PATIENCE, Small, Work, broker, client, eventually, foreign, ready, soon, stateless,
};

/// Has room for two.
struct Narrow;

impl Method for Narrow {
    const NAME: &'static str = "test.narrow";
    const QUEUE_LENGTH_MAX: u32 = 2;
    type Request = u32;
    type Reply = String;
}

type Told = mpsc::UnboundedSender<(String, u32)>;

async fn tell(told: Arc<Told>, context: Context, number: u32) -> Result<String, Status> {
    told.send((context.call_id().to_owned(), number)).unwrap();
    Ok("nobody reads this".to_owned())
}

/// Declares the queues of methods, and leaves them.
async fn declare(url: &str) {
    let done = |_, _, _| async { Ok(String::new()) };
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(done)
        .method::<Careful, _, _>(done)
        .method::<Narrow, _, _>(done);
    let client = client(url).await;
    service.serve(&client, ServeOptions::default()).await.unwrap().shutdown().await;
    client.close().await;
}

fn at_most(timeout: Duration) -> NotifyOptions {
    NotifyOptions { timeout: Some(timeout), ..NotifyOptions::default() }
}

#[tokio::test]
async fn what_is_accepted_outlives_the_broker_and_is_handled_under_its_id() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    let options = NotifyOptions { call_id: Some("my-id".to_owned()), ..NotifyOptions::default() };
    notifier.notify_with::<Work>(&7, options).await.unwrap();
    notifier.close().await;
    broker.restart().await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(tell);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("it is handled", told_rx.recv()).await, Some(("my-id".to_owned(), 7)));
    let channel = foreign(&broker.url).await;
    eventually("nothing is left", || async { ready(&channel, "test.work").await == 0 }).await;
}

#[tokio::test]
async fn a_method_that_nobody_declared_a_full_queue_and_a_large_body_are_told_apart() {
    let Some(broker) = broker("notify-errors").await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    let error = notifier.notify::<Nowhere>(&1).await.unwrap_err();
    assert!(matches!(&error, PublishError::Unroutable { routing_key, .. } if routing_key == "test.nowhere"), "{error}");
    for number in 0..2 {
        notifier.notify::<Narrow>(&number).await.unwrap();
    }
    let options = NotifyOptions { retry: RetryPolicy::never(), ..NotifyOptions::default() };
    let error = notifier.notify_with::<Narrow>(&2, options).await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::Broker)), "{error}");
    let error = notifier.notify::<Small>(&"x".repeat(2000)).await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::BodyTooLarge { .. })), "{error}");
}

#[tokio::test]
async fn a_full_queue_is_tried_again_until_there_is_room() {
    let Some(broker) = broker("notify-room").await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    for number in 0..2 {
        notifier.notify::<Narrow>(&number).await.unwrap();
    }
    let waiting = tokio::spawn(async move {
        let retry = RetryPolicy { attempts_max: 100, ..RetryPolicy::default() };
        notifier.notify_with::<Narrow>(&2, NotifyOptions { retry, ..at_most(PATIENCE) }).await
    });
    let channel = foreign(&broker.url).await;
    channel.basic_get("test.narrow".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    soon("it is accepted", waiting).await.unwrap().unwrap();
    assert_eq!(ready(&channel, "test.narrow").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_concurrent_notifies_each_is_told_its_own_outcome() {
    let Some(broker) = broker("notify-half").await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    let notifies = (0..2_000_u32).map(|number| {
        let notifier = notifier.clone();
        async move {
            if number % 2 == 0 {
                notifier.notify::<Work>(&number).await.unwrap();
            } else {
                let error = notifier.notify::<Nowhere>(&number).await.unwrap_err();
                assert!(matches!(error, PublishError::Unroutable { .. }), "{error}");
            }
        }
    });
    soon("all end", join_all(notifies)).await;
    assert_eq!(ready(&foreign(&broker.url).await, "test.work").await, 1_000);
}

/// What lies in a queue: ids by number.
async fn left(url: &str, queue: &str) -> BTreeMap<u32, Vec<String>> {
    let channel = foreign(url).await;
    let mut ids = BTreeMap::<_, Vec<_>>::new();
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        let id = message.properties.message_id().as_ref().unwrap().to_string();
        ids.entry(warren_rpc::Codec::Msgpack.decode(&message.data).unwrap()).or_default().push(id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn when_connections_are_cut_what_is_accepted_is_there_and_what_must_not_run_twice_is_there_once() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    let (cut_tx, _) = tokio::sync::broadcast::channel::<()>(1);
    let notify = |number: u32| {
        let (notifier, mut cut) = (notifier.clone(), cut_tx.subscribe());
        tokio::spawn(async move {
            if !number.is_multiple_of(4) {
                // About when connections are cut; an error says that it was more often by now.
                let _ = cut.recv().await;
            }
            let repeatable = notifier.notify_with::<Work>(&number, at_most(PATIENCE)).await;
            (number, repeatable, notifier.notify_with::<Careful>(&number, at_most(PATIENCE)).await)
        })
    };
    let notifies: Vec<_> = (0..400).map(notify).collect();
    for _ in 0..3 {
        let _ = cut_tx.send(());
        broker.cut_connections().await;
    }
    let outcomes = soon("all end", join_all(notifies)).await;
    let (work, careful) = (left(&broker.url, "test.work").await, left(&broker.url, "test.careful").await);
    for outcome in outcomes {
        let (number, repeatable, once) = outcome.unwrap();
        repeatable.unwrap();
        let mut ids = work[&number].clone();
        ids.dedup();
        assert_eq!(ids.len(), 1, "a repeat has the same id");
        match once {
            Ok(()) => assert_eq!(careful[&number].len(), 1),
            Err(PublishError::ConnectionLost { .. }) => assert!(careful.get(&number).is_none_or(|ids| ids.len() == 1)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn it_expires_only_if_asked_to() {
    let Some(broker) = broker("notify-expires").await else { return };
    declare(&broker.url).await;
    let notifier = client(&broker.url).await;
    notifier.notify::<Work>(&1).await.unwrap();
    let options = NotifyOptions { expires_after: Some(Duration::from_millis(1)), ..NotifyOptions::default() };
    notifier.notify_with::<Careful>(&2, options).await.unwrap();
    let channel = foreign(&broker.url).await;
    eventually("it expires", || async { ready(&channel, "test.careful").await == 0 }).await;
    let kept = channel.basic_get("test.work".into(), BasicGetOptions { no_ack: true }).await.unwrap().unwrap();
    assert_eq!((kept.properties.expiration(), *kept.properties.delivery_mode()), (&None, Some(2)));
}

#[tokio::test]
async fn without_a_broker_it_ends_in_time_and_says_that_nothing_happened() {
    let Some(mut broker) = own_broker(OwnOptions::default()).await else { return };
    let notifier = client(&broker.url).await;
    broker.kill().await;
    eventually("the loss is noticed", || async { !notifier.is_connected() }).await;
    let error = notifier.notify_with::<Work>(&1, at_most(Duration::from_millis(100))).await.unwrap_err();
    assert_eq!(error.to_string(), "no broker answered within 100ms");
}

#[tokio::test]
async fn a_one_way_request_that_may_have_run_and_must_not_again_is_kept_with_the_dead() {
    let Some(broker) = broker("notify-once").await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(begun)).method::<Careful, _, _>(
        |begun: Arc<mpsc::UnboundedSender<u32>>, _, number| async move {
            begun.send(number).unwrap();
            std::future::pending().await
        },
    );
    let running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    client(&broker.url).await.notify::<Careful>(&1).await.unwrap();
    soon("it begins", begun_rx.recv()).await.unwrap();
    drop(running);
    let _second = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let channel = foreign(&broker.url).await;
    eventually("it is kept", || async { ready(&channel, "test.careful.dead").await == 1 }).await;
    assert!(begun_rx.try_recv().is_err(), "it is not begun again");
}

#[tokio::test]
async fn a_blocked_broker_is_waited_for_and_told_in_time() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    declare(&broker.url).await;
    let timeout = Duration::from_millis(300);
    let options = ClientOptions { publish_timeout: timeout, ..ClientOptions::default() };
    let notifier = Client::connect(&broker.url, options).await.unwrap();
    broker.block_publishers().await;
    soon("the broker blocks", async { while notifier.notify::<Work>(&0).await.is_ok() {} }).await;
    eventually("the client is told", || async { notifier.blocked().is_some() }).await;
    let error = notifier.notify::<Work>(&1).await.unwrap_err();
    assert!(matches!(error, PublishError::Blocked { timeout: told, .. } if told == timeout), "{error}");
    let waiting = tokio::spawn({
        let notifier = notifier.clone();
        async move { notifier.notify_with::<Work>(&2, at_most(PATIENCE)).await }
    });
    broker.unblock_publishers().await;
    soon("it goes on", waiting).await.unwrap().unwrap();
    let left = left(&broker.url, "test.work").await;
    assert!(left.contains_key(&2) && !left.contains_key(&1), "{left:?}");
}
