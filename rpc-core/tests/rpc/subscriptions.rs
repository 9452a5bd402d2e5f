//! Subscriptions outside a service: everything that is published is read, and settled as the reader says.

use std::collections::BTreeSet;

use lapin::{BasicProperties, options::BasicPublishOptions};
use serde::{Deserialize, Deserializer, Serialize};
use warren_rpc::{Client, Exchange, Headers, Message, PublishOptions, SubscribeError, SubscribeOptions, Subscription};
use warren_testing::{OwnOptions, TestBroker, own_broker};

use super::harness::{broker, client, eventually, foreign, ready, soon};

const TOPIC: Exchange<u32> = Exchange::topic("test.topic");
const QUEUE: &str = "test.named";

fn named() -> SubscribeOptions {
    SubscribeOptions { queue: Some(QUEUE.to_owned()), ..SubscribeOptions::default() }
}

async fn publish(client: &Client, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        client.publish_to(&TOPIC, "spring.open", &number, PublishOptions::default()).await.unwrap();
    }
}

async fn next(subscription: &mut Subscription<u32>) -> Message<u32> {
    soon("a message", subscription.next()).await.expect("the subscription goes on")
}

async fn listen(broker: &TestBroker, options: SubscribeOptions) -> (Client, Subscription<u32>) {
    let client = client(&broker.url).await;
    let subscription = client.subscribe(&TOPIC, ["spring.*"], options).await.unwrap();
    (client, subscription)
}

#[tokio::test]
async fn each_listener_sees_everything_while_it_lives() {
    let Some(broker) = broker("listeners").await else { return };
    let (client, mut one) = listen(&broker, SubscribeOptions::default()).await;
    let (_other_client, mut other) = listen(&broker, SubscribeOptions::default()).await;
    publish(&client, 0..100).await;
    client.publish_to(&TOPIC, "summer.open", &100, PublishOptions::default()).await.unwrap();
    publish(&client, [101]).await;
    for subscription in [&mut one, &mut other] {
        for number in (0..100).chain([101]) {
            let message = next(subscription).await;
            assert_eq!(message.routing_key, "spring.open");
            assert_eq!(message.ack(), number, "in order");
        }
    }
}

#[tokio::test]
async fn those_of_one_name_share_and_what_is_published_meanwhile_waits() {
    let Some(broker) = broker("named").await else { return };
    let options = SubscribeOptions { prefetch: 1, ..named() };
    let (client, mut one) = listen(&broker, options.clone()).await;
    let (_other_client, mut other) = listen(&broker, options).await;
    publish(&client, 0..2).await;
    let both = [next(&mut one).await.ack(), next(&mut other).await.ack()];
    assert_eq!(BTreeSet::from(both), [0, 1].into());
    one.close().await;
    other.close().await;
    publish(&client, 2..5).await;
    let (_client, mut later) = listen(&broker, named()).await;
    for number in 2..5 {
        assert_eq!(next(&mut later).await.ack(), number);
    }
    later.close().await;
    assert_eq!(ready(&foreign(&broker.url).await, QUEUE).await, 0);
}

#[tokio::test]
async fn what_was_acked_does_not_come_again_though_the_client_closes_at_once() {
    let Some(broker) = broker("acked").await else { return };
    let publisher = client(&broker.url).await;
    for number in 0..20 {
        let (client, mut subscription) = listen(&broker, named()).await;
        publish(&publisher, [number]).await;
        let message = next(&mut subscription).await;
        // Every other time it is about to end.
        let _open = (number % 2 == 0).then_some(subscription);
        assert_eq!(message.ack(), number);
        client.close().await;
    }
    assert_eq!(ready(&foreign(&broker.url).await, QUEUE).await, 0);
}

