//! Clients that know nothing of Warren, or mean it no good: any AMQP client can put anything into a method's queue.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use warren_rpc::{Client, Context, Running, ServeOptions, Service, Status};
use warren_testing::{OwnOptions, TestBroker, own_broker};

use super::harness::{Sum, SumRequest, Work, broker, client, eventually, foreign, ready, soon, stateless};

/// A service that counts, a channel to reach it, and a queue for its replies.
struct Stage {
    handled: Arc<AtomicU32>,
    channel: Channel,
    replies: Consumer,
    client: Client,
    _running: Running,
    _broker: TestBroker,
}

async fn stage(test: &str) -> Option<Stage> {
    let broker = broker(test).await?;
    let client = client(&broker.url).await;
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Sum, _, _>(sum);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let channel = foreign(&broker.url).await;
    let replies = replies(&channel, "answers").await;
    Some(Stage { handled, channel, replies, client, _running, _broker: broker })
}

/// Declares a queue for replies, and reads it.
async fn replies(channel: &Channel, queue: &str) -> Consumer {
    channel.queue_declare(queue.into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await.unwrap()
}

async fn sum(handled: Arc<AtomicU32>, _: Context, SumRequest { a, b }: SumRequest) -> Result<i64, Status> {
    handled.fetch_add(1, Ordering::SeqCst);
    Ok(a + b)
}

impl Stage {
    /// Returns when the broker has the message, so that what is sent later comes later.
    async fn send(&self, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions::default();
        let publish = self.channel.basic_publish("".into(), "test.sum".into(), options, body, properties);
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }

    async fn answer(&mut self) -> Delivery {
        soon("a reply", self.replies.next()).await.unwrap().unwrap()
    }

    /// What a request is answered.
    async fn ask(&mut self, properties: BasicProperties, body: &[u8]) -> Delivery {
        self.send(properties.with_reply_to("answers".into()), body).await;
        self.answer().await
    }

    async fn still_serves(&self) {
        assert_eq!(self.client.call::<Sum>(&SumRequest { a: 1, b: 1 }).await.unwrap(), 2);
    }
}

fn status(reply: &Delivery) -> Option<String> {
    match reply.properties.headers().as_ref()?.inner().get("status")? {
        AMQPValue::LongString(code) => Some(code.to_string()),
        other => panic!("a status is a text: {other:?}"),
    }
}

fn message(reply: &Delivery) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.data).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_bare_message_is_answered_in_json_under_its_own_correlation_id() {
    let Some(mut stage) = stage("bare").await else { return };
    for id in ["any text, not a UUID ☃", "b6f0c3c2-3f5c-4a5c-9d6b-0d1f6a1e7a11", ""] {
        let reply = stage.ask(BasicProperties::default().with_correlation_id(id.into()), br#"{"a":10,"b":5}"#).await;
        assert_eq!(reply.data, b"15");
        assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), id);
        assert_eq!(reply.properties.content_type().as_ref().unwrap().as_str(), "application/json");
        assert_eq!(status(&reply), None);
    }
    let reply = stage.ask(BasicProperties::default(), br#"{"a":1,"b":5}"#).await;
    assert_eq!((reply.data.as_slice(), reply.properties.correlation_id()), (b"6".as_slice(), &None));
}

