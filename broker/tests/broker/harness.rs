//! What the cases share: a broker of either kind, short ways to say things to it, and patience.

use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use lapin::Confirmation;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use warren_broker::{Broker, Options, Permissions, UserOptions};
pub(crate) use warren_testing::{eventually, soon};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Which broker a case runs on. A case that sees a difference says so by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Embedded,
    /// 3.10, from Debian 12: what the embedded broker follows.
    RabbitMq3,
    /// 4.0, from Debian trixie.
    RabbitMq4,
}

/// The user [`LIMITED`] may do no more than this, and the user [`STRANGER`] may enter no vhost. Both have the password
/// `p`.
pub(crate) const CONFIGURE: &str = "^mine-";
pub(crate) const WRITE: &str = "^(mine-|amq[.]direct$)";
pub(crate) const READ: &str = "^mine-";
pub(crate) const LIMITED: &str = "limited";
pub(crate) const STRANGER: &str = "stranger";

/// A vhost of its own on one of the brokers.
pub(crate) struct Target {
    pub(crate) flavour: Flavour,
    pub(crate) url: String,
    pub(crate) vhost: String,
    embedded: Option<Broker>,
}

impl Target {
    pub(crate) async fn embedded() -> Target {
        let permissions =
            Permissions { configure: CONFIGURE.to_owned(), write: WRITE.to_owned(), read: READ.to_owned() };
        let stranger = UserOptions { permissions: Some(Vec::new()), ..UserOptions::new(STRANGER, "p") };
        let limited = UserOptions::new(LIMITED, "p").permitted("/", permissions);
        let users = vec![UserOptions::new("guest", "guest"), limited, stranger];
        Target::with(Options { users, ..Options::default() }).await
    }

    /// An embedded broker of any kind.
    pub(crate) async fn with(options: Options) -> Target {
        let broker = Broker::start(options).await.unwrap();
        Target { flavour: Flavour::Embedded, url: broker.url(), vhost: "/".to_owned(), embedded: Some(broker) }
    }

    /// The embedded broker, to do something to it.
    pub(crate) fn broker(&self) -> &Broker {
        self.embedded.as_ref().expect("only an embedded broker is asked for")
    }

    pub(crate) async fn rabbitmq() -> Option<Target> {
        let node = warren_rabbitmq::testing::node_or_skip().await?;
        let url = fresh_vhost(node).await;
        let vhost = url.rsplit('/').next().unwrap().to_owned();
        let is_4 = warren_rabbitmq::wanted_flavour() == Some(warren_rabbitmq::Flavour::Trixie);
        let flavour = if is_4 { Flavour::RabbitMq4 } else { Flavour::RabbitMq3 };
        Some(Target { flavour, url, vhost, embedded: None })
    }

    /// Whether this is RabbitMQ 4, which differs here from 3.10 and so from the embedded broker.
    pub(crate) fn is_4(&self) -> bool {
        self.flavour == Flavour::RabbitMq4
    }

    /// The address for another user, whose password is `p`.
    pub(crate) fn url_of(&self, user: &str) -> String {
        self.url.replace("guest:guest", &format!("{user}:p"))
    }

    /// A channel of a connection of its own, of another user.
    pub(crate) async fn channel_of(&self, user: &str) -> Channel {
        let url = self.url_of(user);
        soon("a connection", Connection::connect(&url, ConnectionProperties::default()))
            .await
            .unwrap()
            .create_channel()
            .await
            .unwrap()
    }

    pub(crate) async fn connect(&self) -> Connection {
        soon("a connection", Connection::connect(&self.url, ConnectionProperties::default())).await.unwrap()
    }

    /// A channel of a connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        self.connect().await.create_channel().await.unwrap()
    }

    /// A text of RabbitMQ's with this vhost's name for `VHOST`.
    pub(crate) fn text(&self, text: &str) -> String {
        text.replace("VHOST", &self.vhost)
    }
}

/// Makes two tests of each case: on the embedded broker, and on RabbitMQ.
macro_rules! conformance {
    ($($case:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $case() {
                let target = crate::harness::Target::embedded().await;
                crate::harness::soon("the case", super::$case(&target)).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $case() {
                let Some(target) = crate::harness::Target::rabbitmq().await else { return };
                crate::harness::soon("the case", super::$case(&target)).await;
            })*
        }
    };
}
pub(crate) use conformance;

/// So many vhosts are made at once: `rabbitmqctl` needs a second of a processor to start.
const VHOSTS_AT_ONCE: usize = 40;

async fn fresh_vhost(node: &warren_rabbitmq::Node) -> String {
    static READY: tokio::sync::Mutex<Vec<String>> = tokio::sync::Mutex::const_new(Vec::new());
    let mut ready = READY.lock().await;
    if ready.is_empty() {
        *ready = node.vhosts("case", VHOSTS_AT_ONCE).await.expect("vhosts can be made");
        let names: Vec<String> =
            ready.iter().map(|url| format!(r#"<<"{}">>"#, url.rsplit('/').next().unwrap())).collect();
        let users = format!(
            r#"[catch rabbit_auth_backend_internal:add_user(User, <<"p">>, <<"warren">>)
                   || User <- [<<"{LIMITED}">>, <<"{STRANGER}">>]],
               [ok = rabbit_auth_backend_internal:set_permissions(
                       <<"{LIMITED}">>, Name, <<"{CONFIGURE}">>, <<"{WRITE}">>, <<"{READ}">>, <<"warren">>)
                   || Name <- [{}]]."#,
            names.join(", ")
        );
        node.ctl(&["eval", &users]).await.expect("users can be made");
    }
    ready.pop().unwrap()
}

pub(crate) fn table<const N: usize>(pairs: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in pairs {
        table.insert(name.into(), value);
    }
    table
}

pub(crate) fn long(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

pub(crate) fn int(number: i32) -> AMQPValue {
    AMQPValue::LongInt(number)
}

/// A transient queue with arguments.
pub(crate) async fn declare(channel: &Channel, name: &str, arguments: FieldTable) {
    channel.queue_declare(name.into(), QueueDeclareOptions::default(), arguments).await.unwrap();
}

/// A durable queue with arguments.
pub(crate) async fn declare_durable(channel: &Channel, name: &str, arguments: FieldTable) {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(name.into(), options, arguments).await.unwrap();
}

pub(crate) async fn declare_exchange(channel: &Channel, name: &str, kind: lapin::ExchangeKind, arguments: FieldTable) {
    channel.exchange_declare(name.into(), kind, ExchangeDeclareOptions::default(), arguments).await.unwrap();
}

pub(crate) async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str, arguments: FieldTable) {
    channel
        .queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), arguments)
        .await
        .unwrap();
}

