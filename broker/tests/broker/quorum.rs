//! Quorum queues, as far as a client can tell them from classic ones.

use lapin::Channel;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};

use crate::harness::*;

conformance!(
    a_quorum_queue_counts_deliveries,
    a_lost_channel_is_counted_as_a_delivery,
    a_message_comes_back_for_ever_unless_there_is_a_limit,
    what_is_given_back_goes_last_or_first,
    a_global_prefetch_is_refused,
    conditions_of_a_deletion_are_refused,
    nothing_is_fetched_beside_a_single_active_consumer,
    a_single_active_consumer_hands_over,
    an_exclusive_consumer_is_not_alone,
    priorities_of_messages,
    a_higher_priority_consumer_is_served_first,
    messages_expire,
    the_oldest_goes_when_it_is_full,
    a_full_queue_rejects,
    dead_letters_may_be_sent_at_least_once,
    a_quorum_queue_is_purged_and_deleted,
);

async fn quorum<const N: usize>(channel: &Channel, name: &str, arguments: [(&str, AMQPValue); N]) {
    let mut all = table(arguments);
    all.insert("x-queue-type".into(), long("quorum"));
    declare_durable(channel, name, all).await;
}

async fn filled<const N: usize>(target: &Target, arguments: [(&str, AMQPValue); N], bodies: &[&str]) -> Channel {
    let channel = target.channel().await;
    declare(&channel, "dead", FieldTable::default()).await;
    bind(&channel, "dead", "amq.fanout", "", FieldTable::default()).await;
    quorum(&channel, "q", arguments).await;
    confirms(&channel).await;
    for body in bodies {
        publish(&channel, "q", body).await;
    }
    channel
}

fn dead_letter_exchange() -> (&'static str, AMQPValue) {
    ("x-dead-letter-exchange", long("amq.fanout"))
}

fn count(delivery: &lapin::message::Delivery) -> Option<AMQPValue> {
    header(delivery, "x-delivery-count")
}

fn requeue() -> BasicNackOptions {
    BasicNackOptions { requeue: true, ..Default::default() }
}

async fn a_quorum_queue_counts_deliveries(target: &Target) {
    let channel = filled(target, [], &["x"]).await;
    let fetched = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap().delivery;
    // RabbitMQ 3.10 counts from nought in what is fetched.
    let none = if target.is_4() { None } else { Some(AMQPValue::LongLongInt(0)) };
    assert_eq!((count(&fetched), fetched.redelivered), (none, false));
    fetched.nack(requeue()).await.unwrap();
    let mut consumer = consume(&channel, "q").await;
    publish(&channel, "q", "new").await;
    let first = next(&mut consumer).await;
    assert_eq!((count(&first), first.redelivered), (Some(AMQPValue::LongLongInt(1)), true));
    assert_eq!(count(&next(&mut consumer).await), None);
    first.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    assert_eq!(count(&next(&mut consumer).await), Some(AMQPValue::LongLongInt(2)));
}

async fn a_lost_channel_is_counted_as_a_delivery(target: &Target) {
    let channel = filled(target, [], &["1", "2", "3"]).await;
    let other = target.channel().await;
    other.basic_qos(2, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&other, "q").await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    other.close(200, "bye".into()).await.unwrap();
    eventually("their return", || async { ready(&channel, "q").await == 3 }).await;
    for expected in ["1", "2"] {
        let again = get(&channel, "q").await;
        assert_eq!((body(&again), again.redelivered), (expected, true));
        assert_eq!(count(&again), Some(AMQPValue::LongLongInt(1)));
    }
}

