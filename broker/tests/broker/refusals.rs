//! What is refused, with which code and text.

use futures::StreamExt;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

use crate::harness::*;

conformance!(
    queues_are_declared_again_only_as_they_were,
    exchanges_are_declared_again_only_as_they_were,
    what_is_not_there_is_not_found,
    reserved_names_are_refused,
    the_default_exchange_is_left_alone,
    an_exclusive_queue_is_locked_for_others,
    an_unknown_tag_closes_the_channel,
    a_forged_user_id_is_refused,
    a_wrong_expiration_is_refused,
    an_internal_exchange_takes_nothing,
    a_consumer_tag_is_used_once,
    an_unknown_exchange_type_ends_the_connection,
    a_wrong_x_match_is_refused,
    what_rabbitmq_does_not_implement_is_540,
    a_wrong_password_is_refused,
    an_unknown_vhost_is_refused,
);

async fn queue_again(target: &Target, options: QueueDeclareOptions, arguments: FieldTable) -> (u16, String) {
    ask(target, |channel| async move { channel.queue_declare("q".into(), options, arguments).await }).await
}

async fn queues_are_declared_again_only_as_they_were(target: &Target) {
    let channel = target.channel().await;
    declare_durable(&channel, "q", table([("x-message-ttl", int(1000))])).await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let refused = queue_again(target, QueueDeclareOptions::default(), FieldTable::default()).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in vhost 'VHOST': received 'false' but \
        current is 'true'";
    assert_eq!(refused, (406, target.text(text)));
    let refused = queue_again(target, durable, FieldTable::default()).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost 'VHOST': received none \
        but current is the value '1000' of type 'signedint'";
    assert_eq!(refused, (406, target.text(text)));
    let refused = queue_again(target, durable, table([("x-message-ttl", int(5))])).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost 'VHOST': received '5' \
        but current is '1000'";
    assert_eq!(refused, (406, target.text(text)));
    let more = table([("x-message-ttl", int(1000)), ("x-max-length", int(5)), ("x-overflow", long("drop-head"))]);
    let refused = queue_again(target, durable, more).await;
    assert_eq!(refused.0, 406);
    // Another width of the same number is the same.
    declare_durable(&channel, "q", table([("x-message-ttl", AMQPValue::LongLongInt(1000))])).await;
    declare_durable(&channel, "q", table([("x-message-ttl", int(1000)), ("x-queue-type", long("classic"))])).await;
}

async fn exchanges_are_declared_again_only_as_they_were(target: &Target) {
    let channel = target.channel().await;
    declare_exchange(&channel, "e", ExchangeKind::Direct, FieldTable::default()).await;
    let again = |kind, options, arguments| {
        ask(target, move |channel: Channel| async move {
            channel.exchange_declare("e".into(), kind, options, arguments).await
        })
    };
    let refused = again(ExchangeKind::Fanout, ExchangeDeclareOptions::default(), FieldTable::default()).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost 'VHOST': received 'fanout' but \
        current is 'direct'";
    assert_eq!(refused, (406, target.text(text)));
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    let refused = again(ExchangeKind::Direct, durable, FieldTable::default()).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'e' in vhost 'VHOST': received 'true' \
        but current is 'false'";
    assert_eq!(refused, (406, target.text(text)));
    let arguments = table([("alternate-exchange", long("other"))]);
    let refused = again(ExchangeKind::Direct, ExchangeDeclareOptions::default(), arguments).await;
    let text = "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange 'e' in vhost 'VHOST': \
        received the value 'other' of type 'longstr' but current is none";
    assert_eq!(refused, (406, target.text(text)));
}

