//! What a publisher sees: confirms, returns, and its bytes unchanged.

use lapin::BasicProperties;
use lapin::options::*;
use lapin::types::FieldTable;

use crate::harness::*;

conformance!(
    every_publish_is_confirmed,
    what_has_no_route_is_returned_and_confirmed,
    bytes_and_properties_come_through_unchanged,
    bodies_of_any_size_come_through,
    a_full_queue_that_rejects_says_so,
    one_full_queue_of_two_rejects_for_both,
    an_unknown_delivery_mode,
    confirms_may_be_selected_twice,
);

async fn every_publish_is_confirmed(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    let mut pending = Vec::new();
    for _ in 0..500 {
        let options = BasicPublishOptions::default();
        pending.push(channel.basic_publish("".into(), "q".into(), options, b"x", Default::default()).await.unwrap());
    }
    for confirm in pending {
        assert!(is_ack(&soon("a confirm", confirm).await.unwrap()));
    }
    assert_eq!(ready(&channel, "q").await, 500);
}

async fn what_has_no_route_is_returned_and_confirmed(target: &Target) {
    let channel = target.channel().await;
    confirms(&channel).await;
    let properties = BasicProperties::default().with_correlation_id("c".into());
    let confirm = publish_with(&channel, "amq.direct", "nowhere", "body", properties).await;
    assert!(is_ack(&confirm));
    let returned = confirm.take_message().expect("it is returned");
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(
        (returned.delivery.exchange.as_str(), returned.delivery.routing_key.as_str()),
        ("amq.direct", "nowhere")
    );
    assert_eq!(returned.delivery.data, b"body");
    assert_eq!(returned.delivery.properties.correlation_id().as_ref().unwrap().as_str(), "c");
}

async fn bytes_and_properties_come_through_unchanged(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let nested = table([("t", lapin::types::AMQPValue::FieldTable(table([("n", int(1))]))), ("s", long("text"))]);
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("gzip".into())
        .with_headers(nested)
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("corr".into())
        .with_reply_to("reply".into())
        .with_expiration("60000".into())
        .with_message_id("id".into())
        .with_timestamp(1_700_000_000)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into());
    publish_with(&channel, "", "q", "body", properties.clone()).await;
    let delivery = get(&channel, "q").await;
    assert_eq!(delivery.properties, properties);
    assert_eq!((delivery.exchange.as_str(), delivery.routing_key.as_str(), delivery.redelivered), ("", "q", false));
}

async fn bodies_of_any_size_come_through(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let mut consumer = consume(&channel, "q").await;
    for length in [0, 1, 131_064, 131_065, 300_000, 5_000_000] {
        let sent: Vec<u8> = (0..length).map(|at: usize| at.to_le_bytes()[0]).collect();
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), "q".into(), options, &sent, Default::default()).await.unwrap();
        let delivery = next(&mut consumer).await;
        assert!(delivery.data == sent, "{length} bytes came through changed");
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
}

async fn a_full_queue_that_rejects_says_so(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-max-length", int(2)), ("x-overflow", long("reject-publish"))])).await;
    confirms(&channel).await;
    assert!(is_ack(&publish(&channel, "q", "1").await));
    assert!(is_ack(&publish(&channel, "q", "2").await));
    assert!(!is_ack(&publish(&channel, "q", "3").await));
    assert_eq!(take(&channel, "q", 2).await, ["1", "2"]);
    assert!(is_ack(&publish(&channel, "q", "4").await));
}

async fn one_full_queue_of_two_rejects_for_both(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "full", table([("x-max-length", int(0)), ("x-overflow", long("reject-publish"))])).await;
    declare(&channel, "free", FieldTable::default()).await;
    for queue in ["full", "free"] {
        bind(&channel, queue, "amq.fanout", "", FieldTable::default()).await;
    }
    confirms(&channel).await;
    assert!(!is_ack(&publish_with(&channel, "amq.fanout", "", "x", BasicProperties::default()).await));
    // The other has it all the same.
    assert_eq!(take(&channel, "free", 1).await, ["x"]);
}

async fn an_unknown_delivery_mode(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let publish = |channel: lapin::Channel| async move {
        confirms(&channel).await;
        let properties = BasicProperties::default().with_delivery_mode(3);
        channel.basic_publish("".into(), "q".into(), BasicPublishOptions::default(), b"x", properties).await?.await
    };
    if target.is_4() {
        assert!(is_ack(&publish(channel).await.unwrap()));
    } else {
        let refused = ask(target, publish).await;
        assert_eq!(refused, precondition(target, "invalid message: {delivery_mode_unknown,3}"));
    }
}

async fn confirms_may_be_selected_twice(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    confirms(&channel).await;
    assert!(is_ack(&publish(&channel, "q", "x").await));
}
