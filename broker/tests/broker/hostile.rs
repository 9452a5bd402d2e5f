//! Clients that break the rules, or break off: the embedded broker only.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use warren_broker::{Broker, Options};

use crate::harness::*;
use crate::raw::frame;

/// What opens a connection to `/` and channel 1, without waiting for a word.
fn opening() -> Vec<u8> {
    let mut bytes = b"AMQP\0\0\x09\x01".to_vec();
    let start =
        [&[0, 10, 0, 11, 0, 0, 0, 0, 5][..], b"PLAIN", &[0, 0, 0, 12], b"\0guest\0guest", &[5], b"en_US"].concat();
    bytes.extend(frame(1, 0, &start));
    bytes.extend(frame(1, 0, &[0, 10, 0, 31, 0, 10, 0, 0, 0x20, 0, 0, 0]));
    bytes.extend(frame(1, 0, &[0, 10, 0, 40, 1, b'/', 0, 0]));
    bytes.extend(frame(1, 1, &[0, 20, 0, 10, 0]));
    bytes
}

/// A method with fields that are anything.
fn any_method() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop_oneof![
        (Just(10u8), 0u8..80),
        (Just(20u8), 0u8..50),
        (Just(40u8), 0u8..60),
        (Just(50u8), 0u8..60),
        (Just(60u8), 0u8..130),
        (Just(85u8), 0u8..20),
        (Just(90u8), 0u8..40),
    ];
    (ids, 0u16..3, proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|((class, method), channel, fields)| {
        frame(1, channel, &[&[0, class, 0, method], &fields[..]].concat())
    })
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        4 => any_method(),
        1 => (0u8..10, 0u16..3, payload.clone()).prop_map(|(kind, channel, payload)| frame(kind, channel, &payload)),
        1 => payload,
    ]
}

/// Sends, says that nothing more comes, and reads to the end: the broker must end it.
async fn send_to_the_end(broker: &Broker, bytes: &[u8]) {
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    // The broker may have closed it already.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let _ = soon("the end", stream.read_to_end(&mut Vec::new())).await;
}

#[test]
fn no_bytes_break_it_or_leave_a_connection() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let broker = runtime.block_on(Broker::start(Options::default())).unwrap();
    let frames = proptest::collection::vec(anything(), 0..12);
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    runner
        .run(&frames, |frames| {
            let bytes = [opening(), frames.concat()].concat();
            runtime.block_on(send_to_the_end(&broker, &bytes));
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        eventually("their end", || async { broker.connections().is_empty() }).await;
        let connection =
            lapin::Connection::connect(&broker.url(), lapin::ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_connections_that_die_in_the_middle_leave_nothing() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut script = opening();
    // An exclusive queue of each connection's own, a consumer of it, and a message of which the end is missing.
    script.extend(frame(1, 1, &[0, 50, 0, 10, 0, 0, 0, 0b100, 0, 0, 0, 0]));
    script.extend(frame(1, 1, &[0, 60, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    script.extend(frame(1, 1, &[0, 60, 0, 40, 0, 0, 0, 1, b'q', 0]));
    script.extend(frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0]));
    for at in 0..1000 {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        stream.write_all(&script[..script.len() * (at % 100 + 1) / 100]).await.unwrap();
    }
    eventually("their end", || async { broker.connections().is_empty() }).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_no_more() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut deaf = TcpStream::connect(broker.address()).await.unwrap();
    let mut script = opening();
    script.extend(frame(1, 1, &[0, 50, 0, 10, 0, 0, 1, b'q', 0, 0, 0, 0, 0]));
    // Without acks, and so without a limit of its own.
    script.extend(frame(1, 1, &[0, 60, 0, 20, 0, 0, 1, b'q', 0, 0b10, 0, 0, 0, 0]));
    deaf.write_all(&script).await.unwrap();
    let connection = lapin::Connection::connect(&broker.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    confirms(&channel).await;
    let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    eventually("the consumer", || async {
        let asking = connection.create_channel().await.unwrap();
        let asked = asking.queue_declare("q".into(), passive, Default::default()).await;
        asked.is_ok_and(|queue| queue.consumer_count() == 1)
    })
    .await;
    let body = "x".repeat(100_000);
    for _ in 0..300 {
        publish(&channel, "q", &body).await;
    }
    // 30 MB are published; what the sockets and the outbox do not take stays in the queue.
    let waiting = ready(&channel, "q").await;
    assert!(waiting > 100, "{waiting}");
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    while total < 30_000_000 {
        let count =
            tokio::time::timeout(Duration::from_secs(10), deaf.read(&mut buffer)).await.expect("it goes on").unwrap();
        total += count;
    }
    eventually("an empty queue", || async { ready(&channel, "q").await == 0 }).await;
}

#[tokio::test]
async fn a_routing_key_need_not_be_text() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut stream = TcpStream::connect(broker.address()).await.unwrap();
    let mut script = opening();
    let publish = [&[0, 60, 0, 40, 0, 0, 0, 255][..], &[0xff; 255], &[1]].concat();
    script.extend(frame(1, 1, &publish));
    script.extend(frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    stream.write_all(&script).await.unwrap();
    // It is returned as it came.
    let mut answer = Vec::new();
    let returned = [&b"NO_ROUTE"[..], &[0, 255], &[0xff; 255]].concat();
    soon("the return", async {
        while !answer.windows(returned.len()).any(|window| window == returned) {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0);
        }
    })
    .await;
}
