//! What queues and consumers are asked for with `x-` arguments, and the texts of what is refused.

use lapin::Channel;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};

use crate::harness::*;

conformance!(
    wrong_arguments_are_refused,
    arguments_of_other_queue_types_are_refused,
    arguments_that_nobody_knows_are_taken,
    a_quorum_queue_is_durable_shared_and_named,
    a_queues_type_is_compared,
    a_time_of_ten_years_is_the_longest,
    wrong_arguments_of_consumers_are_refused,
    an_alternate_exchange_is_named_by_a_text,
);

const TRANSIENT: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: false, exclusive: false, auto_delete: false, nowait: false };
const DURABLE: QueueDeclareOptions = QueueDeclareOptions { durable: true, ..TRANSIENT };

async fn refused(target: &Target, options: QueueDeclareOptions, arguments: FieldTable) -> (u16, String) {
    ask(target, |channel| async move { channel.queue_declare("q".into(), options, arguments).await }).await
}

/// One argument of a transient queue, and why it is refused.
async fn expect(target: &Target, name: &str, value: AMQPValue, reason: &str) {
    let text = format!("invalid arg '{name}' for queue 'q' in vhost 'VHOST': {reason}");
    assert_eq!(refused(target, TRANSIENT, table([(name, value)])).await, precondition(target, &text));
}

async fn wrong_arguments_are_refused(target: &Target) {
    expect(target, "x-message-ttl", int(-1), "{value_negative,-1}").await;
    expect(target, "x-message-ttl", long("soon"), "\"expected integer, got longstr\"").await;
    expect(target, "x-expires", int(0), "{value_zero,0}").await;
    expect(target, "x-max-length", int(-1), "{value_negative,-1}").await;
    expect(target, "x-max-priority", int(256), "{max_value_exceeded,256}").await;
    expect(target, "x-overflow", long("explode"), "invalid_overflow").await;
    expect(target, "x-overflow", int(1), "{unacceptable_type,signedint}").await;
    expect(target, "x-queue-mode", long("eager"), "\"unsupported queue mode 'eager'\"").await;
    expect(target, "x-queue-version", int(3), "\"unsupported queue version '3'\"").await;
    expect(target, "x-single-active-consumer", long("yes"), "{unacceptable_type,longstr}").await;
    expect(target, "x-dead-letter-routing-key", long("k"), "routing_key_but_no_dlx_defined").await;
    expect(target, "x-queue-type", long("nonsense"), "\"unsupported queue type 'nonsense'\"").await;
    expect(target, "x-queue-type", int(1), "{unacceptable_type,signedint}").await;
    let text = "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost 'VHOST'";
    let no_name = table([("x-dead-letter-exchange", int(1))]);
    assert_eq!(refused(target, TRANSIENT, no_name).await, precondition(target, text));
}

async fn arguments_of_other_queue_types_are_refused(target: &Target) {
    for name in ["x-delivery-limit", "x-dead-letter-strategy", "x-max-age"] {
        let text = format!("invalid arg '{name}' for queue 'q' in vhost 'VHOST' of queue type rabbit_classic_queue");
        assert_eq!(refused(target, TRANSIENT, table([(name, int(1))])).await, precondition(target, &text));
    }
    for name in ["x-max-priority", "x-queue-mode"] {
        let arguments = table([("x-queue-type", long("quorum")), (name, int(1))]);
        let text = format!("invalid arg '{name}' for queue 'q' in vhost 'VHOST' of queue type rabbit_quorum_queue");
        assert_eq!(refused(target, DURABLE, arguments).await, precondition(target, &text));
    }
}

async fn arguments_that_nobody_knows_are_taken(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-mine", int(1)), ("yours", AMQPValue::Void)])).await;
    // Nor are they compared.
    declare(&channel, "q", FieldTable::default()).await;
}

async fn a_quorum_queue_is_durable_shared_and_named(target: &Target) {
    let quorum = || table([("x-queue-type", long("quorum"))]);
    for (property, options) in [
        ("non-durable", TRANSIENT),
        ("exclusive-owner", QueueDeclareOptions { exclusive: true, ..DURABLE }),
        ("auto-delete", QueueDeclareOptions { auto_delete: true, ..DURABLE }),
    ] {
        let text = format!("invalid property '{property}' for queue 'q' in vhost 'VHOST'");
        assert_eq!(refused(target, options, quorum()).await, precondition(target, &text));
    }
    let unnamed = |channel: Channel| async move { channel.queue_declare("".into(), DURABLE, quorum()).await };
    let text = "Cannot declare a server-named queue for type rabbit_quorum_queue";
    assert_eq!(ask(target, unnamed).await, precondition(target, text));
    let strategy = table([("x-queue-type", long("quorum")), ("x-dead-letter-strategy", long("perhaps"))]);
    let text = "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost 'VHOST': invalid_dlx_strategy";
    assert_eq!(refused(target, DURABLE, strategy).await, precondition(target, text));
}

async fn a_queues_type_is_compared(target: &Target) {
    let channel = target.channel().await;
    declare_durable(&channel, "q", FieldTable::default()).await;
    declare_durable(&channel, "q", table([("x-queue-type", long("classic"))])).await;
    let inequivalent = "inequivalent arg 'x-queue-type' for queue 'q' in vhost 'VHOST'";
    let asked = refused(target, DURABLE, table([("x-queue-type", long("quorum"))])).await;
    // RabbitMQ 4 writes down the type of a queue that is declared without one.
    let text = if target.is_4() {
        format!("{inequivalent}: received 'quorum' but current is 'classic'")
    } else {
        format!("{inequivalent}: received the value 'quorum' of type 'longstr' but current is none")
    };
    assert_eq!(asked, precondition(target, &text));
}

async fn a_time_of_ten_years_is_the_longest(target: &Target) {
    let channel = target.channel().await;
    let years = AMQPValue::LongLongInt;
    declare(&channel, "long", table([("x-message-ttl", years(315_360_000_000))])).await;
    expect(target, "x-message-ttl", years(315_360_000_001), "{value_too_large,315360000001}").await;
    expect(target, "x-expires", years(315_360_000_001), "{value_too_large,315360000001}").await;
}

async fn wrong_arguments_of_consumers_are_refused(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", FieldTable::default()).await;
    let consume = |arguments: FieldTable| {
        ask(target, |channel| async move {
            channel.basic_consume("q".into(), "".into(), BasicConsumeOptions::default(), arguments).await
        })
    };
    let text = "invalid arg 'x-priority' for queue 'q' in vhost 'VHOST': \"expected integer, got longstr\"";
    assert_eq!(consume(table([("x-priority", long("high"))])).await, precondition(target, text));
    let text = "invalid arg 'x-stream-offset' for queue 'q' in vhost 'VHOST' of queue type rabbit_classic_queue";
    assert_eq!(consume(table([("x-stream-offset", int(1))])).await, precondition(target, text));
}

async fn an_alternate_exchange_is_named_by_a_text(target: &Target) {
    let declare = |channel: Channel| async move {
        let arguments = table([("alternate-exchange", int(1))]);
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare("e".into(), lapin::ExchangeKind::Direct, options, arguments).await
    };
    let text = "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'e' in vhost 'VHOST'";
    assert_eq!(ask(target, declare).await, precondition(target, text));
}
