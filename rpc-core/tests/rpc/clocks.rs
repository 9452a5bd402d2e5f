//! Callers whose clocks are wrong: row 19 of the table of faults.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lapin::{
    BasicProperties, Channel,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldTable},
};
use tokio::sync::mpsc;
use warren_rpc::{ServeOptions, Service};

use super::{
    harness::{Work, broker, client, eventually, foreign, ready, soon},
    logs::Logs,
};

const A_MINUTE_MS: i64 = 60_000;
const AN_HOUR_MS: i64 = 60 * A_MINUTE_MS;

/// A request of a caller whose clock is off, with a minute to go.
async fn publish(channel: &Channel, number: u32, clock_ahead_ms: i64) {
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let mut headers = FieldTable::default();
    headers.insert("deadline-ms".into(), AMQPValue::LongLongInt(A_MINUTE_MS));
    headers.insert("deadline-at".into(), AMQPValue::LongLongInt(now_ms + clock_ahead_ms + A_MINUTE_MS));
    let properties = BasicProperties::default().with_headers(headers).with_reply_to("answers".into());
    let options = BasicPublishOptions::default();
    let body = number.to_string();
    let confirm = channel.basic_publish("".into(), "test.work".into(), options, body.as_bytes(), properties);
    assert!(confirm.await.unwrap().await.unwrap().is_ack());
}

#[tokio::test]
async fn a_wrong_clock_is_logged_and_ends_a_request_early_at_worst() {
    let _logs = Logs::begin();
    let Some(broker) = broker("clocks").await else { return };
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(handled)).method::<Work, _, _>(
        |handled: Arc<mpsc::UnboundedSender<_>>, context: warren_rpc::Context, number| async move {
            handled.send((number, context.remaining())).unwrap();
            Ok(number.to_string())
        },
    );
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let channel = foreign(&broker.url).await;
    channel.queue_declare("answers".into(), Default::default(), Default::default()).await.unwrap();

    publish(&channel, 1, AN_HOUR_MS).await;
    let (number, remaining) = soon("the request of the one ahead", handled_rx.recv()).await.unwrap();
    assert_eq!(number, 1);
    assert!(remaining <= Duration::from_secs(60), "{remaining:?}: a wrong clock lengthens no deadline");
    publish(&channel, 2, -AN_HOUR_MS).await;
    publish(&channel, 3, 0).await;
    assert_eq!(soon("the request of the one that is right", handled_rx.recv()).await.unwrap().0, 3, "2 is settled");
    eventually("two are answered", || async { ready(&channel, "answers").await == 2 }).await;
    assert_eq!(Logs::count("a caller's clock is off"), 1, "one line a minute at most");
}
