//! Which queues a message comes to.

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, ExchangeKind};

use crate::harness::*;

conformance!(
    direct_topic_and_fanout_route_by_key,
    headers_exchanges_match_all_or_any,
    exchanges_are_bound_to_exchanges,
    an_alternate_exchange_takes_what_has_no_route,
    two_ways_to_a_queue_bring_one_message,
    the_same_binding_twice_is_one,
);

async fn bodies(channel: &Channel, queue: &str) -> Vec<String> {
    let count = usize::try_from(ready(channel, queue).await).unwrap();
    take(channel, queue, count).await
}

async fn with_queues(target: &Target, queues: &[&str]) -> Channel {
    let channel = target.channel().await;
    for queue in queues {
        declare(&channel, queue, FieldTable::default()).await;
    }
    confirms(&channel).await;
    channel
}

async fn direct_topic_and_fanout_route_by_key(target: &Target) {
    let channel = with_queues(target, &["d", "t1", "t2", "f"]).await;
    bind(&channel, "d", "amq.direct", "a.b", FieldTable::default()).await;
    bind(&channel, "t1", "amq.topic", "a.*", FieldTable::default()).await;
    bind(&channel, "t2", "amq.topic", "#.c", FieldTable::default()).await;
    bind(&channel, "f", "amq.fanout", "ignored", FieldTable::default()).await;
    for exchange in ["amq.direct", "amq.topic", "amq.fanout"] {
        for key in ["a.b", "a.c", "c", "x"] {
            publish_with(&channel, exchange, key, key, BasicProperties::default()).await;
        }
    }
    assert_eq!(bodies(&channel, "d").await, ["a.b"]);
    assert_eq!(bodies(&channel, "t1").await, ["a.b", "a.c"]);
    assert_eq!(bodies(&channel, "t2").await, ["a.c", "c"]);
    assert_eq!(bodies(&channel, "f").await, ["a.b", "a.c", "c", "x"]);
}

async fn headers_exchanges_match_all_or_any(target: &Target) {
    let channel = with_queues(target, &["all", "any", "x", "void"]).await;
    let bind_to = |queue: &'static str, arguments| bind(&channel, queue, "amq.headers", "", arguments);
    bind_to("all", table([("x-match", long("all")), ("a", long("1")), ("b", int(2))])).await;
    bind_to("any", table([("x-match", long("any")), ("a", long("1")), ("b", int(2))])).await;
    bind_to("x", table([("x-match", long("all-with-x")), ("x-why", long("so"))])).await;
    bind_to("void", table([("c", lapin::types::AMQPValue::Void)])).await;
    for (name, headers) in [
        ("both", table([("a", long("1")), ("b", int(2))])),
        ("one", table([("a", long("1"))])),
        ("wrong", table([("a", long("2")), ("c", long("anything"))])),
        ("x", table([("x-why", long("so"))])),
    ] {
        publish_with(&channel, "amq.headers", "", name, BasicProperties::default().with_headers(headers)).await;
    }
    assert_eq!(bodies(&channel, "all").await, ["both"]);
    assert_eq!(bodies(&channel, "any").await, ["both", "one"]);
    assert_eq!(bodies(&channel, "x").await, ["x"]);
    assert_eq!(bodies(&channel, "void").await, ["wrong"]);
}

async fn exchanges_are_bound_to_exchanges(target: &Target) {
    let channel = with_queues(target, &["q"]).await;
    declare_exchange(&channel, "inner", ExchangeKind::Fanout, FieldTable::default()).await;
    let bound = channel.exchange_bind(
        "inner".into(),
        "amq.topic".into(),
        "a.#".into(),
        Default::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    // A circle is no trouble.
    let back = channel.exchange_bind(
        "amq.topic".into(),
        "inner".into(),
        "#".into(),
        Default::default(),
        FieldTable::default(),
    );
    back.await.unwrap();
    bind(&channel, "q", "inner", "", FieldTable::default()).await;
    publish_with(&channel, "amq.topic", "a.b", "1", BasicProperties::default()).await;
    publish_with(&channel, "amq.topic", "b", "2", BasicProperties::default()).await;
    assert_eq!(bodies(&channel, "q").await, ["1"]);
    let options = ExchangeUnbindOptions::default();
    channel
        .exchange_unbind("inner".into(), "amq.topic".into(), "a.#".into(), options, FieldTable::default())
        .await
        .unwrap();
    let returned = publish_with(&channel, "amq.topic", "a.b", "3", BasicProperties::default()).await;
    assert!(returned.take_message().is_some());
}

async fn an_alternate_exchange_takes_what_has_no_route(target: &Target) {
    let channel = with_queues(target, &["rest"]).await;
    declare_exchange(&channel, "e", ExchangeKind::Direct, table([("alternate-exchange", long("amq.fanout"))])).await;
    bind(&channel, "rest", "amq.fanout", "", FieldTable::default()).await;
    let confirm = publish_with(&channel, "e", "nowhere", "x", BasicProperties::default()).await;
    assert!(confirm.take_message().is_none());
    let delivery = get(&channel, "rest").await;
    assert_eq!((delivery.exchange.as_str(), delivery.routing_key.as_str()), ("e", "nowhere"));
}

async fn two_ways_to_a_queue_bring_one_message(target: &Target) {
    let channel = with_queues(target, &["q"]).await;
    bind(&channel, "q", "amq.topic", "a.*", FieldTable::default()).await;
    bind(&channel, "q", "amq.topic", "*.b", FieldTable::default()).await;
    publish_with(&channel, "amq.topic", "a.b", "1", BasicProperties::default()).await;
    assert_eq!(bodies(&channel, "q").await, ["1"]);
}

async fn the_same_binding_twice_is_one(target: &Target) {
    let channel = with_queues(target, &["q"]).await;
    bind(&channel, "q", "amq.direct", "k", FieldTable::default()).await;
    bind(&channel, "q", "amq.direct", "k", FieldTable::default()).await;
    channel.queue_unbind("q".into(), "amq.direct".into(), "k".into(), FieldTable::default()).await.unwrap();
    // Taking away what is not there is no error.
    channel.queue_unbind("q".into(), "amq.direct".into(), "k".into(), FieldTable::default()).await.unwrap();
    let returned = publish_with(&channel, "amq.direct", "k", "1", BasicProperties::default()).await;
    assert!(returned.take_message().is_some());
}