async fn what_is_not_there_is_not_found(target: &Target) {
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    let no_queue = (404, target.text("NOT_FOUND - no queue 'q' in vhost 'VHOST'"));
    let no_exchange = (404, target.text("NOT_FOUND - no exchange 'e' in vhost 'VHOST'"));
    assert_eq!(queue_again(target, passive, FieldTable::default()).await, no_queue);
    let consume = |channel: Channel| async move {
        channel.basic_consume("q".into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
    };
    assert_eq!(ask(target, consume).await, no_queue);
    let get = |channel: Channel| async move { channel.basic_get("q".into(), BasicGetOptions::default()).await };
    assert_eq!(ask(target, get).await, no_queue);
    let purge = |channel: Channel| async move { channel.queue_purge("q".into(), QueuePurgeOptions::default()).await };
    assert_eq!(ask(target, purge).await, no_queue);
    let publish = |channel: Channel| async move {
        confirms(&channel).await;
        let options = BasicPublishOptions::default();
        channel.basic_publish("e".into(), "k".into(), options, b"x", BasicProperties::default()).await?.await
    };
    assert_eq!(ask(target, publish).await, no_exchange);
    let bind = |channel: Channel| async move {
        declare(&channel, "there", FieldTable::default()).await;
        channel
            .queue_bind("there".into(), "e".into(), "k".into(), QueueBindOptions::default(), FieldTable::default())
            .await
    };
    assert_eq!(ask(target, bind).await, no_exchange);
    let unnamed = |channel: Channel| async move { channel.basic_get("".into(), BasicGetOptions::default()).await };
    assert_eq!(ask(target, unnamed).await, (404, "NOT_FOUND - no previously declared queue".to_owned()));
}

async fn reserved_names_are_refused(target: &Target) {
    let queue = |channel: Channel| async move {
        channel.queue_declare("amq.mine".into(), QueueDeclareOptions::default(), FieldTable::default()).await
    };
    let text = "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'";
    assert_eq!(ask(target, queue).await, (403, text.to_owned()));
    let exchange = |channel: Channel| async move {
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare("amq.mine".into(), ExchangeKind::Direct, options, FieldTable::default()).await
    };
    let text = "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'";
    assert_eq!(ask(target, exchange).await, (403, text.to_owned()));
    let delete = |channel: Channel| async move {
        channel.exchange_delete("amq.direct".into(), ExchangeDeleteOptions::default()).await
    };
    let text = target.text("ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost 'VHOST' not allowed");
    assert_eq!(ask(target, delete).await, (403, text));
}

async fn the_default_exchange_is_left_alone(target: &Target) {
    let expected = (403, "ACCESS_REFUSED - operation not permitted on the default exchange".to_owned());
    let bind = |channel: Channel| async move {
        declare(&channel, "q", FieldTable::default()).await;
        channel.queue_bind("q".into(), "".into(), "k".into(), QueueBindOptions::default(), FieldTable::default()).await
    };
    assert_eq!(ask(target, bind).await, expected);
    let delete =
        |channel: Channel| async move { channel.exchange_delete("".into(), ExchangeDeleteOptions::default()).await };
    assert_eq!(ask(target, delete).await, expected);
}

async fn an_exclusive_queue_is_locked_for_others(target: &Target) {
    let owner = target.channel().await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    owner.queue_declare("q".into(), exclusive, FieldTable::default()).await.unwrap();
    let text = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost 'VHOST'. It could be \
        originally declared on another connection or the exclusive property value does not match that of the original \
        declaration.";
    let text = target.text(text);
    let locked = (405, if text.len() > 255 { format!("{}...", &text[..252]) } else { text });
    assert_eq!(queue_again(target, exclusive, FieldTable::default()).await, locked);
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    assert_eq!(queue_again(target, passive, FieldTable::default()).await, locked);
    let delete =
        |channel: Channel| async move { channel.queue_delete("q".into(), QueueDeleteOptions::default()).await };
    assert_eq!(ask(target, delete).await, locked);
    let own = owner.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    assert_eq!(refusal(own), locked);
}

async fn an_unknown_tag_closes_the_channel(target: &Target) {
    let unknown = |channel: Channel| async move {
        declare(&channel, "q", FieldTable::default()).await;
        let mut consumer = consume(&channel, "q").await;
        channel.basic_ack(99, BasicAckOptions::default()).await?;
        // An ack has no answer: the consumer hears why its channel was closed.
        soon("the refusal", consumer.next()).await.expect("it is told")
    };
    assert_eq!(ask(target, unknown).await, (406, "PRECONDITION_FAILED - unknown delivery tag 99".to_owned()));
}

async fn publish_refused(target: &Target, exchange: &'static str, properties: BasicProperties) -> (u16, String) {
    ask(target, |channel| async move {
        confirms(&channel).await;
        let options = BasicPublishOptions::default();
        channel.basic_publish(exchange.into(), "k".into(), options, b"x", properties).await?.await
    })
    .await
}

async fn a_forged_user_id_is_refused(target: &Target) {
    let properties = BasicProperties::default().with_user_id("root".into());
    let text = "PRECONDITION_FAILED - user_id property set to 'root' but authenticated user was 'guest'";
    assert_eq!(publish_refused(target, "amq.direct", properties).await, (406, text.to_owned()));
}

async fn a_wrong_expiration_is_refused(target: &Target) {
    let mut refusals = Vec::new();
    for expiration in ["soon", "-1", "5s"] {
        let properties = BasicProperties::default().with_expiration(expiration.into());
        refusals.push(publish_refused(target, "amq.direct", properties).await);
    }
    let expected = [
        "invalid expiration 'soon': no_integer",
        "invalid expiration '-1': {value_negative,-1}",
        "invalid expiration '5s': {leftover_string,\"s\"}",
    ];
    assert_eq!(refusals, expected.map(|text| (406, format!("PRECONDITION_FAILED - {text}"))));
}

async fn an_internal_exchange_takes_nothing(target: &Target) {
    let channel = target.channel().await;
    let options = ExchangeDeclareOptions { internal: true, ..Default::default() };
    channel.exchange_declare("inside".into(), ExchangeKind::Fanout, options, FieldTable::default()).await.unwrap();
    let refused = publish_refused(target, "inside", BasicProperties::default()).await;
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'inside' in vhost 'VHOST'";
    assert_eq!(refused, (403, target.text(text)));
}

async fn a_consumer_tag_is_used_once(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let _first = consume_with(&channel, "q", "tag", BasicConsumeOptions::default(), FieldTable::default()).await;
    let second =
        channel.basic_consume("q".into(), "tag".into(), BasicConsumeOptions::default(), FieldTable::default()).await;
    assert_eq!(refusal(second), (530, "NOT_ALLOWED - attempt to reuse consumer tag 'tag'".to_owned()));
}

async fn an_unknown_exchange_type_ends_the_connection(target: &Target) {
    let declare = |channel: Channel| async move {
        let kind = ExchangeKind::Custom("carousel".to_owned());
        channel.exchange_declare("e".into(), kind, ExchangeDeclareOptions::default(), FieldTable::default()).await
    };
    let text = "unknown exchange type 'carousel'";
    // RabbitMQ 4 closes the channel only.
    let expected = if target.is_4() { precondition(target, text) } else { (503, format!("COMMAND_INVALID - {text}")) };
    assert_eq!(ask(target, declare).await, expected);
}

async fn a_wrong_x_match_is_refused(target: &Target) {
    for (value, text) in [
        (long("some"), "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"),
        (int(1), "Invalid x-match field type signedint (value 1); expected longstr"),
    ] {
        let bind = |channel: Channel| async move {
            declare(&channel, "q", FieldTable::default()).await;
            let arguments = table([("x-match", value)]);
            channel
                .queue_bind("q".into(), "amq.headers".into(), "".into(), QueueBindOptions::default(), arguments)
                .await
        };
        assert_eq!(ask(target, bind).await, precondition(target, text));
    }
}

async fn what_rabbitmq_does_not_implement_is_540(target: &Target) {
    let recover = |channel: Channel| async move { channel.basic_recover(BasicRecoverOptions { requeue: false }).await };
    assert_eq!(ask(target, recover).await, (540, "NOT_IMPLEMENTED - requeue=false".to_owned()));
    let flow = |channel: Channel| async move { channel.channel_flow(ChannelFlowOptions { active: false }).await };
    assert_eq!(ask(target, flow).await, (540, "NOT_IMPLEMENTED - active=false".to_owned()));
    let immediate = |channel: Channel| async move {
        confirms(&channel).await;
        let options = BasicPublishOptions { immediate: true, ..Default::default() };
        channel.basic_publish("".into(), "q".into(), options, b"x", BasicProperties::default()).await?.await
    };
    assert_eq!(ask(target, immediate).await, (540, "NOT_IMPLEMENTED - immediate=true".to_owned()));
}

async fn a_wrong_password_is_refused(target: &Target) {
    let url = target.url.replace("guest:guest@", "guest:wrong@");
    let refused = Connection::connect(&url, ConnectionProperties::default()).await;
    let text =
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    assert_eq!(refusal(refused), (403, text.to_owned()));
}

async fn an_unknown_vhost_is_refused(target: &Target) {
    let (server, _) = target.url.rsplit_once('/').unwrap();
    let refused = Connection::connect(&format!("{server}/nowhere"), ConnectionProperties::default()).await;
    assert_eq!(refusal(refused), (530, "NOT_ALLOWED - vhost nowhere not found".to_owned()));
}

#[tokio::test]
async fn transactions_are_refused() {
    let target = Target::embedded().await;
    let select = |channel: Channel| async move { channel.tx_select().await };
    assert_eq!(ask(&target, select).await.0, 540);
}

#[tokio::test]
async fn streams_are_refused() {
    let target = Target::embedded().await;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let refused = queue_again(&target, durable, table([("x-queue-type", long("stream"))])).await;
    let text = "invalid arg 'x-queue-type' for queue 'q' in vhost 'VHOST': \"unsupported queue type 'stream'\"";
    assert_eq!(refused, precondition(&target, text));
}

#[tokio::test]
async fn a_dead_letter_key_that_cannot_be_sent_is_refused() {
    let target = Target::embedded().await;
    let key = "k".repeat(256);
    let arguments = table([("x-dead-letter-exchange", long("e")), ("x-dead-letter-routing-key", long(&key))]);
    let refused = queue_again(&target, QueueDeclareOptions::default(), arguments).await;
    let text = "invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost 'VHOST': \"longer than 255 bytes\"";
    assert_eq!(refused, precondition(&target, text));
}
