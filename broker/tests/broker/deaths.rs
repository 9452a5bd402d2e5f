//! Dead letters: where they go, and the history that they carry.

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};

use crate::harness::*;

conformance!(
    a_rejected_message_is_dead_lettered_with_its_history,
    an_expired_message_is_dead_lettered_without_its_expiration,
    an_expiration_of_minus_nought_is_nought,
    deaths_are_counted,
    the_first_death_is_remembered,
    a_history_of_the_publishers_own,
    a_circle_of_expiry_ends,
    a_circle_ends_though_somebody_rejected_before,
    a_dead_letter_exchange_may_come_later,
    the_default_exchange_takes_dead_letters,
    an_acked_purged_or_deleted_message_is_no_dead_letter,
);

/// The deaths of a message, without their times.
fn deaths(delivery: &lapin::message::Delivery) -> Vec<FieldTable> {
    let Some(AMQPValue::FieldArray(deaths)) = header(delivery, "x-death") else { return Vec::new() };
    let without_time = |death: &AMQPValue| {
        let AMQPValue::FieldTable(death) = death else { panic!("a death is a table: {death:?}") };
        assert!(matches!(death.inner().get("time"), Some(AMQPValue::Timestamp(_))));
        let mut rest = FieldTable::default();
        death.into_iter().filter(|(name, _)| name.as_str() != "time").for_each(|(name, value)| {
            rest.insert(name.clone(), value.clone());
        });
        rest
    };
    deaths.as_slice().iter().map(without_time).collect()
}

fn death(reason: &str, queue: &str, exchange: &str, key: &str, count: i64) -> FieldTable {
    table([
        ("count", AMQPValue::LongLongInt(count)),
        ("reason", long(reason)),
        ("queue", long(queue)),
        ("exchange", long(exchange)),
        ("routing-keys", AMQPValue::FieldArray(vec![long(key)].into())),
    ])
}

async fn a_rejected_message_is_dead_lettered_with_its_history(target: &Target) {
    let channel = with_dead_letters(target, "q", table([("x-dead-letter-routing-key", long("other"))])).await;
    publish(&channel, "q", "x").await;
    let message = channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    message.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = get(&channel, "dead").await;
    assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str(), dead.redelivered), ("amq.fanout", "other", false));
    assert_eq!(deaths(&dead), [death("rejected", "q", "", "q", 1)]);
    assert_eq!(header(&dead, "x-first-death-reason"), Some(long("rejected")));
    assert_eq!(header(&dead, "x-first-death-queue"), Some(long("q")));
    assert_eq!(header(&dead, "x-first-death-exchange"), Some(long("")));
}

async fn an_expired_message_is_dead_lettered_without_its_expiration(target: &Target) {
    let channel = with_dead_letters(target, "q", FieldTable::default()).await;
    publish_with(&channel, "", "q", "x", expiring("20").with_priority(1).with_correlation_id("c".into())).await;
    let dead = get(&channel, "dead").await;
    assert_eq!(dead.routing_key.as_str(), "q");
    assert_eq!(dead.properties.expiration(), &None);
    assert_eq!(dead.properties.priority(), &Some(1));
    assert_eq!(dead.properties.correlation_id().as_ref().unwrap().as_str(), "c");
    let mut expected = death("expired", "q", "", "q", 1);
    expected.insert("original-expiration".into(), long("20"));
    assert_eq!(deaths(&dead), [expected]);
}

async fn an_expiration_of_minus_nought_is_nought(target: &Target) {
    let channel = with_dead_letters(target, "q", FieldTable::default()).await;
    publish_with(&channel, "", "q", "x", expiring("-0")).await;
    assert_eq!(take(&channel, "dead", 1).await, ["x"]);
}