#[tokio::test]
async fn bad_bodies_are_answered_with_what_is_wrong_and_where() {
    let Some(mut stage) = stage("bad-bodies").await else { return };
    let msgpack = || BasicProperties::default().with_content_type("application/msgpack".into());
    let json = BasicProperties::default;
    let deep = "[".repeat(100_000);
    let cases: [(BasicProperties, &[u8], &str); 9] = [
        (json(), b"", "EOF while parsing"),
        (json(), b"{\"a\":1,", "EOF while parsing"),
        (json(), br#"{"a":"one","b":2}"#, "a: invalid type: string \"one\", expected i64"),
        (json(), br#"{"a":1}"#, "missing field `b`"),
        (json(), br#"{"a":1,"b":2,"c":3}"#, "unknown field `c`"),
        (json(), br#"{"a":1,"b":2} and more"#, "trailing characters"),
        (json(), deep.as_bytes(), "nested deeper than 32"),
        (msgpack(), b"\x82\xa1a\x01\xa1b\x02\xc0", "1 bytes follow the value"),
        (msgpack(), b"\xdf\xff\xff\xff\xff", ""),
    ];
    for (properties, body, problem) in cases {
        let is_json = properties.content_type().is_none();
        let reply = stage.ask(properties, body).await;
        assert_eq!(status(&reply).as_deref(), Some("invalid_argument"), "{problem}");
        if is_json {
            assert!(message(&reply).contains(problem), "{} is not {problem}", message(&reply));
        } else {
            let text = String::from_utf8_lossy(&reply.data);
            assert!(text.contains(problem), "{text} is not {problem}");
        }
    }
    assert_eq!(stage.handled.load(Ordering::SeqCst), 0);
    stage.still_serves().await;
}

#[tokio::test]
async fn another_content_type_is_refused_by_name() {
    let Some(mut stage) = stage("content-type").await else { return };
    let reply = stage.ask(BasicProperties::default().with_content_type("text/html".into()), b"<p>").await;
    assert_eq!(status(&reply).as_deref(), Some("invalid_argument"));
    assert_eq!(message(&reply), "content type \"text/html\": application/msgpack and application/json are taken");
    stage.still_serves().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread() {
    let Some(mut stage) = stage("foreign-size").await else { return };
    let reply = stage.ask(BasicProperties::default(), &vec![b' '; (1 << 20) + 1]).await;
    assert_eq!(status(&reply).as_deref(), Some("invalid_argument"));
    assert_eq!(message(&reply), "a body takes at most 1048576 bytes, not 1048577");
    stage.still_serves().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_answered_is_settled_all_the_same() {
    let Some(stage) = stage("one-way").await else { return };
    let gone = BasicProperties::default().with_reply_to("no.such.queue".into());
    stage.send(BasicProperties::default(), b"not json").await;
    stage.send(BasicProperties::default(), br#"{"a":1,"b":2}"#).await;
    stage.send(gone, br#"{"a":1,"b":2}"#).await;
    stage.still_serves().await;
    assert_eq!(stage.handled.load(Ordering::SeqCst), 3, "two of them, and the call that shows that it serves on");
}

#[tokio::test]
async fn a_reply_whose_queue_is_not_known_yet_is_sent_again_though_its_connection_is_another_then() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let client = client(&broker.url).await;
    // It may run again: the connection may be cut before its request is acked.
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(|_, _, number: u32| async move { Ok(number.to_string()) });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let late = BasicProperties::default().with_reply_to("late".into()).with_correlation_id("7".into());
    let channel = foreign(&broker.url).await;
    let publish = channel.basic_publish("".into(), "test.work".into(), Default::default(), b"3", late);
    publish.await.unwrap();
    eventually("it came back", async || client.lost_replies() == 1).await;
    broker.cut_connections().await;
    let channel = foreign(&broker.url).await;
    let mut late = replies(&channel, "late").await;
    let reply = soon("the reply", late.next()).await.unwrap().unwrap();
    let id = reply.properties.correlation_id().as_ref().unwrap().as_str();
    assert_eq!((reply.data.as_slice(), id), (br#""3""#.as_slice(), "7"));
}

#[tokio::test]
async fn headers_of_any_kind_and_size_do_no_harm() {
    let Some(mut stage) = stage("headers").await else { return };
    for value in [
        AMQPValue::LongLongInt(i64::MAX),
        AMQPValue::LongString("soon".into()),
        AMQPValue::Timestamp(u64::MAX),
        AMQPValue::Void,
        AMQPValue::Double(f64::MIN),
        AMQPValue::FieldTable(FieldTable::default()),
    ] {
        let mut headers = FieldTable::default();
        for name in ["deadline-ms", "deadline-at", "caller", "status", "traceparent"] {
            headers.insert(name.into(), value.clone());
        }
        let longest = "x".repeat(255);
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_timestamp(u64::MAX)
            .with_priority(255)
            .with_message_id(longest.as_str().into())
            .with_correlation_id(longest.as_str().into());
        let reply = stage.ask(properties, br#"{"a":2,"b":2}"#).await;
        assert_eq!((reply.data.as_slice(), status(&reply)), (b"4".as_slice(), None), "{value:?}");
        assert_eq!(reply.properties.correlation_id().as_ref().unwrap().as_str(), longest);
    }
}

#[tokio::test]
async fn a_reply_that_the_callers_queue_refuses_does_not_run_the_request_again() {
    let Some(stage) = stage("full").await else { return };
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(0));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    stage.channel.queue_declare("full".into(), QueueDeclareOptions::default(), arguments).await.unwrap();
    stage.send(BasicProperties::default().with_reply_to("full".into()), br#"{"a":1,"b":2}"#).await;
    stage.still_serves().await;
    eventually("the request is settled", || async { ready(&stage.channel, "test.sum").await == 0 }).await;
    stage.still_serves().await;
    assert_eq!(stage.handled.load(Ordering::SeqCst), 3);
}