/// Publishes and, with confirms, waits for the confirm.
pub(crate) async fn publish_with(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Confirmation {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let confirm =
        channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await.unwrap();
    soon("a confirm", confirm).await.unwrap()
}

pub(crate) async fn publish(channel: &Channel, queue: &str, body: &str) -> Confirmation {
    publish_with(channel, "", queue, body, BasicProperties::default()).await
}

pub(crate) async fn confirms(channel: &Channel) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
}

pub(crate) async fn consume_with(
    channel: &Channel,
    queue: &str,
    tag: &str,
    options: BasicConsumeOptions,
    arguments: FieldTable,
) -> Consumer {
    channel.basic_consume(queue.into(), tag.into(), options, arguments).await.unwrap()
}

pub(crate) async fn consume(channel: &Channel, queue: &str) -> Consumer {
    consume_with(channel, queue, "", BasicConsumeOptions::default(), FieldTable::default()).await
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    soon("a delivery", consumer.next()).await.expect("the consumer lives").unwrap()
}

pub(crate) fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.data).unwrap()
}

/// The next messages' bodies, fetched and acked.
pub(crate) async fn take(channel: &Channel, queue: &str, count: usize) -> Vec<String> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(body(&get(channel, queue).await).to_owned());
    }
    bodies
}

/// The next message, fetched and acked, when it is there.
pub(crate) async fn get(channel: &Channel, queue: &str) -> Delivery {
    soon("a message", async {
        loop {
            let options = BasicGetOptions { no_ack: true };
            if let Some(message) = channel.basic_get(queue.into(), options).await.unwrap() {
                return message.delivery;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

pub(crate) async fn is_empty(channel: &Channel, queue: &str) -> bool {
    channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap().is_none()
}

/// How many messages are ready, and how many consumers there are.
pub(crate) async fn counts(channel: &Channel, queue: &str) -> (u32, u32) {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    (queue.message_count(), queue.consumer_count())
}

pub(crate) async fn ready(channel: &Channel, queue: &str) -> u32 {
    counts(channel, queue).await.0
}

/// Code and text of what the broker refused.
pub(crate) fn refusal<T>(result: lapin::Result<T>) -> (u16, String) {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(refusal) => (refusal.get_id(), refusal.get_message().to_string()),
            other => panic!("not an answer of the broker: {other:?}"),
        },
    }
}

/// The text of a refusal (406) as RabbitMQ writes it.
pub(crate) fn precondition(target: &Target, text: &str) -> (u16, String) {
    (406, target.text(&format!("PRECONDITION_FAILED - {text}")))
}

/// Runs `ask` on a channel of its own, and says how it was refused.
pub(crate) async fn ask<T, F: Future<Output = lapin::Result<T>>>(
    target: &Target,
    ask: impl FnOnce(Channel) -> F,
) -> (u16, String) {
    refusal(ask(target.channel().await).await)
}

pub(crate) fn header(delivery: &Delivery, name: &str) -> Option<AMQPValue> {
    delivery.properties.headers().as_ref()?.inner().get(name).cloned()
}

/// Texts as an array of a header.
pub(crate) fn list(texts: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(texts.iter().map(|text| long(text)).collect::<Vec<_>>().into())
}

pub(crate) fn is_ack(confirmation: &Confirmation) -> bool {
    matches!(confirmation, Confirmation::Ack(_))
}

/// A durable queue, and a queue `dead` that gets its dead letters.
pub(crate) async fn with_dead_letters(target: &Target, queue: &str, mut arguments: FieldTable) -> Channel {
    let channel = target.channel().await;
    declare(&channel, "dead", FieldTable::default()).await;
    bind(&channel, "dead", "amq.fanout", "", FieldTable::default()).await;
    arguments.insert("x-dead-letter-exchange".into(), long("amq.fanout"));
    declare_durable(&channel, queue, arguments).await;
    confirms(&channel).await;
    channel
}

/// Lets time pass for the broker, by a message of its own that lives as long.
pub(crate) async fn let_pass(channel: &Channel, milliseconds: i32) {
    let arguments = [
        ("x-message-ttl", int(milliseconds)),
        ("x-dead-letter-exchange", long("")),
        ("x-dead-letter-routing-key", long("passed")),
    ];
    declare(channel, "passed", FieldTable::default()).await;
    declare(channel, "passing", table(arguments)).await;
    publish(channel, "passing", "x").await;
    get(channel, "passed").await;
}

pub(crate) fn expiring(milliseconds: &str) -> BasicProperties {
    BasicProperties::default().with_expiration(milliseconds.into())
}
