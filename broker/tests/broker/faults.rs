//! Faults from code: the embedded broker only.

use std::time::{Duration, Instant};

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use warren_broker::{Broker, Options, Survives, Tampering};

use crate::harness::*;
use crate::raw::Raw;

async fn broker() -> (Broker, Connection, lapin::Channel) {
    let broker = Broker::start(Options::default()).await.unwrap();
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    declare_durable(&channel, "q", FieldTable::default()).await;
    (broker, connection, channel)
}

#[tokio::test]
async fn a_cut_connection_gives_back_what_it_held() {
    let (broker, _connection, channel) = broker().await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    let mut consumer = consume(&channel, "q").await;
    next(&mut consumer).await;
    let other = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let other = other.create_channel().await.unwrap();
    assert_eq!(ready(&other, "q").await, 0);
    broker.cut(broker.connections()[0].id).await;
    assert_eq!(counts(&other, "q").await, (1, 0));
    assert_eq!(broker.connections().len(), 1);
}

#[tokio::test]
async fn a_frozen_connection_says_nothing_until_it_is_thawed() {
    let (broker, _connection, channel) = broker().await;
    let id = broker.connections()[0].id;
    broker.freeze(id, true);
    let purge = channel.queue_purge("q".into(), QueuePurgeOptions::default());
    tokio::pin!(purge);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut purge).await.is_err());
    broker.freeze(id, false);
    soon("the answer", purge).await.unwrap();
}

#[tokio::test]
async fn a_delayed_connection_is_slow() {
    let (broker, _connection, channel) = broker().await;
    let id = broker.connections()[0].id;
    broker.delay(id, Duration::from_millis(50));
    let began = Instant::now();
    channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
    // Longer than anybody waits: whatever comes through after that is not delayed any more.
    broker.delay(id, PATIENCE * 10);
    let held = channel.queue_purge("q".into(), QueuePurgeOptions::default());
    tokio::pin!(held);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut held).await.is_err());
    broker.delay(id, Duration::ZERO);
    soon("what was held back", held).await.unwrap();
    soon("the next", channel.queue_purge("q".into(), QueuePurgeOptions::default())).await.unwrap();
}

#[tokio::test]
async fn as_much_comes_through_a_delayed_connection_as_before() {
    let (broker, _connection, channel) = broker().await;
    confirms(&channel).await;
    broker.delay(broker.connections()[0].id, Duration::from_secs(1));
    // By 64 KiB a second it would take a minute.
    let large = "x".repeat(4 << 20);
    publish(&channel, "q", &large).await;
    assert!(body(&get(&channel, "q").await) == large);
}

#[tokio::test]
async fn a_delayed_connection_is_given_large_messages_beside_confirms() {
    let (broker, _connection, channel) = broker().await;
    confirms(&channel).await;
    broker.delay(broker.connections()[0].id, Duration::from_millis(5));
    let mut consumer = consume(&channel, "q").await;
    for size in (1 << 20..).take(5) {
        let large = "x".repeat(size);
        let (confirm, delivery) = tokio::join!(publish(&channel, "q", &large), next(&mut consumer));
        assert!(is_ack(&confirm) && delivery.data.len() == size);
        publish(&channel, "q", "small").await;
        assert_eq!(body(&next(&mut consumer).await), "small");
    }
}

#[tokio::test]
async fn a_delayed_client_is_heard_to_its_end() {
    let target = Target::with(Options::default()).await;
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    let mut raw = Raw::open(&target, 10, 0).await;
    raw.open_channel(1).await;
    raw.method().await;
    target.broker().delay(target.broker().connections()[1].id, Duration::from_millis(100));
    raw.publish(1, "", "q", 0, &[0, 0], b"last words").await;
    drop(raw);
    assert_eq!(body(&get(&channel, "q").await), "last words");
}

