//! What is published to exchanges of each kind, and services that are bound to them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::mpsc;
use warren_rpc::{
    Binding, Client, Context, Exchange, Headers, OneWayRetries, PublishError, PublishOptions, RejectReason, Running,
    ServeError, ServeOptions, Service, Status,
};

use super::harness::{broker, client, eventually, foreign, ready, soon};

const DIRECT: Exchange<u32> = Exchange::direct("test.direct");
const TOPIC: Exchange<u32> = Exchange::topic("test.topic");
const FANOUT: Exchange<u32> = Exchange::fanout("test.fanout");
const HEADERS: Exchange<u32> = Exchange::headers("test.headers");

type Told = mpsc::UnboundedSender<(&'static str, u32)>;

/// A service whose handlers say under which name they got what.
fn listeners<T: Into<Binding>>(
    exchange: &Exchange<u32>,
    listeners: impl IntoIterator<Item = (&'static str, T)>,
) -> (Service<Told>, mpsc::UnboundedReceiver<(&'static str, u32)>) {
    let (told, told_rx) = mpsc::unbounded_channel();
    let mut service = Service::new("test", "1.0.0", Arc::new(told));
    for (name, binding) in listeners {
        service = service.on_exchange(name, exchange, [binding], move |told: Arc<Told>, _, number| async move {
            told.send((name, number)).unwrap();
            Ok(())
        });
    }
    (service, told_rx)
}

/// Publishes to an exchange, by key and headers, one number after another; and says who got which, in the end.
async fn who_gets<T: Into<Binding>>(
    test: &str,
    exchange: &Exchange<u32>,
    bound: impl IntoIterator<Item = (&'static str, T)>,
    published: &[(&str, Headers)],
) -> Option<BTreeSet<(&'static str, u32)>> {
    let broker = broker(test).await?;
    let (service, mut told) = listeners(exchange, bound);
    let client = client(&broker.url).await;
    let mut running: Running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for (number, (key, headers)) in published.iter().enumerate() {
        let options = PublishOptions { headers: headers.clone(), ..PublishOptions::default() };
        client.publish_to(exchange, key, &(number as u32), options).await.unwrap();
    }
    // Confirmed is in the queues; and the end waits for who has begun. What is under way to an instance that stops is
    // put back, for the next.
    let channel = foreign(&broker.url).await;
    let names: Vec<_> = format!("{service:?}").split('"').map(str::to_owned).collect();
    let queues: Vec<_> = names.iter().filter(|name| name.starts_with("test.on.")).collect();
    let waiting = async || join_all(queues.iter().map(|queue| ready(&channel, queue))).await.into_iter().sum::<u32>();
    loop {
        eventually("all is taken", async || waiting().await == 0).await;
        running.shutdown().await;
        if waiting().await == 0 {
            break;
        }
        running = service.serve(&client, ServeOptions::default()).await.unwrap();
    }
    drop(service);
    let mut got = BTreeSet::new();
    while let Ok(one) = told.try_recv() {
        got.insert(one);
    }
    Some(got)
}

fn keys<'a>(keys: &[&'a str]) -> Vec<(&'a str, Headers)> {
    keys.iter().map(|key| (*key, Headers::new())).collect()
}

#[tokio::test]
async fn a_direct_exchange_chooses_by_the_key() {
    let bound = [("a", "one"), ("b", "two"), ("c", "one")];
    let Some(got) = who_gets("direct", &DIRECT, bound, &keys(&["one", "two", "three"])).await else { return };
    assert_eq!(got, [("a", 0), ("b", 1), ("c", 0)].into());
}

#[tokio::test]
async fn a_topic_exchange_chooses_by_patterns() {
    let bound = [("a", Binding::key("spring.*")), ("b", Binding::key("#.frozen")), ("c", Binding::everything())];
    let published = keys(&["spring.frozen", "spring.open", "spring.cup.frozen"]);
    let Some(got) = who_gets("topic", &TOPIC, bound, &published).await else { return };
    assert_eq!(got, [("a", 0), ("a", 1), ("b", 0), ("b", 2), ("c", 0), ("c", 1), ("c", 2)].into());
}

#[tokio::test]
async fn a_fanout_exchange_tells_everybody() {
    let bound = [("a", Binding::everything()), ("b", Binding::everything())];
    let Some(got) = who_gets("fanout", &FANOUT, bound, &keys(&["", "any"])).await else { return };
    assert_eq!(got, [("a", 0), ("a", 1), ("b", 0), ("b", 1)].into());
}

#[tokio::test]
async fn a_headers_exchange_chooses_by_all_headers_or_any() {
    let cpp = || Headers::new().with("language", "cpp");
    let bound = [
        ("all", Binding::all_of(cpp().with("final", true))),
        ("any", Binding::any_of(cpp().with("points", 100))),
        ("every", Binding::everything()),
    ];
    let published = [("", cpp().with("final", true)), ("", Headers::new().with("points", 100)), ("", Headers::new())];
    let Some(got) = who_gets("headers", &HEADERS, bound, &published).await else { return };
    assert_eq!(got, [("all", 0), ("any", 0), ("any", 1), ("every", 0), ("every", 1), ("every", 2)].into());
}

#[tokio::test]
async fn an_exchange_of_another_kind_is_named_and_nothing_else_is_disturbed() {
    let Some(broker) = broker("kinds").await else { return };
    let client = client(&broker.url).await;
    client.publish_to(&TOPIC, "k", &1, PublishOptions::default()).await.unwrap();
    let wrong = Exchange::<u32>::fanout("test.topic");
    for _ in 0..2 {
        let error = client.publish_to(&wrong, "k", &1, PublishOptions::default()).await.unwrap_err();
        assert!(matches!(&error, PublishError::Exchange { exchange, .. } if exchange == "test.topic"), "{error}");
        assert!(error.to_string().starts_with("the exchange test.topic cannot be used as a fanout exchange: "));
        client.publish_to(&TOPIC, "k", &1, PublishOptions::default()).await.unwrap();
    }
    let (service, _told) = listeners(&wrong, [("a", Binding::everything())]);
    let error = service.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert!(matches!(error, ServeError::Declare { .. }) && error.to_string().contains("test.topic"), "{error}");
    let (service, _told) = listeners(&FANOUT, [("a", "a key")]);
    let error = service.serve(&client, ServeOptions::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "the fanout exchange test.fanout has no such binding");
}

#[tokio::test]
async fn what_nobody_wants_is_told_only_if_asked_and_what_cannot_be_carried_is_refused() {
    let Some(broker) = broker("publish-errors").await else { return };
    let client = client(&broker.url).await;
    client.publish_to(&DIRECT, "nobody", &1, PublishOptions::default()).await.unwrap();
    let mandatory = || PublishOptions { mandatory: true, ..PublishOptions::default() };
    let error = client.publish_to(&DIRECT, "nobody", &1, mandatory()).await.unwrap_err();
    assert!(matches!(&error, PublishError::Unroutable { exchange, .. } if exchange == "test.direct"), "{error}");
    let options = PublishOptions { headers: Headers::new().with("x-match", "any"), ..mandatory() };
    let error = client.publish_to(&DIRECT, "nobody", &1, options).await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::Header(_))), "{error}");
    let error = client.publish_to(&DIRECT, &"k".repeat(256), &1, mandatory()).await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::Name(_))), "{error}");
    let large = Exchange::<String>::fanout("test.large");
    let error = client.publish_to(&large, "", &"x".repeat(1 << 20), mandatory()).await.unwrap_err();
    assert!(matches!(error, PublishError::Rejected(RejectReason::BodyTooLarge { .. })), "{error}");
}

