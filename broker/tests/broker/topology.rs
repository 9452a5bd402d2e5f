//! Queues and exchanges come and go.

use lapin::ExchangeKind;
use lapin::options::*;
use lapin::types::FieldTable;

use crate::harness::*;

conformance!(
    a_queue_is_declared_counted_and_deleted,
    a_server_named_queue_has_a_name,
    an_empty_name_is_the_last_declared_queue,
    an_exclusive_queue_goes_with_its_connection,
    an_auto_delete_queue_goes_with_its_last_consumer,
    an_auto_delete_exchange_goes_with_its_last_binding,
    a_queue_is_deleted_only_if_unused_or_empty,
    a_purge_counts,
    deleting_what_is_not_there_is_no_error,
    a_queue_that_nobody_uses_expires,
    an_exchange_in_use_is_kept,
    an_empty_name_is_no_queue_to_look_for,
    line_ends_are_taken_out_of_names,
    an_exclusive_queue_is_never_durable,
    unbinding_what_is_not_there_is_no_error,
    a_deleted_queue_takes_its_bindings_along,
    a_deleted_exchange_takes_its_bindings_along,
    a_purge_leaves_what_is_out,
);

async fn a_queue_is_declared_counted_and_deleted(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    for body in ["1", "2", "3"] {
        publish(&channel, "q", body).await;
    }
    assert_eq!(counts(&channel, "q").await, (3, 0));
    let again = channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    assert_eq!((again.name().as_str(), again.message_count()), ("q", 3));
    assert_eq!(channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap(), 3);
}

async fn a_server_named_queue_has_a_name(target: &Target) {
    let channel = target.channel().await;
    let queue = channel.queue_declare("".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    assert!(queue.name().as_str().starts_with("amq.gen-"));
    assert_eq!(queue.name().as_str().len(), 30);
}

async fn an_empty_name_is_the_last_declared_queue(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "first", FieldTable::default()).await;
    declare(&channel, "last", FieldTable::default()).await;
    bind(&channel, "", "amq.direct", "", FieldTable::default()).await;
    confirms(&channel).await;
    let confirm = publish_with(&channel, "amq.direct", "last", "x", Default::default()).await;
    assert_eq!(confirm.take_message().map(|_| ()), None);
    assert_eq!(take(&channel, "", 1).await, ["x"]);
}

async fn an_exclusive_queue_goes_with_its_connection(target: &Target) {
    let (owner, other) = (target.connect().await, target.channel().await);
    let channel = owner.create_channel().await.unwrap();
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("mine".into(), options, FieldTable::default()).await.unwrap();
    bind(&channel, "mine", "amq.fanout", "", FieldTable::default()).await;
    owner.close(200, "bye".into()).await.unwrap();
    confirms(&other).await;
    eventually("the queue's end", || async {
        publish_with(&other, "amq.fanout", "", "x", Default::default()).await.take_message().is_some()
    })
    .await;
}

async fn an_auto_delete_queue_goes_with_its_last_consumer(target: &Target) {
    let channel = target.channel().await;
    let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    channel.queue_declare("q".into(), options, FieldTable::default()).await.unwrap();
    let first = consume(&channel, "q").await;
    let second = consume(&channel, "q").await;
    channel.basic_cancel(first.tag(), BasicCancelOptions::default()).await.unwrap();
    assert_eq!(counts(&channel, "q").await, (0, 1));
    channel.basic_cancel(second.tag(), BasicCancelOptions::default()).await.unwrap();
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let gone = channel.queue_declare("q".into(), options, FieldTable::default()).await;
    assert_eq!(refusal(gone), (404, target.text("NOT_FOUND - no queue 'q' in vhost 'VHOST'")));
}

