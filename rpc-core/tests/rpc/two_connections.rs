//! One connection for calls and all that is published, and one more for what is consumed of exchanges.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::sync::{Semaphore, mpsc};
use warren_rpc::{
    Client, ClientOptions, Context, Exchange, OneWayRetries, PublishOptions, ServeOptions, Service, Status,
    SubscribeOptions,
};
use warren_testing::{OwnOptions, TestBroker, own_broker};

use super::harness::{Happened, PATIENCE, Work, broker, client, eventually, foreign, ready, soon, within};

const TOPIC: Exchange<u32> = Exchange::topic("test.topic");

async fn named_client(broker: &TestBroker, name: &str) -> Client {
    let options = ClientOptions { name: name.to_owned(), ..ClientOptions::default() };
    Client::connect(&broker.url, options).await.unwrap()
}

#[tokio::test]
async fn the_second_is_opened_when_it_is_used_and_closed_with_the_first() {
    let Some(broker) = broker("two").await else { return };
    let client = named_client(&broker, "first-and").await;
    let second = "first-and (subscriptions)";
    let service =
        Service::new("test", "1.0.0", Arc::new(())).method::<Work, _, _>(|_, _, _| async { Ok(String::new()) });
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    client.publish::<Happened>(&1).await.unwrap();
    assert!(!broker.is_connected(second).await, "nothing is consumed of an exchange");
    running.shutdown().await;
    let _subscription = client.subscribe(&TOPIC, ["#"], SubscribeOptions::default()).await.unwrap();
    assert!(broker.is_connected(second).await && client.is_connected());
    let clone = client.clone();
    soon("the close", client.close()).await;
    eventually("both are closed", || async { !broker.is_connected("first-and").await }).await;
    eventually("the second, too", || async { !broker.is_connected(second).await }).await;
    assert!(!clone.is_connected());
    soon("the clone is told", clone.ended()).await;
}

#[tokio::test]
async fn dropping_the_last_client_closes_both() {
    let Some(broker) = broker("two-dropped").await else { return };
    let client = named_client(&broker, "dropped-both").await;
    drop(client.subscribe(&TOPIC, ["#"], SubscribeOptions::default()).await.unwrap());
    assert!(broker.is_connected("dropped-both (subscriptions)").await);
    drop(client);
    for name in ["dropped-both", "dropped-both (subscriptions)"] {
        eventually("it is closed", || async { !broker.is_connected(name).await }).await;
    }
}

/// Publishes until the broker has blocked the client's first connection.
async fn block(broker: &TestBroker, client: &Client) {
    broker.block_publishers().await;
    eventually("the client is told", || async {
        let soon = PublishOptions { timeout: Some(Duration::from_millis(300)), ..PublishOptions::default() };
        let _ = client.publish_to(&TOPIC, "nobody", &0, soon).await;
        client.blocked().is_some()
    })
    .await;
}

/// Row 4 of the table of faults, where an instance publishes too: by one connection no ack would pass.
#[tokio::test]
async fn who_is_blocked_as_a_publisher_still_handles_and_acks_events() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let client = named_client(&broker, "blocked").await;
    let go = Arc::new(Semaphore::new(0));
    let service =
        Service::new("test", "1.0.0", Arc::clone(&go)).on::<Happened, _, _>(|go: Arc<Semaphore>, _, _| async move {
            go.acquire().await.unwrap().forget();
            Ok(())
        });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let named = SubscribeOptions { queue: Some("test.named".to_owned()), prefetch: 1, ..Default::default() };
    let mut subscription = client.subscribe(&TOPIC, ["k"], named).await.unwrap();
    for number in 0..5 {
        client.publish::<Happened>(&number).await.unwrap();
        client.publish_to(&TOPIC, "k", &number, Default::default()).await.unwrap();
    }
    let channel = foreign(&broker.url).await;
    block(&broker, &client).await;
    // At prefetch 1 each is delivered only when the one before it is acked.
    go.add_permits(5);
    for number in 0..5 {
        assert_eq!(soon("a message", subscription.next()).await.unwrap().ack(), number);
    }
    for queue in ["test.on.test.happened", "test.named"] {
        eventually("all are handled", || async { ready(&channel, queue).await == 0 }).await;
    }
    assert!(client.blocked().is_some(), "while the client is blocked");
    // Nothing is left unsettled: a queue that is deleted if it is empty counts what is not acked.
    subscription.close().await;
    eventually("all are acked", || async { ready(&channel, "test.named").await == 0 }).await;
}

#[tokio::test]
async fn an_event_that_is_refused_while_publishers_are_blocked_is_tried_again_after_it() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let client = named_client(&broker, "blocked-retry").await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let state = Arc::new((told, AtomicU32::new(0), Semaphore::new(0)));
    let retries = OneWayRetries { pause: Duration::from_millis(1), ..OneWayRetries::default() };
    let service = Service::new("test", "1.0.0", Arc::clone(&state)).one_way_retries(retries).on::<Happened, _, _>(
        |state: Arc<(mpsc::UnboundedSender<String>, AtomicU32, Semaphore)>, context: Context, _| async move {
            state.2.acquire().await.unwrap().forget();
            state.0.send(context.call_id().to_owned()).unwrap();
            if state.1.fetch_add(1, Ordering::SeqCst) == 0 { Err(Status::unavailable("not now")) } else { Ok(()) }
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    client.publish::<Happened>(&1).await.unwrap();
    block(&broker, &client).await;
    state.2.add_permits(1000);
    let id = soon("the first try", told_rx.recv()).await.unwrap();
    broker.unblock_publishers().await;
    assert_eq!(soon("the second try", told_rx.recv()).await, Some(id));
    let channel = foreign(&broker.url).await;
    eventually("it is done with", || async { ready(&channel, "test.on.test.happened").await == 0 }).await;
}

#[tokio::test]
async fn a_client_that_is_dropped_with_its_call_cancels_it_first() {
    let Some(broker) = broker("dropped-with-call").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(
        |told: Arc<mpsc::UnboundedSender<&'static str>>, context: Context, _| async move {
            told.send("begun").unwrap();
            context.cancellation().cancelled().await;
            told.send("cancelled").unwrap();
            Err(Status::cancelled("as asked"))
        },
    );
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    for _ in 0..20 {
        let caller = client(&broker.url).await;
        let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
        assert_eq!(soon("it begins", told_rx.recv()).await, Some("begun"));
        call.abort();
        assert_eq!(soon("it is cancelled", told_rx.recv()).await, Some("cancelled"));
    }
}

#[tokio::test]
async fn a_client_says_what_it_does_and_has_done() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let client = named_client(&broker, "stats").await;
    let service = Service::new("test", "1.0.0", Arc::new(AtomicU32::new(0))).method::<Work, _, _>(
        |tries: Arc<AtomicU32>, _, _| async move {
            if tries.fetch_add(1, Ordering::SeqCst) < 2 {
                Err(Status::unavailable("not now"))
            } else {
                Ok(String::new())
            }
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let _subscription = client.subscribe(&TOPIC, ["#"], SubscribeOptions::default()).await.unwrap();
    client.call_with::<Work>(&1, within(PATIENCE)).await.unwrap();
    let stats = client.stats();
    assert!(stats.is_connected && stats.blocked.is_none(), "{stats:?}");
    assert_eq!((stats.in_flight, stats.retries, stats.reconnects, stats.lost_replies), (0, 2, 0, 0));
    broker.cut_connections().await;
    eventually("both are made again", || async { client.stats().reconnects == 2 }).await;
    block(&broker, &client).await;
    assert!(client.stats().blocked.is_some());
}
