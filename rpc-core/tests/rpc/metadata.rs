//! Metadata: texts that travel beside a request, and no further than they are told to.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    BasicProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::mpsc;
use warren_rpc::{
    CallError, CallOptions, Context, METADATA_BYTES_MAX, Metadata, NotifyOptions, OneWayRetries, PublishError,
    RejectReason, ServeOptions, Service, Status,
};

use super::harness::{Nowhere, Outer, PATIENCE, Work, broker, client, foreign, soon, stateless, within};

fn with(metadata: Metadata) -> CallOptions {
    CallOptions { metadata, ..within(PATIENCE) }
}

/// Names and values of a request's metadata.
fn shown(context: &Context) -> String {
    context.metadata().iter().map(|(name, value)| format!("{name}={value} ")).collect()
}

#[tokio::test]
async fn metadata_reaches_the_handler_and_its_own_calls_only_if_it_is_passed_on() {
    let Some(broker) = broker("metadata").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Outer, _, _>(|_, context: Context, passes_on| async move {
            let metadata = if passes_on == 1 { context.metadata().clone() } else { Metadata::new() };
            let inner = context.client().call_with::<Work>(&0, with(metadata)).await;
            inner.map(|inner| shown(&context) + "| " + &inner).map_err(|error| Status::internal(error.to_string()))
        })
        .method::<Work, _, _>(|_, context: Context, _| async move { Ok(shown(&context)) });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let metadata = || with(Metadata::new().with("token", "secret ☃").with("language", ""));
    assert_eq!(client.call_with::<Outer>(&0, metadata()).await.unwrap(), "language= token=secret ☃ | ");
    let passed_on = "language= token=secret ☃ | language= token=secret ☃ ";
    assert_eq!(client.call_with::<Outer>(&1, metadata()).await.unwrap(), passed_on);
    let most = Metadata::new().with("most", "v".repeat(METADATA_BYTES_MAX - 4));
    assert_eq!(client.call_with::<Work>(&0, with(most)).await.unwrap().len(), METADATA_BYTES_MAX + 2);
}

#[tokio::test]
async fn metadata_that_cannot_travel_is_refused_before_anything_is_sent() {
    let Some(broker) = broker("metadata-refused").await else { return };
    let client = client(&broker.url).await;
    // Nobody serves the method: had it been sent, it would be unroutable.
    let too_large = Metadata::new().with("large", "v".repeat(METADATA_BYTES_MAX));
    let error = client.call_with::<Nowhere>(&1, with(too_large.clone())).await.unwrap_err();
    assert_eq!(error.to_string(), "not accepted: metadata takes at most 4096 bytes, not 4101");
    for name in ["", "deadline-ms", "x-death", "CC"] {
        let error = client.call_with::<Nowhere>(&1, with(Metadata::new().with(name, "1"))).await.unwrap_err();
        assert!(matches!(&error, CallError::Rejected(RejectReason::Header(error)) if error.name == name), "{error}");
    }
    let options = NotifyOptions { metadata: too_large, ..NotifyOptions::default() };
    let error = client.notify_with::<Nowhere>(&1, options).await.unwrap_err();
    assert!(
        matches!(error, PublishError::Rejected(RejectReason::MetadataTooLarge { bytes: 4101, bytes_max: 4096 })),
        "{error}"
    );
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn a_one_way_request_keeps_its_metadata_over_its_tries() {
    let Some(broker) = broker("metadata-one-way").await else { return };
    let client = client(&broker.url).await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let retries = OneWayRetries { pause: Duration::from_millis(1), ..OneWayRetries::default() };
    let service = Service::new("test", "1.0.0", Arc::new(told))
        .method::<Work, _, _>(|told: Arc<mpsc::UnboundedSender<String>>, context: Context, _| async move {
            told.send(shown(&context)).unwrap();
            if context.redelivered() { Ok(String::new()) } else { Err(Status::unavailable("not yet")) }
        })
        .one_way_retries(retries);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let metadata = Metadata::new().with("token", "mine");
    client.notify_with::<Work>(&1, NotifyOptions { metadata, ..NotifyOptions::default() }).await.unwrap();
    for _ in 0..2 {
        assert_eq!(soon("a try", told_rx.recv()).await.unwrap(), "token=mine ");
    }
}

#[tokio::test]
async fn headers_of_a_client_that_knows_nothing_of_warren_are_metadata_up_to_the_limit() {
    let Some(broker) = broker("metadata-foreign").await else { return };
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(|_, context: Context, _| async move { Ok(shown(&context)) });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let channel = foreign(&broker.url).await;
    channel.queue_declare("answers".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut replies = channel.basic_consume("answers".into(), "".into(), options, FieldTable::default()).await.unwrap();
    let too_large = "invalid_argument";
    for (size, answer) in [(1, r#""token=v ""#), (METADATA_BYTES_MAX, too_large), (100_000, too_large)] {
        let mut headers = FieldTable::default();
        headers.insert("token".into(), AMQPValue::LongString("v".repeat(size).into()));
        headers.insert("number".into(), AMQPValue::LongInt(1));
        headers.insert("path".into(), AMQPValue::LongString("somewhere".into()));
        let properties = BasicProperties::default().with_reply_to("answers".into()).with_headers(headers);
        let options = BasicPublishOptions::default();
        let publish = channel.basic_publish("".into(), "test.work".into(), options, b"1", properties);
        assert!(publish.await.unwrap().await.unwrap().is_ack());
        let reply = soon("a reply", replies.next()).await.unwrap().unwrap();
        let body = String::from_utf8(reply.data).unwrap();
        assert!(body.contains(answer), "{body} is not {answer}");
    }
}