async fn deaths_are_counted(target: &Target) {
    let channel = target.channel().await;
    declare(
        &channel,
        "work",
        table([("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long("wait"))]),
    )
    .await;
    let back = table([
        ("x-dead-letter-exchange", long("")),
        ("x-dead-letter-routing-key", long("work")),
        ("x-message-ttl", int(20)),
    ]);
    declare(&channel, "wait", back).await;
    confirms(&channel).await;
    publish(&channel, "work", "x").await;
    let mut consumer = consume(&channel, "work").await;
    for _ in 0..2 {
        next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    }
    let third = next(&mut consumer).await;
    let expected = [death("expired", "wait", "", "wait", 2), death("rejected", "work", "", "work", 2)];
    assert_eq!(deaths(&third), expected);
}

async fn the_first_death_is_remembered(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "last", FieldTable::default()).await;
    let to = |queue: &str| [("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long(queue))];
    declare(&channel, "second", table([to("last")[0].clone(), to("last")[1].clone(), ("x-message-ttl", int(1))])).await;
    declare(&channel, "first", table(to("second"))).await;
    confirms(&channel).await;
    publish(&channel, "first", "x").await;
    let message = channel.basic_get("first".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    message.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let dead = get(&channel, "last").await;
    let told =
        |when: &str| ["reason", "queue", "exchange"].map(|what| header(&dead, &format!("x-{when}-death-{what}")));
    assert_eq!(told("first"), [Some(long("rejected")), Some(long("first")), Some(long(""))]);
    // RabbitMQ 4 tells the last, too.
    let last = [Some(long("expired")), Some(long("second")), Some(long(""))];
    assert_eq!(told("last"), if target.is_4() { last } else { [None, None, None] });
    assert_eq!(
        deaths(&dead),
        [death("expired", "second", "", "second", 1), death("rejected", "first", "", "first", 1)]
    );
}

/// Up to RabbitMQ 3 a publisher may bring a history along; RabbitMQ 4 keeps its own.
async fn a_history_of_the_publishers_own(target: &Target) {
    let channel = with_dead_letters(target, "q", FieldTable::default()).await;
    let history = AMQPValue::FieldArray(
        vec![AMQPValue::FieldTable(table([
            ("queue", long("q")),
            ("reason", long("expired")),
            ("count", AMQPValue::LongLongInt(7)),
        ]))]
        .into(),
    );
    let properties = expiring("1").with_headers(table([("x-death", history)]));
    publish_with(&channel, "", "q", "x", properties).await;
    let dead = get(&channel, "dead").await;
    let Some(AMQPValue::FieldArray(deaths)) = header(&dead, "x-death") else { panic!("it died") };
    let [AMQPValue::FieldTable(death)] = deaths.as_slice() else { panic!("{deaths:?}") };
    let (count, first) = if target.is_4() { (1, Some(long("expired"))) } else { (8, None) };
    assert_eq!(death.inner().get("count"), Some(&AMQPValue::LongLongInt(count)));
    assert_eq!(header(&dead, "x-first-death-reason"), first);
}

async fn a_circle_of_expiry_ends(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-dead-letter-exchange", long("")), ("x-message-ttl", int(10))])).await;
    confirms(&channel).await;
    publish(&channel, "q", "x").await;
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
    let_pass(&channel, 50).await;
    assert!(is_empty(&channel, "q").await);
}

async fn a_circle_ends_though_somebody_rejected_before(target: &Target) {
    let channel = target.channel().await;
    let to_wait = [("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long("wait"))];
    declare(&channel, "work", table(to_wait.clone())).await;
    declare(&channel, "wait", table([to_wait[0].clone(), to_wait[1].clone(), ("x-message-ttl", int(10))])).await;
    confirms(&channel).await;
    publish(&channel, "work", "x").await;
    let message = channel.basic_get("work".into(), BasicGetOptions::default()).await.unwrap().unwrap();
    message.delivery.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    // It waits once, and would come from there to where it is.
    eventually("its end", || async { ready(&channel, "wait").await == 0 }).await;
    let_pass(&channel, 50).await;
    assert!(is_empty(&channel, "wait").await);
}

async fn a_dead_letter_exchange_may_come_later(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "q", table([("x-dead-letter-exchange", long("later"))])).await;
    declare(&channel, "dead", FieldTable::default()).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "lost", expiring("1")).await;
    eventually("its end", || async { ready(&channel, "q").await == 0 }).await;
    declare_exchange(&channel, "later", lapin::ExchangeKind::Fanout, FieldTable::default()).await;
    bind(&channel, "dead", "later", "", FieldTable::default()).await;
    publish_with(&channel, "", "q", "kept", expiring("1")).await;
    assert_eq!(take(&channel, "dead", 1).await, ["kept"]);
}

async fn the_default_exchange_takes_dead_letters(target: &Target) {
    let channel = target.channel().await;
    declare(&channel, "dead", FieldTable::default()).await;
    let arguments = table([("x-dead-letter-exchange", long("")), ("x-dead-letter-routing-key", long("dead"))]);
    declare(&channel, "q", arguments).await;
    confirms(&channel).await;
    publish_with(&channel, "", "q", "x", expiring("1")).await;
    let dead = get(&channel, "dead").await;
    assert_eq!((dead.exchange.as_str(), dead.routing_key.as_str()), ("", "dead"));
}

async fn an_acked_purged_or_deleted_message_is_no_dead_letter(target: &Target) {
    let channel = with_dead_letters(target, "q", FieldTable::default()).await;
    for body in ["acked", "purged"] {
        publish(&channel, "q", body).await;
    }
    take(&channel, "q", 1).await;
    channel.queue_purge("q".into(), QueuePurgeOptions::default()).await.unwrap();
    publish(&channel, "q", "deleted").await;
    channel.queue_delete("q".into(), QueueDeleteOptions::default()).await.unwrap();
    assert!(is_empty(&channel, "dead").await);
}