async fn an_auto_delete_exchange_goes_with_its_last_binding(target: &Target) {
    let channel = target.channel().await;
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    channel.exchange_declare("e".into(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
    declare(&channel, "q", FieldTable::default()).await;
    bind(&channel, "q", "e", "", FieldTable::default()).await;
    channel.queue_unbind("q".into(), "e".into(), "".into(), FieldTable::default()).await.unwrap();
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let gone = channel.exchange_declare("e".into(), ExchangeKind::Fanout, options, FieldTable::default()).await;
    assert_eq!(refusal(gone), (404, target.text("NOT_FOUND - no exchange 'e' in vhost 'VHOST'")));
}

async fn a_queue_is_deleted_only_if_unused_or_empty(target: &Target) {
    let connection = target.connect().await;
    let channel = connection.create_channel().await.unwrap();
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    let options = QueueDeleteOptions { if_empty: true, ..Default::default() };
    let refused = channel.queue_delete("q".into(), options).await;
    assert_eq!(refusal(refused), (406, target.text("PRECONDITION_FAILED - queue 'q' in vhost 'VHOST' not empty")));
    let channel = connection.create_channel().await.unwrap();
    let _consumer = consume(&channel, "q").await;
    let options = QueueDeleteOptions { if_unused: true, ..Default::default() };
    let refused = channel.queue_delete("q".into(), options).await;
    assert_eq!(refusal(refused), (406, target.text("PRECONDITION_FAILED - queue 'q' in vhost 'VHOST' in use")));
}

async fn a_purge_counts(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    publish(&channel, "q", "1").await;
    publish(&channel, "q", "2").await;
    assert_eq!(channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.unwrap(), 2);
    assert_eq!(counts(&channel, "q").await, (0, 0));
}

async fn deleting_what_is_not_there_is_no_error(target: &Target) {
    let channel = target.channel().await;
    assert_eq!(channel.queue_delete("none".into(), QueueDeleteOptions::default()).await.unwrap(), 0);
    channel.exchange_delete("none".into(), ExchangeDeleteOptions::default()).await.unwrap();
}

async fn a_queue_that_nobody_uses_expires(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-expires", int(100))])).await;
    bind(&channel, "q", "amq.fanout", "", FieldTable::default()).await;
    confirms(&channel).await;
    eventually("the queue's end", || async {
        publish_with(&channel, "amq.fanout", "", "x", Default::default()).await.take_message().is_some()
    })
    .await;
}

async fn an_exchange_in_use_is_kept(target: &Target) {
    let channel = target.channel().await;
    declare_exchange(&channel, "e", ExchangeKind::Direct, FieldTable::default()).await;
    declare(&channel, "q", FieldTable::default()).await;
    bind(&channel, "q", "e", "k", FieldTable::default()).await;
    let refused =
        channel.exchange_delete("e".into(), ExchangeDeleteOptions { if_unused: true, ..Default::default() }).await;
    assert_eq!(refusal(refused), (406, target.text("PRECONDITION_FAILED - exchange 'e' in vhost 'VHOST' in use")));
}

async fn an_empty_name_is_no_queue_to_look_for(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let refused = channel.queue_declare("".into(), options, FieldTable::default()).await;
    assert_eq!(refusal(refused), (404, target.text("NOT_FOUND - no queue '' in vhost 'VHOST'")));
}

async fn line_ends_are_taken_out_of_names(target: &Target) {
    let channel = target.channel().await;
    let queue = channel.queue_declare("a\r\nb".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    assert_eq!(queue.unwrap().name().as_str(), "ab");
    assert_eq!(counts(&channel, "ab").await, (0, 0));
    declare_exchange(&channel, "e\n", ExchangeKind::Fanout, FieldTable::default()).await;
    bind(&channel, "ab", "e", "", FieldTable::default()).await;
}

async fn an_exclusive_queue_is_never_durable(target: &Target) {
    let channel = target.channel().await;
    for durable in [true, false] {
        let options = QueueDeclareOptions { exclusive: true, durable, ..Default::default() };
        channel.queue_declare("q".into(), options, FieldTable::default()).await.unwrap();
    }
}

async fn unbinding_what_is_not_there_is_no_error(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    for (queue, exchange) in [("q", "amq.direct"), ("none", "amq.direct"), ("q", "none"), ("none", "none")] {
        channel.queue_unbind(queue.into(), exchange.into(), "k".into(), FieldTable::default()).await.unwrap();
    }
    let options = ExchangeUnbindOptions::default();
    let unbound = channel.exchange_unbind("none".into(), "none".into(), "k".into(), options, FieldTable::default());
    unbound.await.unwrap();
}

async fn is_returned(channel: &lapin::Channel, exchange: &str) -> bool {
    publish_with(channel, exchange, "k", "x", Default::default()).await.take_message().is_some()
}

async fn a_deleted_queue_takes_its_bindings_along(target: &Target) {
    let channel = target.channel().await;
    confirms(&channel).await;
    declare(&channel, "q", FieldTable::default()).await;
    bind(&channel, "q", "amq.direct", "k", FieldTable::default()).await;
    assert!(!is_returned(&channel, "amq.direct").await);
    channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    declare(&channel, "q", FieldTable::default()).await;
    assert!(is_returned(&channel, "amq.direct").await);
}

async fn a_deleted_exchange_takes_its_bindings_along(target: &Target) {
    let channel = target.channel().await;
    confirms(&channel).await;
    declare(&channel, "q", FieldTable::default()).await;
    declare_exchange(&channel, "e", ExchangeKind::Direct, FieldTable::default()).await;
    bind(&channel, "q", "e", "k", FieldTable::default()).await;
    channel.exchange_delete("e".into(), ExchangeDeleteOptions::default()).await.unwrap();
    declare_exchange(&channel, "e", ExchangeKind::Direct, FieldTable::default()).await;
    assert!(is_returned(&channel, "e").await);
}

async fn a_purge_leaves_what_is_out(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    confirms(&channel).await;
    for body in ["out", "ready"] {
        publish(&channel, "q", body).await;
    }
    let out = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    assert_eq!(channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.unwrap(), 1);
    out.delivery.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    assert_eq!(take(&channel, "q", 1).await, ["out"]);
}
