//! Connections that end, and what becomes of what they held: it is given back once, and to nobody who goes as well. The
//! embedded broker only.

use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, basic, connection, queue};
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, Consumer};
use tokio::io::AsyncWriteExt;
use warren_broker::{Options, Survives};

use crate::harness::*;
use crate::raw::{Raw, frame};

async fn target() -> Target {
    Target::with(Options::default()).await
}

/// A durable quorum queue `q` that lets a message be lost once, with persistent messages.
async fn filled(channel: &Channel, count: usize) {
    let arguments = [("x-queue-type", long("quorum")), ("x-delivery-limit", int(1))];
    declare_durable(channel, "q", table(arguments)).await;
    confirms(channel).await;
    publish_all(channel, count).await;
}

async fn publish_all(channel: &Channel, count: usize) {
    for number in 0..count {
        let properties = BasicProperties::default().with_delivery_mode(2);
        publish_with(channel, "", "q", &number.to_string(), properties).await;
    }
}

/// Two consumers on each connection, that could take more than the `count` messages of `q` that they have in flight.
async fn in_flight(publisher: &Channel, connections: &[Connection], count: usize) -> Vec<(Channel, Consumer)> {
    let mut held = Vec::new();
    for connection in connections.iter().chain(connections) {
        held.push(holding(connection, 0).await);
    }
    publish_all(publisher, count).await;
    for (_, consumer) in &mut held {
        for _ in 0..count / (2 * connections.len()) {
            next(consumer).await;
        }
    }
    held
}

/// A channel that has `prefetch` messages of `q` in flight.
async fn holding(connection: &Connection, prefetch: u16) -> (Channel, Consumer) {
    let channel = connection.create_channel().await.unwrap();
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, "q").await;
    for _ in 0..prefetch {
        next(&mut consumer).await;
    }
    (channel, consumer)
}

#[tokio::test]
async fn what_a_cut_connection_held_does_not_go_through_its_other_channels() {
    let target = target().await;
    let other = target.channel().await;
    filled(&other, 0).await;
    let connections = [target.connect().await];
    let _held = in_flight(&other, &connections, 4).await;
    target.broker().cut(target.broker().connections()[1].id).await;
    assert_eq!(ready(&other, "q").await, 4);
    assert_eq!(take(&other, "q", 4).await.len(), 4);
}

#[tokio::test]
async fn what_a_cut_connection_held_is_not_swallowed_by_its_consumer_without_acks() {
    let target = target().await;
    let other = target.channel().await;
    filled(&other, 3).await;
    let connection = target.connect().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(holding(&connection, 1).await);
    }
    let (mut channels, mut consumers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let channel = connection.create_channel().await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        consumers.push(consume_with(&channel, "q", "", options, FieldTable::default()).await);
        channels.push(channel);
    }
    target.broker().cut(target.broker().connections()[1].id).await;
    assert_eq!(ready(&other, "q").await, 3);
}

#[tokio::test]
async fn a_restart_counts_what_was_in_flight_as_delivered_once() {
    let target = target().await;
    let channel = target.channel().await;
    filled(&channel, 0).await;
    let connections = [target.connect().await, target.connect().await, target.connect().await];
    let _held = in_flight(&channel, &connections, 30).await;
    assert_eq!(ready(&channel, "q").await, 0);
    target.broker().restart(Survives::Durable, Duration::ZERO).await.unwrap();
    let channel = target.channel().await;
    assert_eq!(ready(&channel, "q").await, 30);
    let mut again = consume(&channel, "q").await;
    for _ in 0..30 {
        next(&mut again).await.ack(BasicAckOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_is_being_closed_holds_nothing() {
    let target = target().await;
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    let mut raw = Raw::open(&target, 10, 0).await;
    raw.open_channel(1).await;
    raw.consume(1, "q").await;
    let declare = queue::Declare {
        queue: "mine".into(),
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: false,
        nowait: false,
        arguments: FieldTable::default(),
    };
    raw.send(1, AMQPClass::Queue(queue::AMQPMethod::Declare(declare))).await;
    raw.method().await;
    // No such method: the broker closes the connection, and this client does not answer.
    raw.stream.write_all(&frame(1, 1, &[0, 60, 0, 200])).await.unwrap();
    assert!(matches!(raw.method().await, AMQPClass::Connection(connection::AMQPMethod::Close(_))));
    assert_eq!(target.broker().connections().len(), 2);
    assert_eq!(counts(&channel, "q").await, (0, 0));
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("mine".into(), exclusive, FieldTable::default()).await.unwrap();
}

#[tokio::test]
async fn a_publisher_that_is_blocked_can_answer_that_it_has_to_go() {
    let target = target().await;
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    let mut raw = Raw::open(&target, 10, 0).await;
    raw.open_channel(1).await;
    raw.method().await;
    target.broker().block_publishers("low on memory");
    raw.publish(1, "", "q", 0, &[0, 0], b"blocked").await;
    let get = basic::Get { queue: "q".into(), no_ack: true };
    raw.send(1, AMQPClass::Basic(basic::AMQPMethod::Get(get))).await;
    let (restarted, (code, _)) =
        tokio::join!(target.broker().restart(Survives::Durable, Duration::ZERO), raw.close_code());
    restarted.unwrap();
    assert_eq!(code, 320);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_without_a_pause_comes_back_to_its_port() {
    let target = target().await;
    for _ in 0..50 {
        target.broker().restart(Survives::Nothing, Duration::ZERO).await.unwrap();
    }
    target.channel().await;
}

#[tokio::test]
async fn without_the_usual_vhost_the_url_names_the_first() {
    let vhosts = vec!["a b".to_owned(), "c".to_owned()];
    let target = Target::with(Options { vhosts, ..Options::default() }).await;
    assert!(target.url.ends_with("/a%20b"), "{}", target.url);
    target.channel().await;
}

#[tokio::test]
async fn an_outbox_without_room_still_passes_one_message_at_a_time() {
    let target = Target::with(Options { outbox_bytes_max: 0, ..Options::default() }).await;
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    let mut consumer = consume(&channel, "q").await;
    for text in ["1", "2", "3"] {
        publish(&channel, "q", text).await;
        assert_eq!(body(&next(&mut consumer).await), text);
    }
}
