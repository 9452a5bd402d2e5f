//! What a consumer sees.

use futures::StreamExt;
use lapin::options::*;
use lapin::types::FieldTable;

use crate::harness::*;

conformance!(
    prefetch_limits_what_is_out,
    a_global_prefetch_limits_the_channel,
    consumers_are_served_in_turn,
    a_higher_priority_consumer_is_served_first,
    a_single_active_consumer_is_replaced_when_it_goes,
    an_exclusive_consumer_is_alone,
    what_is_not_acked_comes_back_in_order,
    multiple_settles_all_before,
    a_requeued_message_stands_where_it_stood,
    recover_gives_everything_again,
    get_counts_what_is_left,
    a_consumer_is_told_when_its_queue_goes,
    a_cancelled_consumer_may_still_ack,
    a_consumer_without_acks_needs_none,
    a_prefetch_for_consumers_ends_the_channels,
    an_exclusive_consumer_is_none_beside_a_single_active_one,
    cancelling_nobody_is_no_error,
    a_flow_that_goes_on_is_answered,
    an_ack_of_nothing_settles_all,
    a_higher_priority_does_not_take_over_a_single_active_consumer,
);

async fn filled(target: &Target, bodies: &[&str]) -> lapin::Channel {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    for body in bodies {
        publish(&channel, "q", body).await;
    }
    channel
}

async fn prefetch_limits_what_is_out(target: &Target) {
    let channel = filled(target, &["1", "2", "3"]).await;
    channel.basic_qos(2, BasicQosOptions::default()).await.unwrap();
    let mut consumer = consume(&channel, "q").await;
    let first = next(&mut consumer).await;
    next(&mut consumer).await;
    assert_eq!(ready(&channel, "q").await, 1);
    first.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(body(&next(&mut consumer).await), "3");
}

async fn a_global_prefetch_limits_the_channel(target: &Target) {
    let channel = filled(target, &["1", "2", "3", "4"]).await;
    declare(&channel, "other", FieldTable::default()).await;
    publish(&channel, "other", "5").await;
    channel.basic_qos(3, BasicQosOptions { global: true }).await.unwrap();
    let mut consumer = consume(&channel, "q").await;
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        deliveries.push(next(&mut consumer).await);
    }
    let mut other = consume(&channel, "other").await;
    assert_eq!((ready(&channel, "q").await, ready(&channel, "other").await), (1, 1));
    for delivery in &deliveries[..2] {
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
    assert_eq!(body(&next(&mut consumer).await), "4");
    assert_eq!(body(&next(&mut other).await), "5");
}

async fn consumers_are_served_in_turn(target: &Target) {
    let channel = filled(target, &[]).await;
    let (mut first, mut second) = (consume(&channel, "q").await, consume(&channel, "q").await);
    for number in 0..6 {
        publish(&channel, "q", &number.to_string()).await;
    }
    let mut counts = (0, 0);
    for _ in 0..3 {
        counts.0 += body(&next(&mut first).await).parse::<i32>().unwrap() % 2;
        counts.1 += body(&next(&mut second).await).parse::<i32>().unwrap() % 2;
    }
    assert!(counts == (0, 3) || counts == (3, 0), "{counts:?}");
}

async fn a_higher_priority_consumer_is_served_first(target: &Target) {
    let channel = filled(target, &[]).await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let mut low = consume(&channel, "q").await;
    let arguments = table([("x-priority", int(10))]);
    let mut high = consume_with(&channel, "q", "high", BasicConsumeOptions::default(), arguments).await;
    for body in ["1", "2"] {
        publish(&channel, "q", body).await;
    }
    assert_eq!(body(&next(&mut high).await), "1");
    assert_eq!(body(&next(&mut low).await), "2");
}

async fn a_single_active_consumer_is_replaced_when_it_goes(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-single-active-consumer", lapin::types::AMQPValue::Boolean(true))])).await;
    confirms(&channel).await;
    let (mut first, mut second) = (consume(&channel, "q").await, consume(&channel, "q").await);
    for body in ["1", "2"] {
        publish(&channel, "q", body).await;
    }
    assert_eq!(body(&next(&mut first).await), "1");
    assert_eq!(body(&next(&mut first).await), "2");
    channel.basic_cancel(first.tag(), BasicCancelOptions::default()).await.unwrap();
    publish(&channel, "q", "3").await;
    assert_eq!(body(&next(&mut second).await), "3");
}

async fn an_exclusive_consumer_is_alone(target: &Target) {
    let connection = target.connect().await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "q", FieldTable::default()).await;
    let exclusive = BasicConsumeOptions { exclusive: true, ..Default::default() };
    let consumer = consume_with(&channel, "q", "one", exclusive, FieldTable::default()).await;
    let other = connection.create_channel().await.unwrap();
    let refused =
        other.basic_consume("q".into(), "two".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
    assert_eq!(refusal(refused), (403, target.text("ACCESS_REFUSED - queue 'q' in vhost 'VHOST' in exclusive use")));
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
    consume(&channel, "q").await;
}

async fn what_is_not_acked_comes_back_in_order(target: &Target) {
    let channel = filled(target, &["1", "2", "3", "4"]).await;
    let other = target.channel().await;
    let mut consumer = consume(&other, "q").await;
    for _ in 0..4 {
        next(&mut consumer).await;
    }
    other.close(200, "bye".into()).await.unwrap();
    eventually("their return", || async { ready(&channel, "q").await == 4 }).await;
    let first = get(&channel, "q").await;
    assert!(first.redelivered);
    assert_eq!(body(&first), "1");
    assert_eq!(take(&channel, "q", 3).await, ["2", "3", "4"]);
}

