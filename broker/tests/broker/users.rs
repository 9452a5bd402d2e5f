//! Users, their permissions, and vhosts.

use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use warren_broker::{Broker, Options, Permissions, UserOptions};

use crate::harness::*;

conformance!(
    queues_are_configured_written_and_read_with_permission,
    exchanges_are_configured_with_permission,
    the_default_exchange_has_a_name_in_permissions,
    a_binding_needs_both_ends,
    a_dead_letter_exchange_must_be_writable,
    an_alternate_exchange_must_be_writable,
    permission_is_asked_for_before_existence,
    looking_needs_no_permission,
    a_user_may_claim_to_be_itself,
    a_user_enters_only_its_vhosts,
);

/// Runs `ask` on a channel of the limited user, and says how it was refused.
async fn ask_limited<T, F: Future<Output = lapin::Result<T>>>(
    target: &Target,
    ask: impl FnOnce(Channel) -> F,
) -> (u16, String) {
    refusal(ask(target.channel_of(LIMITED).await).await)
}

/// RabbitMQ 4 names the access.
fn denied(target: &Target, access: &str, resource: &str) -> (u16, String) {
    let access = if target.is_4() { format!("{access} access") } else { "access".to_owned() };
    let text = format!("ACCESS_REFUSED - {access} to {resource} in vhost 'VHOST' refused for user '{LIMITED}'");
    (403, target.text(&text))
}

/// Queues of somebody else's and of the user's own.
async fn with_queues(target: &Target) -> Channel {
    let channel = target.channel().await;
    declare(&channel, "yours", FieldTable::default()).await;
    declare(&channel, "mine-q", FieldTable::default()).await;
    channel
}

async fn queues_are_configured_written_and_read_with_permission(target: &Target) {
    let _channel = with_queues(target).await;
    let allowed = target.channel_of(LIMITED).await;
    declare(&allowed, "mine-q", FieldTable::default()).await;
    assert!(is_empty(&allowed, "mine-q").await);
    consume(&allowed, "mine-q").await;
    let (configure, read) = (denied(target, "configure", "queue 'yours'"), denied(target, "read", "queue 'yours'"));
    let declare = |channel: Channel| async move {
        channel.queue_declare("yours".into(), QueueDeclareOptions::default(), FieldTable::default()).await
    };
    assert_eq!(ask_limited(target, declare).await, configure);
    let delete =
        |channel: Channel| async move { channel.queue_delete("yours".into(), QueueDeleteOptions::default()).await };
    assert_eq!(ask_limited(target, delete).await, configure);
    let get = |channel: Channel| async move { channel.basic_get("yours".into(), BasicGetOptions::default()).await };
    assert_eq!(ask_limited(target, get).await, read);
    let consume = |channel: Channel| async move {
        channel.basic_consume("yours".into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
    };
    assert_eq!(ask_limited(target, consume).await, read);
    let purge =
        |channel: Channel| async move { channel.queue_purge("yours".into(), QueuePurgeOptions::default()).await };
    assert_eq!(ask_limited(target, purge).await, read);
}

async fn exchanges_are_configured_with_permission(target: &Target) {
    let allowed = target.channel_of(LIMITED).await;
    declare_exchange(&allowed, "mine-e", ExchangeKind::Fanout, FieldTable::default()).await;
    let declare = |channel: Channel| async move {
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare("yours".into(), ExchangeKind::Fanout, options, FieldTable::default()).await
    };
    assert_eq!(ask_limited(target, declare).await, denied(target, "configure", "exchange 'yours'"));
    let delete = |channel: Channel| async move {
        channel.exchange_delete("yours".into(), ExchangeDeleteOptions::default()).await
    };
    assert_eq!(ask_limited(target, delete).await, denied(target, "configure", "exchange 'yours'"));
}

async fn publish_limited(target: &Target, exchange: &'static str) -> (u16, String) {
    let publish = |channel: Channel| async move {
        confirms(&channel).await;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish(exchange.into(), "mine-q".into(), options, b"x", properties).await?.await
    };
    ask_limited(target, publish).await
}

async fn the_default_exchange_has_a_name_in_permissions(target: &Target) {
    let _channel = with_queues(target).await;
    assert_eq!(publish_limited(target, "").await, denied(target, "write", "exchange 'amq.default'"));
    assert_eq!(publish_limited(target, "amq.fanout").await, denied(target, "write", "exchange 'amq.fanout'"));
    let allowed = target.channel_of(LIMITED).await;
    confirms(&allowed).await;
    let confirm = publish_with(&allowed, "amq.direct", "nowhere", "x", BasicProperties::default()).await;
    assert!(is_ack(&confirm));
}

async fn a_binding_needs_both_ends(target: &Target) {
    let channel = with_queues(target).await;
    declare_exchange(&channel, "mine-e", ExchangeKind::Topic, FieldTable::default()).await;
    let allowed = target.channel_of(LIMITED).await;
    bind(&allowed, "mine-q", "mine-e", "a.#", FieldTable::default()).await;
    let bind = |queue: &'static str, exchange: &'static str| {
        move |channel: Channel| async move {
            let options = QueueBindOptions::default();
            channel.queue_bind(queue.into(), exchange.into(), "k".into(), options, FieldTable::default()).await
        }
    };
    assert_eq!(ask_limited(target, bind("yours", "mine-e")).await, denied(target, "write", "queue 'yours'"));
    assert_eq!(ask_limited(target, bind("mine-q", "amq.topic")).await, denied(target, "read", "exchange 'amq.topic'"));
    let bind = |destination: &'static str, source: &'static str| {
        move |channel: Channel| async move {
            let options = ExchangeBindOptions::default();
            channel.exchange_bind(destination.into(), source.into(), "k".into(), options, FieldTable::default()).await
        }
    };
    assert_eq!(ask_limited(target, bind("amq.topic", "mine-e")).await, denied(target, "write", "exchange 'amq.topic'"));
    assert_eq!(
        ask_limited(target, bind("mine-e", "amq.direct")).await,
        denied(target, "read", "exchange 'amq.direct'")
    );
}

async fn a_dead_letter_exchange_must_be_writable(target: &Target) {
    let allowed = target.channel_of(LIMITED).await;
    declare(&allowed, "mine-1", table([("x-dead-letter-exchange", long("amq.direct"))])).await;
    let dead_letters_to = |exchange: &'static str| {
        move |channel: Channel| async move {
            let arguments = table([("x-dead-letter-exchange", long(exchange))]);
            channel.queue_declare("mine-2".into(), QueueDeclareOptions::default(), arguments).await
        }
    };
    assert_eq!(
        ask_limited(target, dead_letters_to("amq.fanout")).await,
        denied(target, "write", "exchange 'amq.fanout'")
    );
    assert_eq!(ask_limited(target, dead_letters_to("")).await, denied(target, "write", "exchange 'amq.default'"));
}

