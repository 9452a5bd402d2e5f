//! Clients that are not read for a while: their heartbeats are not missed meanwhile. The embedded broker only.

use std::time::Duration;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic};
use lapin::types::FieldTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use warren_broker::Options;

use crate::harness::*;
use crate::raw::{Raw, frame};

/// More than two heartbeats of a second.
const LONG: Duration = Duration::from_millis(2_500);

async fn target() -> Target {
    // Rounded up to a second.
    Target::with(Options { heartbeat: Duration::from_millis(500), ..Options::default() }).await
}

/// Says nothing for [`LONG`], and is told nothing but heartbeats.
async fn keep_silent(raw: &mut Raw) {
    let end = Instant::now() + LONG;
    while let Ok(frame) = tokio::time::timeout_at(end, raw.frame()).await {
        assert!(matches!(frame, Some(AMQPFrame::Heartbeat)), "{frame:?}");
    }
}

/// A raw connection that has published to the queue `q` while publishers are blocked, and a channel beside it.
async fn blocked_publisher(target: &Target) -> (lapin::Channel, Raw) {
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    let mut raw = Raw::open(target, 10, 1).await;
    raw.open_channel(1).await;
    raw.method().await;
    target.broker().block_publishers("low on memory");
    raw.publish(1, "", "q", 0, &[0, 0], b"blocked").await;
    (channel, raw)
}

#[tokio::test]
async fn a_blocked_publisher_is_not_cut_however_long_it_waits() {
    let target = target().await;
    let (channel, mut raw) = blocked_publisher(&target).await;
    keep_silent(&mut raw).await;
    target.broker().unblock_publishers();
    assert_eq!(body(&get(&channel, "q").await), "blocked");
    let get = basic::Get { queue: "q".into(), no_ack: true };
    raw.send(1, AMQPClass::Basic(basic::AMQPMethod::Get(get))).await;
    assert!(matches!(raw.method().await, AMQPClass::Basic(basic::AMQPMethod::GetEmpty(_))));
}

#[tokio::test]
async fn a_silent_client_is_cut_once_it_is_read_again() {
    let target = target().await;
    let (_channel, mut raw) = blocked_publisher(&target).await;
    assert!(matches!(raw.frame().await, Some(AMQPFrame::Heartbeat)));
    target.broker().unblock_publishers();
    while raw.frame().await.is_some() {}
}

#[tokio::test]
async fn a_slow_reader_of_a_large_message_is_not_cut() {
    const BODY_BYTES: usize = 32 << 20;
    let target = target().await;
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    let mut raw = Raw::open(&target, 10, 1).await;
    raw.open_channel(1).await;
    raw.consume(1, "q").await;
    publish(&channel, "q", &"x".repeat(BODY_BYTES)).await;
    let mut beats = tokio::time::interval(Duration::from_millis(500));
    for _ in 0..=LONG.as_millis() / 500 {
        beats.tick().await;
        raw.stream.write_all(&frame(8, 0, &[])).await.unwrap();
    }
    let (mut buffer, mut read) = (vec![0; 1 << 20], 0);
    while read < BODY_BYTES {
        let more = soon("the rest", raw.stream.read(&mut buffer)).await.unwrap();
        assert!(more > 0, "it was cut after {read} bytes");
        read += more;
    }
}
