//! Messages that end otherwise than by an ack: time, limits, rejection; and priorities, which decide who waits.

use std::time::Duration;

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::harness::*;

conformance!(
    a_message_expires_by_its_own_time,
    a_message_expires_by_its_queues_time,
    a_time_of_nothing_still_reaches_a_consumer,
    a_rejected_message_is_dead_lettered_with_its_history,
    an_expired_message_is_dead_lettered_without_its_expiration,
    the_oldest_goes_when_a_queue_is_full,
    a_queue_is_full_by_bytes,
    a_full_queue_may_dead_letter_what_it_rejects,
    deaths_are_counted,
    a_circle_of_expiry_ends,
    priorities_decide_the_order,
    a_quorum_queue_counts_deliveries,
    a_quorum_queue_gives_up_after_its_limit,
);

async fn with_dead_letters(target: &Target, queue: &str, mut arguments: FieldTable) -> Channel {
    let channel = target.channel().await;
    declare(&channel, "dead", FieldTable::default()).await;
    bind(&channel, "dead", "amq.fanout", "", FieldTable::default()).await;
    arguments.insert("x-dead-letter-exchange".into(), long("amq.fanout"));
    declare_durable(&channel, queue, arguments).await;
    confirms(&channel).await;
    channel
}

fn expiring(milliseconds: &str) -> BasicProperties {
    BasicProperties::default().with_expiration(milliseconds.into())
}

fn header(delivery: &lapin::message::Delivery, name: &str) -> Option<AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name).cloned()
}

/// The deaths of a message, without their times.
fn deaths(delivery: &lapin::message::Delivery) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(deaths)) = header(delivery, "x-death") else { return Vec::new() };
    let without_time = |death: &AMQPValue| {
        let AMQPValue::FieldTable(death) = death else { panic!("a death is a table: {death:?}") };
        assert!(matches!(death.inner().get("time"), Some(AMQPValue::Timestamp(_))));
        let mut rest = FieldTable::default();
        death.into_iter().filter(|(name, _)| name.as_str() != "time").for_each(|(name, value)| {
            rest.insert(name.clone(), value.clone());
        });
        rest
    };
    deaths.as_slice().iter().map(without_time).collect()
}

fn death(reason: &str, queue: &str, exchange: &str, key: &str, count: i64) -> FieldTable {
    table([
        ("count", AMQPValue::LongLongInt(count)),
        ("reason", long(reason)),
        ("queue", long(queue)),
        ("exchange", long(exchange)),
        ("routing-keys", AMQPValue::FieldArray(vec![long(key)].into())),
    ])
}

async fn a_message_expires_by_its_own_time(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "short", expiring("50")).await;
    publish(&channel, "q", "long").await;
    eventually("its end", || async { ready(&channel, "q").await == 1 }).await;
    assert_eq!(take(&channel, "q", 1).await, ["long"]);
}

async fn a_message_expires_by_its_queues_time(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-message-ttl", int(50))])).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "1", expiring("60000")).await;
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
}

async fn a_time_of_nothing_still_reaches_a_consumer(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-message-ttl", int(0))])).await;
    confirms(&channel).await;
    publish(&channel, "q", "nobody is there").await;
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
    let mut consumer = consume(&channel, "q").await;
    publish(&channel, "q", "somebody is").await;
    assert_eq!(body(&next(&mut consumer).await), "somebody is");
}

async fn a_rejected_message_is_dead_lettered_with_its_history(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-dead-letter-routing-key", long("other"))])).await;
    publish(&channel, "q", "x").await;
    let message = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    message.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = get(&channel, "dead").await;
    assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str(), dead.redelivered), ("amq.fanout", "other", false));
    assert_eq!(deaths(&dead), [death("rejected", "q", "", "q", 1)]);
    assert_eq!(header(&dead, "x-first-death-reason"), Some(long("rejected")));
    assert_eq!(header(&dead, "x-first-death-queue"), Some(long("q")));
    assert_eq!(header(&dead, "x-first-death-exchange"), Some(long("")));
}

async fn an_expired_message_is_dead_lettered_without_its_expiration(target: &Target) {
    let channel = with_dead_letters(target, "q", FieldTable::default()).await;
    publish_with(&channel, "", "q", "x", expiring("20").with_priority(1).with_correlation_id("c".into())).await;
    let dead = get(&channel, "dead").await;
    assert_eq!(dead.routing_key.as_str(), "q");
    assert_eq!(dead.properties.expiration(), &None);
    assert_eq!(dead.properties.priority(), &Some(1));
    assert_eq!(dead.properties.correlation_id().as_ref().unwrap().as_str(), "c");
    let mut expected = death("expired", "q", "", "q", 1);
    expected.insert("original-expiration".into(), long("20"));
    assert_eq!(deaths(&dead), [expected]);
}