/// RabbitMQ 4 sets a limit of 20 where none is asked for.
async fn a_message_comes_back_for_ever_unless_there_is_a_limit(target: &Target) {
    let channel = filled(target, [dead_letter_exchange()], &["x"]).await;
    let mut consumer = consume(&channel, "q").await;
    for _ in 0..21 {
        next(&mut consumer).await.nack(requeue()).await.unwrap();
    }
    if target.is_4() {
        let dead = get(&channel, "dead").await;
        assert_eq!(header(&dead, "x-first-death-reason"), Some(long("delivery_limit")));
    } else {
        assert_eq!(count(&next(&mut consumer).await), Some(AMQPValue::LongLongInt(21)));
    }
}

/// RabbitMQ 3.10 appends it, unless the queue has a limit. RabbitMQ 4's always have one.
async fn what_is_given_back_goes_last_or_first(target: &Target) {
    let channel = given_back(target, []).await;
    let expected = if target.is_4() { ["2", "1", "3"] } else { ["3", "2", "1"] };
    assert_eq!(take(&channel, "q", 3).await, expected);
    channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    let channel = given_back(target, [("x-delivery-limit", int(9))]).await;
    assert_eq!(take(&channel, "q", 3).await, ["2", "1", "3"]);
}

/// Two of three were fetched, and the second given back first.
async fn given_back<const N: usize>(target: &Target, arguments: [(&str, AMQPValue); N]) -> Channel {
    let channel = filled(target, arguments, &["1", "2", "3"]).await;
    let fetch = || async { channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap().delivery };
    let (first, second) = (fetch().await, fetch().await);
    second.nack(requeue()).await.unwrap();
    first.nack(requeue()).await.unwrap();
    eventually("their return", || async { ready(&channel, "q").await == 3 }).await;
    channel
}

