//! One-way messages that a handler refuses: tried again a bounded number of times, and in nobody's way meanwhile.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::mpsc;
use warren_rpc::{Client, Context, Effect, Method, OneWayRetries, Running, ServeOptions, Service, Status};
use warren_testing::TestBroker;

use super::harness::{Careful, Happened, Work, broker, client, foreign, ready, soon};

const QUEUE: &str = "refuser.on.test.happened";

/// The number of an event, its id, and whether it may have been handled before.
type Seen = (u32, String, bool);

/// What the handler of each event number answers.
async fn refuse(seen: Arc<mpsc::UnboundedSender<Seen>>, context: Context, number: u32) -> Result<(), Status> {
    seen.send((number, context.call_id().to_owned(), context.redelivered())).unwrap();
    match number {
        1 if !context.redelivered() => Err(Status::unavailable("not now")),
        2 => Err(Status::invalid_argument("not ever")),
        3 => panic!("a handler of events panics"),
        5 => Err(Status::unavailable("never again")),
        _ => Ok(()),
    }
}

/// A service that refuses, its events as they come, and a way to publish to it.
struct Stage {
    service: Service<mpsc::UnboundedSender<Seen>>,
    running: Running,
    seen: mpsc::UnboundedReceiver<Seen>,
    client: Client,
    channel: Channel,
    _broker: TestBroker,
}

async fn stage(test: &str, retries: OneWayRetries) -> Option<Stage> {
    let broker = broker(test).await?;
    let client = client(&broker.url).await;
    let (seen_tx, seen) = mpsc::unbounded_channel();
    let service = Service::new("refuser", "1.0.0", Arc::new(seen_tx))
        .on::<Happened, _, _>(refuse)
        .method::<Work, _, _>(|seen, context, number| async move {
            refuse(seen, context, number).await.map(|()| String::new())
        })
        .method::<Careful, _, _>(|seen, context, number| async move {
            refuse(seen, context, number).await.map(|()| String::new())
        })
        .one_way_retries(retries);
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    Some(Stage { service, running, seen, client, channel: foreign(&broker.url).await, _broker: broker })
}

fn at_once(tries_max: u32) -> OneWayRetries {
    OneWayRetries { tries_max, pause: Duration::ZERO, ..OneWayRetries::default() }
}

impl Stage {
    async fn next(&mut self) -> Seen {
        soon("an event", self.seen.recv()).await.unwrap()
    }

    async fn publish_foreign(&self, exchange: &str, key: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        let publish = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }

    /// Stops the instance, which settles what it has, and sees that nothing came after.
    async fn stop(mut self) {
        soon("the shutdown", self.running.shutdown()).await;
        assert!(self.seen.try_recv().is_err(), "nothing is tried again");
        assert_eq!(ready(&self.channel, QUEUE).await, 0);
    }
}

#[tokio::test]
async fn a_refused_event_is_tried_again_if_its_status_allows_it_and_else_given_up() {
    let Some(mut stage) = stage("refused-events", at_once(8)).await else { return };
    for number in 1..=4 {
        stage.client.publish::<Happened>(&number).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(stage.next().await);
    }
    let ids: Vec<_> = seen.iter().filter(|(number, ..)| *number == 1).map(|(_, id, _)| id.as_str()).collect();
    assert_eq!(ids[0], ids[1], "the same event");
    let mut seen: Vec<_> = seen.iter().map(|(number, _, redelivered)| (*number, *redelivered)).collect();
    seen.sort_unstable();
    assert_eq!(seen, [(1, false), (1, true), (2, false), (3, false), (4, false)]);
    stage.stop().await;
}

#[tokio::test]
async fn an_event_that_is_refused_for_ever_is_given_up_after_the_last_try() {
    let Some(mut stage) = stage("tries", at_once(4)).await else { return };
    stage.client.publish::<Happened>(&5).await.unwrap();
    for tries in 1..=4 {
        let (number, _, redelivered) = stage.next().await;
        assert_eq!((number, redelivered), (5, tries > 1));
    }
    stage.client.publish::<Happened>(&6).await.unwrap();
    assert_eq!(stage.next().await.0, 6, "not a fifth try");
    stage.stop().await;
}

