//! Headers that no frame holds: they are refused before they are sent, for a broker ends the connection over them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use warren_rpc::{
    Binding, Exchange, Headers, OneWayRetries, PublishError, PublishOptions, RejectReason, ServeOptions, Service,
    Status, SubscribeOptions,
};

use super::harness::{broker, client, eventually, foreign, ready, soon};

const LARGE: Exchange<u32> = Exchange::fanout("test.large-headers");

/// As large as a frame (131,072 bytes) holds without what another try adds.
const ALMOST_A_FRAME: usize = 131_000;

/// Publishes a message with a header of almost a frame, as a stranger may.
async fn publish_almost_a_frame(url: &str, exchange: &str) {
    let mut headers = FieldTable::default();
    headers.insert("h".into(), AMQPValue::LongString("x".repeat(ALMOST_A_FRAME).into()));
    let properties = BasicProperties::default().with_headers(headers);
    let channel = foreign(url).await;
    let published = channel.basic_publish(exchange.into(), "".into(), Default::default(), b"1", properties).await;
    published.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_publisher_is_told_and_its_connection_lives() {
    let Some(broker) = broker("large-headers").await else { return };
    let client = client(&broker.url).await;
    let with = |bytes: usize| PublishOptions {
        headers: Headers::new().with("h", "x".repeat(bytes)),
        ..PublishOptions::default()
    };
    let callback_queue = client.callback_queue();
    for bytes in [65_536, 200_000] {
        let error = client.publish_to(&LARGE, "", &1, with(bytes)).await.unwrap_err();
        assert!(matches!(&error, PublishError::Rejected(RejectReason::Header(error)) if error.name == "h"), "{error}");
    }
    client.publish_to(&LARGE, "", &1, with(65_000)).await.unwrap();
    assert_eq!(client.callback_queue(), callback_queue, "it is the same connection");
}

#[tokio::test]
async fn a_message_whose_headers_leave_no_room_for_another_try_is_kept_with_the_dead() {
    let Some(broker) = broker("large-headers-again").await else { return };
    let client = client(&broker.url).await;
    let tried = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&tried)).on_exchange(
        "large",
        &LARGE,
        [Binding::everything()],
        |tried: Arc<AtomicU32>, _, _| async move {
            tried.fetch_add(1, Ordering::SeqCst);
            Err(Status::unavailable("later"))
        },
    );
    let retries = OneWayRetries { pause: Duration::from_millis(10), ..OneWayRetries::default() };
    let service = service.one_way_retries(retries);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let callback_queue = client.callback_queue();
    publish_almost_a_frame(&broker.url, "test.large-headers").await;
    let channel = foreign(&broker.url).await;
    eventually("it is dead", || async { ready(&channel, "test.on.large.dead").await == 1 }).await;
    assert_eq!(tried.load(Ordering::SeqCst), 1);
    assert_eq!(client.callback_queue(), callback_queue, "it is the same connection");
}

#[tokio::test]
async fn a_subscriber_that_tries_such_a_message_again_is_told_and_it_is_gone() {
    let Some(broker) = broker("large-headers-read").await else { return };
    let client = client(&broker.url).await;
    let mut messages = client.subscribe(&LARGE, [Binding::everything()], SubscribeOptions::default()).await.unwrap();
    publish_almost_a_frame(&broker.url, "test.large-headers").await;
    let error = soon("it comes", messages.next()).await.unwrap().retry().await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::Header(_))), "{error}");
    client.publish_to(&LARGE, "", &2, PublishOptions::default()).await.unwrap();
    let next = soon("the next", messages.next()).await.unwrap();
    assert_eq!((next.body, next.redelivered), (2, false));
}