async fn the_oldest_goes_when_a_queue_is_full(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-max-length", int(2))])).await;
    for body in ["1", "2", "3"] {
        assert!(is_ack(&publish(&channel, "q", body).await));
    }
    let dead = get(&channel, "dead").await;
    assert_eq!(body(&dead), "1");
    assert_eq!(deaths(&dead), [death("maxlen", "q", "", "q", 1)]);
    assert_eq!(take(&channel, "q", 2).await, ["2", "3"]);
}

async fn a_queue_is_full_by_bytes(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-max-length-bytes", int(10))])).await;
    for body in ["12345", "67890", "x"] {
        publish(&channel, "q", body).await;
    }
    assert_eq!(take(&channel, "dead", 1).await, ["12345"]);
    assert_eq!(take(&channel, "q", 2).await, ["67890", "x"]);
}

async fn a_full_queue_may_dead_letter_what_it_rejects(target: &Target) {
    let arguments = table([("x-max-length", int(1)), ("x-overflow", long("reject-publish-dlx"))]);
    let channel = with_dead_letters(target, "q", arguments).await;
    assert!(is_ack(&publish(&channel, "q", "1").await));
    assert!(!is_ack(&publish(&channel, "q", "2").await));
    assert_eq!(take(&channel, "dead", 1).await, ["2"]);
    assert_eq!(take(&channel, "q", 1).await, ["1"]);
}

async fn deaths_are_counted(target: &Target) {
    let channel = target.channel().await;
    declare(
        &channel,
        "work",
        table([("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long("wait"))]),
    )
    .await;
    let back = table([
        ("x-dead-letter-exchange", long("")),
        ("x-dead-letter-routing-key", long("work")),
        ("x-message-ttl", int(20)),
    ]);
    declare(&channel, "wait", back).await;
    confirms(&channel).await;
    publish(&channel, "work", "x").await;
    let mut consumer = consume(&channel, "work").await;
    for _ in 0..2 {
        next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    }
    let third = next(&mut consumer).await;
    let expected = [death("expired", "wait", "", "wait", 2), death("rejected", "work", "", "work", 2)];
    assert_eq!(deaths(&third), expected);
}

async fn a_circle_of_expiry_ends(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-dead-letter-exchange", long("")), ("x-message-ttl", int(10))])).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(is_empty(&channel, "q").await);
}

async fn priorities_decide_the_order(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-max-priority", int(5))])).await;
    confirms(&channel).await;
    for (body, priority) in
        [("none", None), ("low", Some(1)), ("high", Some(5)), ("too high", Some(9)), ("low 2", Some(1))]
    {
        let properties = priority.map_or_else(Default::default, |it| BasicProperties::default().with_priority(it));
        publish_with(&channel, "", "q", body, properties).await;
    }
    assert_eq!(take(&channel, "q", 5).await, ["high", "too high", "low", "low 2", "none"]);
}

async fn a_quorum_queue_counts_deliveries(target: &Target) {
    let channel = target.channel().await;
    declare_durable(&channel, "q", table([("x-queue-type", long("quorum"))])).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    let mut consumer = consume(&channel, "q").await;
    let first = next(&mut consumer).await;
    assert_eq!((header(&first, "x-delivery-count"), first.redelivered), (None, false));
    first.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    let second = next(&mut consumer).await;
    assert_eq!((header(&second, "x-delivery-count"), second.redelivered), (Some(AMQPValue::LongLongInt(1)), true));
    second.ack(BasicAckOptions::default()).await.unwrap();
}

async fn a_quorum_queue_gives_up_after_its_limit(target: &Target) {
    let arguments = table([("x-queue-type", long("quorum")), ("x-delivery-limit", int(2))]);
    let channel = with_dead_letters(target, "q", arguments).await;
    publish(&channel, "q", "x").await;
    let mut consumer = consume(&channel, "q").await;
    for _ in 0..3 {
        next(&mut consumer).await.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    }
    let dead = get(&channel, "dead").await;
    assert_eq!(deaths(&dead), [death("delivery_limit", "q", "", "q", 1)]);
}
