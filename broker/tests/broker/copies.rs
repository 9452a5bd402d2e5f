//! `CC` and `BCC`: more routing keys in a message's headers.

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};

use crate::harness::*;

conformance!(
    both_headers_add_routing_keys_and_one_is_not_seen,
    the_default_and_a_topic_exchange_follow_them_too,
    one_queue_gets_one_message,
    a_header_that_is_no_array_is_refused,
    what_is_returned_shows_no_blind_copies,
    a_dead_letter_goes_to_all_of_its_keys,
    a_queues_own_dead_letter_key_stands_for_all,
);

fn copies(cc: AMQPValue, bcc: AMQPValue) -> BasicProperties {
    BasicProperties::default().with_headers(table([("CC", cc), ("BCC", bcc), ("other", int(1))]))
}

async fn with_queues(target: &Target, exchange: &str, queues: &[&str]) -> Channel {
    let channel = target.channel().await;
    for queue in queues {
        declare(&channel, queue, FieldTable::default()).await;
        if !exchange.is_empty() {
            bind(&channel, queue, exchange, queue, FieldTable::default()).await;
        }
    }
    confirms(&channel).await;
    channel
}

async fn both_headers_add_routing_keys_and_one_is_not_seen(target: &Target) {
    let channel = with_queues(target, "amq.direct", &["a", "b", "c", "d"]).await;
    let properties = copies(list(&["b", "nowhere"]), list(&["c"]));
    publish_with(&channel, "amq.direct", "a", "x", properties).await;
    for queue in ["a", "b", "c"] {
        let delivery = get(&channel, queue).await;
        assert_eq!(delivery.routing_key.as_str(), "a");
        assert_eq!(header(&delivery, "CC"), Some(list(&["b", "nowhere"])));
        assert_eq!((header(&delivery, "BCC"), header(&delivery, "other")), (None, Some(int(1))));
    }
    assert!(is_empty(&channel, "d").await);
}

async fn the_default_and_a_topic_exchange_follow_them_too(target: &Target) {
    let channel = with_queues(target, "amq.topic", &["a", "b", "c"]).await;
    for exchange in ["", "amq.topic"] {
        publish_with(&channel, exchange, "a", "x", copies(list(&["b"]), list(&["c"]))).await;
        for queue in ["a", "b", "c"] {
            assert_eq!(take(&channel, queue, 1).await, ["x"]);
        }
    }
}

async fn one_queue_gets_one_message(target: &Target) {
    let channel = with_queues(target, "amq.direct", &["a"]).await;
    for exchange in ["", "amq.direct"] {
        publish_with(&channel, exchange, "a", "x", copies(list(&["a"]), list(&["a", "a"]))).await;
        assert_eq!(ready(&channel, "a").await, 1);
        take(&channel, "a", 1).await;
    }
}

async fn a_header_that_is_no_array_is_refused(target: &Target) {
    for (name, value, kind) in [("CC", long("b"), "longstr"), ("BCC", int(1), "signedint")] {
        let publish = |channel: Channel| async move {
            confirms(&channel).await;
            let properties = BasicProperties::default().with_headers(table([(name, value)]));
            channel.basic_publish("".into(), "a".into(), BasicPublishOptions::default(), b"x", properties).await?.await
        };
        let text = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{kind}}}");
        assert_eq!(ask(target, publish).await, precondition(target, &text));
    }
}

async fn what_is_returned_shows_no_blind_copies(target: &Target) {
    let channel = with_queues(target, "", &["a"]).await;
    let routed = publish_with(&channel, "", "nowhere", "x", copies(list(&[]), list(&["a"]))).await;
    assert!(routed.take_message().is_none());
    let returned = publish_with(&channel, "", "nowhere", "x", copies(list(&[]), list(&["nowhere else"]))).await;
    let returned = returned.take_message().expect("it has no route");
    assert_eq!((header(&returned, "BCC"), header(&returned, "CC")), (None, Some(list(&[]))));
}

async fn rejected(target: &Target, arguments: FieldTable) -> Channel {
    let channel = with_queues(target, "amq.direct", &["a", "b", "c", "own"]).await;
    declare(&channel, "work", arguments).await;
    publish_with(&channel, "", "work", "x", copies(list(&["b"]), list(&["c"]))).await;
    // The copies on their first way.
    take(&channel, "b", 1).await;
    take(&channel, "c", 1).await;
    let message = channel.basic_get("work".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    message.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    channel
}

fn death_keys(delivery: &lapin::message::Delivery) -> Option<AMQPValue> {
    let Some(AMQPValue::FieldArray(deaths)) = header(delivery, "x-death") else { return None };
    let AMQPValue::FieldTable(death) = &deaths.as_slice()[0] else { return None };
    death.inner().get("routing-keys").cloned()
}

async fn a_dead_letter_goes_to_all_of_its_keys(target: &Target) {
    let channel = rejected(target, table([("x-dead-letter-exchange", long("amq.direct"))])).await;
    for queue in ["b", "c"] {
        let dead = get(&channel, queue).await;
        assert_eq!(dead.routing_key.as_str(), "work");
        assert_eq!((header(&dead, "CC"), header(&dead, "BCC")), (Some(list(&["b"])), None));
        assert_eq!(death_keys(&dead), Some(list(&["work", "b"])));
    }
}

async fn a_queues_own_dead_letter_key_stands_for_all(target: &Target) {
    let arguments = table([("x-dead-letter-exchange", long("amq.direct")), ("x-dead-letter-routing-key", long("own"))]);
    let channel = rejected(target, arguments).await;
    let dead = get(&channel, "own").await;
    assert_eq!(dead.routing_key.as_str(), "own");
    assert_eq!(death_keys(&dead), Some(list(&["work", "b"])));
    // RabbitMQ 4 does not follow the header any more, and leaves it in.
    assert_eq!(header(&dead, "CC"), target.is_4().then(|| list(&["b"])));
    assert!(is_empty(&channel, "b").await && is_empty(&channel, "c").await);
}
