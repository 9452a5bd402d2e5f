//! Direct reply-to.

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};

use crate::harness::*;

conformance!(
    a_reply_comes_without_a_queue,
    a_reply_to_nobody_is_returned,
    a_reply_address_can_be_asked_for,
    replies_are_consumed_without_acks_and_once,
    a_request_needs_a_reply_consumer,
    a_burst_of_replies_comes_whole,
    a_mandatory_reply_is_returned_even_if_it_arrives,
);

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

async fn consume_replies(channel: &Channel) -> lapin::Consumer {
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    consume_with(channel, REPLY_TO, "replies", options, FieldTable::default()).await
}

async fn request(channel: &Channel) {
    let properties = BasicProperties::default().with_reply_to(REPLY_TO.into()).with_correlation_id("c".into());
    publish_with(channel, "", "requests", "ping", properties).await;
}

async fn address_seen(callee: &Channel) -> String {
    get(callee, "requests").await.properties.reply_to().as_ref().unwrap().to_string()
}

async fn a_reply_comes_without_a_queue(target: &Target) {
    let (caller, callee) = (target.channel().await, target.channel().await);
    declare(&callee, "requests", FieldTable::default()).await;
    let mut replies = consume_replies(&caller).await;
    request(&caller).await;
    let address = address_seen(&callee).await;
    assert!(address.starts_with("amq.rabbitmq.reply-to."), "{address}");
    publish_with(&callee, "", &address, "pong", BasicProperties::default().with_correlation_id("c".into())).await;
    let reply = next(&mut replies).await;
    assert_eq!((body(&reply), reply.exchange.as_str(), reply.routing_key.as_str()), ("pong", "", address.as_str()));
}

async fn a_reply_to_nobody_is_returned(target: &Target) {
    let (caller, callee) = (target.connect().await, target.channel().await);
    declare(&callee, "requests", FieldTable::default()).await;
    confirms(&callee).await;
    let channel = caller.create_channel().await.unwrap();
    let _replies = consume_replies(&channel).await;
    request(&channel).await;
    let address = address_seen(&callee).await;
    caller.close(200, "bye".into()).await.unwrap();
    eventually("the return", || async {
        publish_with(&callee, "", &address, "pong", BasicProperties::default()).await.take_message().is_some()
    })
    .await;
}

async fn a_reply_address_can_be_asked_for(target: &Target) {
    let (caller, callee) = (target.connect().await, target.channel().await);
    declare(&callee, "requests", FieldTable::default()).await;
    let channel = caller.create_channel().await.unwrap();
    let _replies = consume_replies(&channel).await;
    request(&channel).await;
    let address = address_seen(&callee).await;
    let queue = callee
        .queue_declare(address.as_str().into(), QueueDeclareOptions::default(), FieldTable::default())
        .await
        .unwrap();
    assert_eq!((queue.message_count(), queue.consumer_count()), (0, 1));
    let nobody = format!("{REPLY_TO}.nobody");
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let gone = callee.queue_declare(nobody.as_str().into(), passive, FieldTable::default()).await;
    assert_eq!(refusal(gone), (404, target.text(&format!("NOT_FOUND - no queue '{nobody}' in vhost 'VHOST'"))));
}

async fn replies_are_consumed_without_acks_and_once(target: &Target) {
    let channel = target.channel().await;
    let with_acks =
        channel.basic_consume(REPLY_TO.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
    assert_eq!(refusal(with_acks), (406, "PRECONDITION_FAILED - reply consumer cannot acknowledge".to_owned()));
    let channel = target.channel().await;
    let _first = consume_replies(&channel).await;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let second = channel.basic_consume(REPLY_TO.into(), "other".into(), options, FieldTable::default()).await;
    assert_eq!(refusal(second), (406, "PRECONDITION_FAILED - reply consumer already set".to_owned()));
}

async fn a_request_needs_a_reply_consumer(target: &Target) {
    let channel = target.channel().await;
    confirms(&channel).await;
    let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish("".into(), "requests".into(), options, b"x", properties).await.unwrap();
    let text = "PRECONDITION_FAILED - fast reply consumer does not exist";
    assert_eq!(refusal(confirm.await), (406, text.to_owned()));
}

async fn a_burst_of_replies_comes_whole(target: &Target) {
    let (caller, callee) = (target.channel().await, target.channel().await);
    declare(&callee, "requests", FieldTable::default()).await;
    let mut replies = consume_replies(&caller).await;
    request(&caller).await;
    let address = address_seen(&callee).await;
    // More than an outbox takes from queues, 4 MB.
    let body = "x".repeat(20_000);
    for _ in 0..200 {
        let options = BasicPublishOptions::default();
        let (to, properties) = (address.as_str().into(), BasicProperties::default());
        callee.basic_publish("".into(), to, options, body.as_bytes(), properties).await.unwrap();
    }
    for _ in 0..200 {
        assert_eq!(next(&mut replies).await.data.len(), 20_000);
    }
}

/// A reply's address is no queue: RabbitMQ says so in its documentation of direct reply-to.
async fn a_mandatory_reply_is_returned_even_if_it_arrives(target: &Target) {
    let (caller, callee) = (target.channel().await, target.channel().await);
    declare(&callee, "requests", FieldTable::default()).await;
    confirms(&callee).await;
    let mut replies = consume_replies(&caller).await;
    request(&caller).await;
    let address = address_seen(&callee).await;
    let confirm = publish_with(&callee, "", &address, "pong", BasicProperties::default()).await;
    assert!(confirm.take_message().is_some());
    assert_eq!(body(&next(&mut replies).await), "pong");
}
