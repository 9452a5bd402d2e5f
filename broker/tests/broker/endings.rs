//! Messages that end otherwise than by an ack: time, limits, rejection; and priorities, which decide who waits.

use lapin::BasicProperties;
use lapin::types::FieldTable;

use crate::harness::*;

conformance!(
    a_message_expires_by_its_own_time,
    a_message_expires_by_its_queues_time,
    a_message_behind_a_longer_lived_one_waits_for_it,
    a_requeued_message_keeps_its_end,
    no_length_at_all_hands_messages_on,
    a_time_of_nothing_still_reaches_a_consumer,
    the_oldest_goes_when_a_queue_is_full,
    a_queue_is_full_by_bytes,
    a_full_queue_may_dead_letter_what_it_rejects,
    priorities_decide_the_order,
);

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

async fn the_oldest_goes_when_a_queue_is_full(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-max-length", int(2))])).await;
    for body in ["1", "2", "3"] {
        assert!(is_ack(&publish(&channel, "q", body).await));
    }
    let dead = get(&channel, "dead").await;
    assert_eq!(body(&dead), "1");
    assert_eq!(header(&dead, "x-first-death-reason"), Some(long("maxlen")));
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

async fn a_message_behind_a_longer_lived_one_waits_for_it(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "long", expiring("60000")).await;
    publish_with(&channel, "", "q", "short", expiring("1")).await;
    publish_with(&channel, "", "q", "first of all", expiring("60000")).await;
    // Time must pass, and nothing is to be seen of it.
    let_pass(&channel, 30).await;
    assert_eq!(ready(&channel, "q").await, 3);
    assert_eq!(take(&channel, "q", 2).await, ["long", "first of all"]);
}

async fn a_requeued_message_keeps_its_end(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-message-ttl", int(100))])).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    let mut consumer = consume(&channel, "q").await;
    let delivery = next(&mut consumer).await;
    channel.basic_cancel(consumer.tag(), lapin::options::BasicCancelOptions::default()).await.unwrap();
    delivery.reject(lapin::options::BasicRejectOptions { requeue: true }).await.unwrap();
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
}

async fn no_length_at_all_hands_messages_on(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-max-length", int(0))])).await;
    publish(&channel, "q", "nobody is there").await;
    assert_eq!(take(&channel, "dead", 1).await, ["nobody is there"]);
    let mut consumer = consume(&channel, "q").await;
    publish(&channel, "q", "somebody is").await;
    assert_eq!(body(&next(&mut consumer).await), "somebody is");
}