/// An exchange that goes takes the channel of who publishes to it, and neither calls nor the next message.
#[tokio::test]
async fn an_exchange_that_was_deleted_is_declared_again() {
    let Some(broker) = broker("deleted-exchange").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let callback_queue = client.callback_queue();
    client.publish_to(&TOPIC, "k", &1, PublishOptions::default()).await.unwrap();
    channel.exchange_delete("test.topic".into(), Default::default()).await.unwrap();
    let error = client.publish_to(&TOPIC, "k", &1, PublishOptions::default()).await.unwrap_err();
    assert!(matches!(error, PublishError::ConnectionLost { source: Some(_) }), "{error}");
    client.publish_to(&TOPIC, "k", &1, PublishOptions::default()).await.unwrap();
    assert_eq!(client.callback_queue(), callback_queue, "the connection is the same");
}

async fn published_as(client: &Client) {
    let headers = Headers::new().with("language", "cpp").with("points", 100);
    let options = PublishOptions { headers, message_id: Some("an-id".to_owned()), ..PublishOptions::default() };
    client.publish_to(&TOPIC, "spring.open", &1, options).await.unwrap();
}

#[tokio::test]
async fn a_handler_is_told_key_headers_and_id_on_every_try() {
    let Some(broker) = broker("published").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let state = Arc::new((told, AtomicU32::new(0)));
    let retries = OneWayRetries { pause: Duration::from_millis(1), ..OneWayRetries::default() };
    let service = Service::new("test", "1.0.0", state).one_way_retries(retries).on_exchange(
        "again",
        &TOPIC,
        ["spring.*"],
        |state: Arc<(mpsc::UnboundedSender<_>, AtomicU32)>, context: Context, _| async move {
            let (key, headers) = (context.routing_key().unwrap().to_owned(), context.headers().unwrap().clone());
            state.0.send((context.call_id().to_owned(), key, headers)).unwrap();
            if state.1.fetch_add(1, Ordering::SeqCst) < 2 { Err(Status::unavailable("not now")) } else { Ok(()) }
        },
    );
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    published_as(&client).await;
    let headers = Headers::new().with("language", "cpp").with("points", 100);
    for _ in 0..3 {
        let told = soon("it is handled", told_rx.recv()).await.unwrap();
        assert_eq!(told, ("an-id".to_owned(), "spring.open".to_owned(), headers.clone()));
    }
}