async fn a_global_prefetch_is_refused(target: &Target) {
    let _channel = filled(target, [], &[]).await;
    let consume = |channel: Channel| async move {
        channel.basic_qos(10, BasicQosOptions { global: true }).await?;
        channel.basic_consume("q".into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
    };
    let text = target.text("NOT_IMPLEMENTED - queue 'q' in vhost 'VHOST' does not support global qos");
    assert_eq!(ask(target, consume).await, (540, text));
}

async fn conditions_of_a_deletion_are_refused(target: &Target) {
    let _channel = filled(target, [], &[]).await;
    for (flag, options) in [
        ("if-unused", QueueDeleteOptions { if_unused: true, ..Default::default() }),
        ("if-empty", QueueDeleteOptions { if_empty: true, ..Default::default() }),
    ] {
        let delete = |channel: Channel| async move { channel.queue_delete("q".into(), options).await };
        let text = format!(
            "NOT_IMPLEMENTED - cannot delete queue 'q' in vhost 'VHOST'. queue.delete operations with {flag} flag set \
             are not supported by quorum queues"
        );
        assert_eq!(ask(target, delete).await, (540, target.text(&text)));
    }
}

async fn nothing_is_fetched_beside_a_single_active_consumer(target: &Target) {
    let _channel = filled(target, [("x-single-active-consumer", AMQPValue::Boolean(true))], &["x"]).await;
    let get = |channel: Channel| async move { channel.basic_get("q".into(), BasicGetOptions::default()).await };
    let text = "RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost 'VHOST'. basic.get operations are \
        not supported by quorum queues with single active consumer";
    assert_eq!(ask(target, get).await, (405, target.text(text)));
}

async fn a_single_active_consumer_hands_over(target: &Target) {
    let channel = filled(target, [("x-single-active-consumer", AMQPValue::Boolean(true))], &["1"]).await;
    let (mut first, mut second) = (consume(&channel, "q").await, consume(&channel, "q").await);
    next(&mut first).await.ack(BasicAckOptions::default()).await.unwrap();
    channel.basic_cancel(first.tag(), BasicCancelOptions::default()).await.unwrap();
    publish(&channel, "q", "2").await;
    assert_eq!(body(&next(&mut second).await), "2");
}

/// RabbitMQ takes the flag and does nothing about it.
async fn an_exclusive_consumer_is_not_alone(target: &Target) {
    let channel = filled(target, [], &[]).await;
    let exclusive = BasicConsumeOptions { exclusive: true, ..Default::default() };
    let _one = consume_with(&channel, "q", "one", exclusive, FieldTable::default()).await;
    let _two = consume_with(&channel, "q", "two", exclusive, FieldTable::default()).await;
    eventually("both consumers", || async { counts(&channel, "q").await.1 == 2 }).await;
}

/// RabbitMQ 4 serves two of a priority above 4 before one of the others; before, priorities meant nothing here.
async fn priorities_of_messages(target: &Target) {
    let channel = filled(target, [], &["low", "low 2"]).await;
    publish_with(&channel, "", "q", "high", lapin::BasicProperties::default().with_priority(9)).await;
    let expected = if target.is_4() { ["high", "low", "low 2"] } else { ["low", "low 2", "high"] };
    assert_eq!(take(&channel, "q", 3).await, expected);
}

async fn a_higher_priority_consumer_is_served_first(target: &Target) {
    let channel = filled(target, [], &[]).await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut low = consume(&channel, "q").await;
    let arguments = table([("x-priority", int(10))]);
    let mut high = consume_with(&channel, "q", "high", BasicConsumeOptions::default(), arguments).await;
    eventually("both consumers", || async { counts(&channel, "q").await.1 == 2 }).await;
    for body in ["1", "2"] {
        publish(&channel, "q", body).await;
    }
    assert_eq!(body(&next(&mut high).await), "1");
    assert_eq!(body(&next(&mut low).await), "2");
}

async fn messages_expire(target: &Target) {
    let channel = filled(target, [dead_letter_exchange(), ("x-message-ttl", int(60_000))], &[]).await;
    let properties = lapin::BasicProperties::default().with_expiration("20".into());
    publish_with(&channel, "", "q", "short", properties).await;
    publish(&channel, "q", "long").await;
    let dead = get(&channel, "dead").await;
    assert_eq!((body(&dead), header(&dead, "x-first-death-reason")), ("short", Some(long("expired"))));
    assert_eq!(take(&channel, "q", 1).await, ["long"]);
}

async fn the_oldest_goes_when_it_is_full(target: &Target) {
    let channel = filled(target, [dead_letter_exchange(), ("x-max-length", int(2))], &["1", "2", "3"]).await;
    let dead = get(&channel, "dead").await;
    assert_eq!((body(&dead), header(&dead, "x-first-death-reason")), ("1", Some(long("maxlen"))));
    assert_eq!(take(&channel, "q", 2).await, ["2", "3"]);
}

/// A quorum queue finds out a little late that it is full: the limit is soft.
async fn a_full_queue_rejects(target: &Target) {
    let arguments = [("x-max-length", int(1)), ("x-overflow", long("reject-publish"))];
    let channel = filled(target, arguments, &["1"]).await;
    eventually("a rejection", || async { !is_ack(&publish(&channel, "q", "more").await) }).await;
    assert_eq!(take(&channel, "q", 1).await, ["1"]);
}

async fn dead_letters_may_be_sent_at_least_once(target: &Target) {
    let arguments = [
        dead_letter_exchange(),
        ("x-dead-letter-strategy", long("at-least-once")),
        ("x-overflow", long("reject-publish")),
    ];
    let channel = filled(target, arguments, &["x"]).await;
    let mut consumer = consume(&channel, "q").await;
    next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = get(&channel, "dead").await;
    assert_eq!((body(&dead), header(&dead, "x-first-death-reason")), ("x", Some(long("rejected"))));
}

async fn a_quorum_queue_is_purged_and_deleted(target: &Target) {
    let channel = filled(target, [], &["1", "2"]).await;
    assert_eq!(channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.unwrap(), 2);
    publish(&channel, "q", "3").await;
    eventually("the message", || async { ready(&channel, "q").await == 1 }).await;
    assert_eq!(channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap(), 1);
}