#[tokio::test]
async fn an_event_that_is_tried_again_lets_the_others_of_its_queue_pass() {
    let Some(mut stage) = stage("passing", at_once(u32::MAX)).await else { return };
    stage.client.publish::<Happened>(&5).await.unwrap();
    assert_eq!(stage.next().await.0, 5);
    // At prefetch 1, were it tried again in its place, these would wait for ever.
    for number in 6..12 {
        stage.client.publish::<Happened>(&number).await.unwrap();
    }
    let mut passed = Vec::new();
    while passed.len() < 6 {
        let (number, ..) = stage.next().await;
        passed.extend((number != 5).then_some(number));
    }
    assert_eq!(passed, [6, 7, 8, 9, 10, 11]);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_pause_and_leaves_the_event_to_the_next() {
    let an_hour = Duration::from_secs(3600);
    let retries = OneWayRetries { pause: an_hour, pause_max: an_hour, ..OneWayRetries::default() };
    let Some(mut stage) = stage("pause", retries).await else { return };
    stage.client.publish::<Happened>(&1).await.unwrap();
    let (_, id, _) = stage.next().await;
    soon("the shutdown", stage.running.shutdown()).await;
    stage.running = stage.service.serve(&stage.client, ServeOptions::default()).await.unwrap();
    assert_eq!(stage.next().await, (1, id, true));
    stage.stop().await;
}

#[tokio::test]
async fn a_shutdown_leaves_a_request_that_must_not_run_twice_to_the_next_too() {
    let an_hour = Duration::from_secs(3600);
    let retries = OneWayRetries { pause: an_hour, pause_max: an_hour, ..OneWayRetries::default() };
    let Some(mut stage) = stage("careful-pause", retries).await else { return };
    stage.client.notify::<Careful>(&1).await.unwrap();
    let (_, id, _) = stage.next().await;
    soon("the shutdown", stage.running.shutdown()).await;
    stage.running = stage.service.serve(&stage.client, ServeOptions::default()).await.unwrap();
    assert_eq!(stage.next().await, (1, id, true));
    assert_eq!(ready(&stage.channel, "test.careful.dead").await, 0);
    stage.stop().await;
}

#[tokio::test]
async fn an_event_cannot_ask_for_a_reply() {
    let Some(mut stage) = stage("event-reply", at_once(8)).await else { return };
    stage.channel.queue_declare("answers".into(), Default::default(), Default::default()).await.unwrap();
    let asking = BasicProperties::default().with_reply_to("answers".into());
    stage.publish_foreign("warren.events", "test.happened", b"1", asking).await;
    // Were it a request, the status would be sent and the event settled; it is tried again, as any event.
    let (_, id, _) = stage.next().await;
    assert_eq!(stage.next().await, (1, id, true), "an id of its own is kept as well");
    assert_eq!(ready(&stage.channel, "answers").await, 0);
    stage.stop().await;
}

#[tokio::test]
async fn a_request_without_an_address_for_the_reply_is_tried_again_as_an_event_is() {
    let Some(mut stage) = stage("one-way-request", at_once(2)).await else { return };
    stage.publish_foreign("", "test.work", b"5", BasicProperties::default()).await;
    assert_eq!(stage.next().await.0, 5);
    assert_eq!(stage.next().await.0, 5);
    stage.client.call::<Work>(&6).await.unwrap();
    assert_eq!(stage.next().await.0, 6);
    assert_eq!(ready(&stage.channel, "test.work").await, 0);
    stage.stop().await;
}

#[tokio::test]
async fn what_a_stranger_put_into_an_event_does_no_harm_when_it_is_tried_again() {
    let Some(mut stage) = stage("strange-events", at_once(8)).await else { return };
    stage.channel.queue_declare("copies".into(), QueueDeclareOptions::default(), Default::default()).await.unwrap();
    // To the default exchange, which another try goes through, this would be the queue's address.
    let copies = AMQPValue::FieldArray(vec![AMQPValue::LongString("copies".into())].into());
    for tries in [AMQPValue::LongLongInt(i64::MIN), AMQPValue::LongString("many".into()), AMQPValue::Void] {
        let mut headers = FieldTable::default();
        headers.insert("CC".into(), copies.clone());
        headers.insert("tries".into(), tries);
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_user_id("guest".into())
            .with_message_id("x".repeat(255).into());
        stage.publish_foreign("warren.events", "test.happened", b"1", properties).await;
        let (number, id, redelivered) = stage.next().await;
        assert_eq!((number, redelivered), (1, false));
        assert_eq!(stage.next().await, (1, id, true));
    }
    assert_eq!(ready(&stage.channel, "copies").await, 0, "another try goes to the event's own queue alone");
    stage.stop().await;
}

/// Has room for one.
struct Narrow;

impl Method for Narrow {
    const NAME: &'static str = "test.narrow_durable";
    const EFFECT: Effect = Effect::Repeatable;
    const DURABLE: bool = true;
    const QUEUE_LENGTH_MAX: u32 = 1;
    type Request = u32;
    type Reply = ();
}

/// More often than a quorum queue hands one message out.
const REFUSALS: u32 = 30;

#[tokio::test]
async fn a_message_that_its_full_queue_refuses_is_tried_on_and_not_used_up() {
    let Some(broker) = broker("refused-full").await else { return };
    let (seen, mut seen_rx) = mpsc::unbounded_channel();
    let left = AtomicU32::new(REFUSALS);
    let service = Service::new("test", "1.0.0", Arc::new((seen, left)))
        .method::<Narrow, _, _>(async |state: Arc<(mpsc::UnboundedSender<u32>, AtomicU32)>, _, number| {
            state.0.send(number).unwrap();
            let left = state.1.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            left.map_or(Ok(()), |_| Err(Status::unavailable("not now")))
        })
        .one_way_retries(OneWayRetries {
            pause: Duration::from_millis(20),
            pause_max: Duration::from_millis(20),
            ..at_once(128)
        });
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for number in 1..=2 {
        client.notify::<Narrow>(&number).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < 2 + REFUSALS as usize {
        seen.push(soon("the next one", seen_rx.recv()).await.unwrap());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [1, 2]);
    assert_eq!(ready(&foreign(&broker.url).await, "test.narrow_durable.dead").await, 0);
}