#[tokio::test]
async fn a_message_that_is_dropped_comes_again_and_one_that_is_retried_goes_to_the_end() {
    let Some(broker) = broker("settled").await else { return };
    let (client, mut subscription) = listen(&broker, SubscribeOptions { prefetch: 1, ..named() }).await;
    let headers = Headers::new().with("language", "cpp");
    let options =
        PublishOptions { headers: headers.clone(), message_id: Some("an-id".to_owned()), ..Default::default() };
    client.publish_to(&TOPIC, "spring.open", &1, options).await.unwrap();
    publish(&client, [2]).await;
    drop(next(&mut subscription).await);
    let again = next(&mut subscription).await;
    assert_eq!((again.body, again.redelivered, again.tries), (1, true, 0));
    again.retry().await.unwrap();
    assert_eq!(next(&mut subscription).await.ack(), 2);
    let last = next(&mut subscription).await;
    assert_eq!((last.body, last.redelivered, last.tries, last.id.as_str()), (1, false, 1, "an-id"));
    assert_eq!((last.routing_key.as_str(), &last.headers), ("spring.open", &headers));
    last.reject();
    let channel = foreign(&broker.url).await;
    eventually("it is kept", || async { ready(&channel, "test.named.dead").await == 1 }).await;
    assert_eq!(ready(&channel, QUEUE).await, 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_with_the_dead_and_the_others_are_read() {
    let Some(broker) = broker("unreadable").await else { return };
    let (client, mut subscription) = listen(&broker, named()).await;
    let channel = foreign(&broker.url).await;
    let wrong = [
        ("application/json", b"\"a text\"".to_vec()),
        ("application/msgpack", b"\xc1".to_vec()),
        ("text/html", b"1".to_vec()),
        ("application/json", vec![b' '; (1 << 20) + 1]),
    ];
    for (content_type, body) in wrong {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        let options = BasicPublishOptions::default();
        let published = channel.basic_publish("test.topic".into(), "spring.open".into(), options, &body, properties);
        published.await.unwrap().await.unwrap();
    }
    publish(&client, [7]).await;
    assert_eq!(next(&mut subscription).await.ack(), 7);
    eventually("they are kept", || async { ready(&channel, "test.named.dead").await == 4 }).await;
}

#[tokio::test]
async fn what_is_unread_is_bounded_and_goes_back_when_it_closes() {
    let Some(broker) = broker("bounded").await else { return };
    let (client, mut subscription) = listen(&broker, SubscribeOptions { prefetch: 3, ..named() }).await;
    publish(&client, 0..10).await;
    let held = next(&mut subscription).await;
    let channel = foreign(&broker.url).await;
    eventually("three are held", || async { ready(&channel, QUEUE).await == 7 }).await;
    drop(subscription);
    eventually("two go back", || async { ready(&channel, QUEUE).await == 9 }).await;
    held.ack();
    let (_client, mut later) = listen(&broker, named()).await;
    let mut left = BTreeSet::new();
    for _ in 0..9 {
        left.insert(next(&mut later).await.ack());
    }
    assert_eq!(left, (1..10).collect(), "what was acked after the drop is done with");
}

#[tokio::test]
async fn a_slow_listener_loses_the_oldest_and_is_in_nobodys_way() {
    let Some(broker) = broker("slow-listener").await else { return };
    let options = SubscribeOptions { prefetch: 1, length_max: 2, ..SubscribeOptions::default() };
    let (client, mut subscription) = listen(&broker, options).await;
    publish(&client, [0]).await;
    let first = next(&mut subscription).await;
    publish(&client, 1..10).await;
    assert_eq!(first.ack(), 0);
    assert_eq!([next(&mut subscription).await.ack(), next(&mut subscription).await.ack()], [8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_a_named_one_gets_what_was_not_settled_and_a_listener_goes_on() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (client, mut shared) = listen(&broker, named()).await;
    let mut own = client.subscribe(&TOPIC, ["spring.*"], SubscribeOptions::default()).await.unwrap();
    publish(&client, 0..4).await;
    for number in 0..2 {
        assert_eq!(next(&mut shared).await.ack(), number);
    }
    let held = next(&mut shared).await;
    let before = next(&mut own).await;
    let channel = foreign(&broker.url).await;
    eventually("acks have arrived", || async { ready(&channel, QUEUE).await == 0 }).await;
    broker.cut_connections().await;
    // What was acked may not have been so in time; what was not, comes again.
    let mut seen = BTreeSet::new();
    while !seen.contains(&3) || !seen.contains(&2) {
        seen.insert(next(&mut shared).await.ack());
    }
    // What came by the connection that is gone is settled without harm.
    assert_eq!((held.ack(), before.ack()), (2, 0));
    let mut number = 100;
    loop {
        // Until it has its new queue.
        let _ = client.publish_to(&TOPIC, "spring.open", &number, PublishOptions::default()).await;
        number += 1;
        let next = tokio::time::timeout(std::time::Duration::from_millis(50), own.next()).await;
        if let Ok(message) = next
            && message.expect("it goes on").ack() >= 100
        {
            break;
        }
    }
}

#[tokio::test]
async fn it_ends_with_its_client_and_says_why() {
    let Some(broker) = broker("ends").await else { return };
    let (client, mut subscription) = listen(&broker, named()).await;
    assert!(subscription.error().is_none());
    client.close().await;
    assert!(soon("the end", subscription.next()).await.is_none());
    assert!(matches!(subscription.error(), Some(SubscribeError::Closed { .. })));
}

#[tokio::test]
async fn what_the_broker_refuses_is_named() {
    let Some(broker) = broker("refused").await else { return };
    let (client, subscription) = listen(&broker, named()).await;
    let shorter = SubscribeOptions { length_max: 7, ..named() };
    let error = client.subscribe(&TOPIC, ["spring.*"], shorter).await.unwrap_err();
    assert!(error.to_string().starts_with("test.named cannot be consumed: "), "{error}");
    let fanout = Exchange::<u32>::fanout("test.topic");
    let error = client.subscribe(&fanout, [warren_rpc::Binding::everything()], named()).await.unwrap_err();
    assert!(error.to_string().contains("test.topic"), "{error}");
    let long = SubscribeOptions { queue: Some("q".repeat(252)), ..SubscribeOptions::default() };
    assert!(matches!(client.subscribe(&TOPIC, ["#"], long).await, Err(SubscribeError::Name(_))));
    drop(subscription);
}

/// Its type's own code panics over 7.
#[derive(Debug, PartialEq, Serialize)]
struct Unlucky(u32);

impl<'de> Deserialize<'de> for Unlucky {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        assert_ne!(number, 7, "a Deserialize that panics");
        Ok(Self(number))
    }
}

#[tokio::test]
async fn a_body_whose_reading_panics_is_rejected_and_the_next_one_is_read() {
    let Some(broker) = broker("unlucky").await else { return };
    let client = client(&broker.url).await;
    let unlucky = Exchange::<Unlucky>::topic("test.topic");
    let mut subscription = client.subscribe(&unlucky, ["spring.*"], named()).await.unwrap();
    publish(&client, [7, 8]).await;
    let message = soon("the next one", subscription.next()).await.expect("the subscription goes on");
    assert_eq!(message.ack(), Unlucky(8));
    let channel = foreign(&broker.url).await;
    eventually("it is kept", || async { ready(&channel, &format!("{QUEUE}.dead")).await == 1 }).await;
}