async fn multiple_settles_all_before(target: &Target) {
    let channel = filled(target, &["1", "2", "3", "4"]).await;
    let mut consumer = consume(&channel, "q").await;
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        deliveries.push(next(&mut consumer).await);
    }
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
    deliveries[1].ack(BasicAckOptions { multiple: true }).await.unwrap();
    deliveries[3].nack(BasicNackOptions { multiple: true, requeue: true }).await.unwrap();
    eventually("their return", || async { ready(&channel, "q").await == 2 }).await;
    assert_eq!(take(&channel, "q", 2).await, ["3", "4"]);
}

async fn a_requeued_message_stands_where_it_stood(target: &Target) {
    let channel = filled(target, &["1", "2", "3"]).await;
    let fetch = || async { channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap().delivery };
    let (first, second) = (fetch().await, fetch().await);
    second.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
    first.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    assert_eq!(take(&channel, "q", 3).await, ["1", "2", "3"]);
}

async fn recover_gives_everything_again(target: &Target) {
    let channel = filled(target, &["1", "2"]).await;
    let mut consumer = consume(&channel, "q").await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((body(&again), again.redelivered), ("1", true));
    assert_eq!(body(&next(&mut consumer).await), "2");
}

async fn get_counts_what_is_left(target: &Target) {
    let channel = filled(target, &["1", "2"]).await;
    let message = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert_eq!((message.message_count, message.delivery.delivery_tag), (1, 1));
    message.delivery.ack(BasicAckOptions::default()).await.unwrap();
    take(&channel, "q", 1).await;
    assert!(is_empty(&channel, "q").await);
}

async fn a_consumer_is_told_when_its_queue_goes(target: &Target) {
    let channel = filled(target, &[]).await;
    let mut consumer = consume(&channel, "q").await;
    channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    // lapin ends the stream of a consumer that the broker cancelled.
    assert!(soon("the end", consumer.next()).await.is_none());
}

async fn a_cancelled_consumer_may_still_ack(target: &Target) {
    let channel = filled(target, &["1"]).await;
    let mut consumer = consume(&channel, "q").await;
    let delivery = next(&mut consumer).await;
    channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    assert_eq!(counts(&channel, "q").await, (0, 0));
    channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
    assert!(is_empty(&channel, "q").await);
}

async fn a_consumer_without_acks_needs_none(target: &Target) {
    let channel = filled(target, &["1", "2"]).await;
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut consumer = consume_with(&channel, "q", "", options, FieldTable::default()).await;
    assert_eq!(body(&next(&mut consumer).await), "1");
    assert_eq!(body(&next(&mut consumer).await), "2");
}

async fn a_prefetch_for_consumers_ends_the_channels(target: &Target) {
    let channel = filled(target, &["1", "2", "3"]).await;
    channel.basic_qos(1, BasicQosOptions { global: true }).await.unwrap();
    let mut consumer = consume(&channel, "q").await;
    next(&mut consumer).await;
    assert_eq!(ready(&channel, "q").await, 2);
    channel.basic_qos(5, BasicQosOptions::default()).await.unwrap();
    assert_eq!(body(&next(&mut consumer).await), "2");
    assert_eq!(body(&next(&mut consumer).await), "3");
}

async fn an_exclusive_consumer_is_none_beside_a_single_active_one(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-single-active-consumer", lapin::types::AMQPValue::Boolean(true))])).await;
    let exclusive = BasicConsumeOptions { exclusive: true, ..Default::default() };
    let refused = channel.basic_consume("q".into(), "one".into(), exclusive, FieldTable::default()).await;
    assert_eq!(refusal(refused), (403, target.text("ACCESS_REFUSED - queue 'q' in vhost 'VHOST' in exclusive use")));
}

async fn cancelling_nobody_is_no_error(target: &Target) {
    let channel = target.channel().await;
    channel.basic_cancel("nobody".into(), BasicCancelOptions::default()).await.unwrap();
}

async fn a_flow_that_goes_on_is_answered(target: &Target) {
    let channel = target.channel().await;
    assert!(channel.channel_flow(ChannelFlowOptions { active: true }).await.unwrap());
}

async fn an_ack_of_nothing_settles_all(target: &Target) {
    let channel = filled(target, &["1", "2"]).await;
    let mut consumer = consume(&channel, "q").await;
    next(&mut consumer).await;
    next(&mut consumer).await;
    channel.basic_ack(0, BasicAckOptions { multiple: true }).await.unwrap();
    channel.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
    assert_eq!(counts(&channel, "q").await, (0, 1));
}

async fn a_higher_priority_does_not_take_over_a_single_active_consumer(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-single-active-consumer", lapin::types::AMQPValue::Boolean(true))])).await;
    confirms(&channel).await;
    let mut first = consume(&channel, "q").await;
    let arguments = table([("x-priority", int(10))]);
    let _second = consume_with(&channel, "q", "high", BasicConsumeOptions::default(), arguments).await;
    publish(&channel, "q", "x").await;
    assert_eq!(body(&next(&mut first).await), "x");
}