async fn an_alternate_exchange_must_be_writable(target: &Target) {
    let allowed = target.channel_of(LIMITED).await;
    let arguments = table([("alternate-exchange", long("amq.direct"))]);
    declare_exchange(&allowed, "mine-1", ExchangeKind::Direct, arguments).await;
    let declare = |channel: Channel| async move {
        let arguments = table([("alternate-exchange", long("amq.fanout"))]);
        let options = ExchangeDeclareOptions::default();
        channel.exchange_declare("mine-2".into(), ExchangeKind::Direct, options, arguments).await
    };
    assert_eq!(ask_limited(target, declare).await, denied(target, "write", "exchange 'amq.fanout'"));
}

async fn permission_is_asked_for_before_existence(target: &Target) {
    let get = |channel: Channel| async move { channel.basic_get("nothing".into(), BasicGetOptions::default()).await };
    assert_eq!(ask_limited(target, get).await, denied(target, "read", "queue 'nothing'"));
    assert_eq!(publish_limited(target, "nothing").await, denied(target, "write", "exchange 'nothing'"));
}

async fn looking_needs_no_permission(target: &Target) {
    let _channel = with_queues(target).await;
    let looking = target.channel_of(LIMITED).await;
    assert_eq!(counts(&looking, "yours").await, (0, 0));
    let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
    looking.exchange_declare("amq.fanout".into(), ExchangeKind::Fanout, passive, FieldTable::default()).await.unwrap();
}

async fn a_user_may_claim_to_be_itself(target: &Target) {
    let channel = target.channel_of(LIMITED).await;
    declare(&channel, "mine-q", FieldTable::default()).await;
    declare_exchange(&channel, "mine-e", ExchangeKind::Fanout, FieldTable::default()).await;
    bind(&channel, "mine-q", "mine-e", "", FieldTable::default()).await;
    confirms(&channel).await;
    let claim = BasicProperties::default().with_user_id(LIMITED.into());
    publish_with(&channel, "mine-e", "", "x", claim).await;
    assert_eq!(get(&channel, "mine-q").await.properties.user_id().as_ref().unwrap().as_str(), LIMITED);
    let forged = |channel: Channel| async move {
        confirms(&channel).await;
        let claim = BasicProperties::default().with_user_id("guest".into());
        channel.basic_publish("mine-e".into(), "".into(), BasicPublishOptions::default(), b"x", claim).await?.await
    };
    let text = "user_id property set to 'guest' but authenticated user was 'limited'";
    assert_eq!(ask_limited(target, forged).await, precondition(target, text));
}

async fn a_user_enters_only_its_vhosts(target: &Target) {
    let refused = Connection::connect(&target.url_of(STRANGER), ConnectionProperties::default()).await;
    let text = format!("NOT_ALLOWED - access to vhost 'VHOST' refused for user '{STRANGER}'");
    assert_eq!(refusal(refused), (530, target.text(&text)));
}

#[tokio::test]
async fn a_pattern_that_is_none_is_refused_at_start() {
    let permissions = Permissions { configure: "(".to_owned(), ..Permissions::all() };
    let options = Options { users: vec![UserOptions::new("u", "p").permitted("/", permissions)], ..Options::default() };
    let error = Broker::start(options).await.unwrap_err().to_string();
    assert!(error.starts_with("user \"u\": the permission \"(\" is not a regular expression"), "{error}");
}