#[tokio::test]
async fn a_dropped_delivery_comes_back_and_a_repeated_one_comes_twice() {
    let (broker, _connection, channel) = broker().await;
    broker.tamper_with_delivery("q", 1, Tampering::Drop);
    broker.tamper_with_delivery("q", 2, Tampering::Repeat);
    confirms(&channel).await;
    let mut consumer = consume(&channel, "q").await;
    publish(&channel, "q", "1").await;
    publish(&channel, "q", "2").await;
    let (first, second) = (next(&mut consumer).await, next(&mut consumer).await);
    assert_eq!((body(&first), body(&second)), ("2", "2"));
    assert_ne!(first.delivery_tag, second.delivery_tag);
    channel.close(200, "bye".into()).await.unwrap();
    let again = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let again = again.create_channel().await.unwrap();
    assert_eq!(body(&get(&again, "q").await), "1");
}

#[tokio::test]
async fn a_dropped_confirm_is_never_told() {
    let (broker, _connection, channel) = broker().await;
    confirms(&channel).await;
    broker.tamper_with_confirm(2, Tampering::Drop);
    let mut pending = Vec::new();
    for _ in 0..3 {
        let options = BasicPublishOptions::default();
        pending.push(
            channel.basic_publish("".into(), "q".into(), options, b"x", BasicProperties::default()).await.unwrap(),
        );
    }
    let [first, second, third] = <[_; 3]>::try_from(pending).unwrap();
    assert!(is_ack(&soon("a confirm", first).await.unwrap()));
    assert!(is_ack(&soon("a confirm", third).await.unwrap()));
    assert!(tokio::time::timeout(Duration::from_millis(50), second).await.is_err());
    assert_eq!(ready(&channel, "q").await, 3);
}

#[tokio::test]
async fn blocked_publishers_wait_and_consumers_do_not() {
    let (broker, connection, channel) = broker().await;
    confirms(&channel).await;
    publish(&channel, "q", "before").await;
    broker.block_publishers("low on memory");
    let confirm = channel
        .basic_publish("".into(), "q".into(), BasicPublishOptions::default(), b"blocked", BasicProperties::default())
        .await
        .unwrap();
    tokio::pin!(confirm);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut confirm).await.is_err());
    eventually("the word", || async { connection.status().blocked() }).await;
    let reader = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let reader = reader.create_channel().await.unwrap();
    assert_eq!(take(&reader, "q", 1).await, ["before"]);
    broker.unblock_publishers();
    assert!(is_ack(&soon("the confirm", confirm).await.unwrap()));
    assert_eq!(take(&reader, "q", 1).await, ["blocked"]);
}

#[tokio::test]
async fn a_restart_keeps_what_is_durable() {
    let (broker, _connection, channel) = broker().await;
    declare(&channel, "transient", FieldTable::default()).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "kept", BasicProperties::default().with_delivery_mode(2)).await;
    publish(&channel, "q", "lost").await;
    broker.restart(Survives::Durable, Duration::ZERO).await.unwrap();
    assert!(broker.connections().is_empty());
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    assert_eq!(ready(&channel, "q").await, 1);
    assert_eq!(take(&channel, "q", 1).await, ["kept"]);
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let gone = channel.queue_declare("transient".into(), options, FieldTable::default()).await;
    assert_eq!(refusal(gone).0, 404);
    broker.restart(Survives::Nothing, Duration::ZERO).await.unwrap();
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let gone = channel.queue_declare("q".into(), options, FieldTable::default()).await;
    assert_eq!(refusal(gone).0, 404);
}

#[tokio::test]
async fn what_a_restart_leaves_expires() {
    let (broker, _connection, channel) = broker().await;
    declare_durable(&channel, "dead", FieldTable::default()).await;
    let to_dead = [("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long("dead"))];
    declare_durable(&channel, "expiring", table(to_dead)).await;
    confirms(&channel).await;
    publish(&channel, "expiring", "transient, without an end").await;
    publish_with(&channel, "", "expiring", "kept", expiring("1000").with_delivery_mode(2)).await;
    broker.restart(Survives::Durable, Duration::ZERO).await.unwrap();
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    // Looking at the queue it waits in would let it expire.
    assert_eq!(take(&channel, "dead", 1).await, ["kept"]);
}
