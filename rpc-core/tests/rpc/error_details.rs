//! What an error tells of the other side: typed details, and nothing that is not so.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use lapin::options::QueueDeclareOptions;
use warren_rpc::{
    BadField, BadFields, CallError, CallOptions, Codec, Context, RawMethod, Retry, RetryAfter, ServeOptions, Service,
    Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{PATIENCE, Sum, Work, broker, client, eventually, foreign, ready, soon, stateless, within};

#[tokio::test]
async fn a_request_that_cannot_be_read_is_told_typed_where_it_is_wrong() {
    let Some(broker) = broker("bad-fields").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).method::<Sum, _, _>(|_, _, _| async { Ok(0) });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let wrong = serde_json::json!({"a": 1, "b": "two"});
    for (codec, problem) in [
        (Codec::Json, "invalid type: string \"two\", expected i64"),
        (Codec::Msgpack, "a text is not what is expected here"),
    ] {
        let body: Bytes = codec.encode(&wrong).unwrap();
        let error = client.call_raw(RawMethod::of::<Sum>(), codec, body, CallOptions::default()).await.unwrap_err();
        assert_eq!((error.may_have_run(), error.retry()), (false, Retry::Never));
        let CallError::Status(status) = error else { panic!("a status was sent: {error}") };
        let Some(Ok(BadFields(fields))) = status.detail() else { panic!("{status:?}") };
        let [BadField { field, problem: told }] = &fields[..] else { panic!("{fields:?}") };
        assert!(field == "b" && told.starts_with(problem), "{fields:?}");
    }
}

/// Refuses the first request, and says how long to wait.
async fn later(pauses: Arc<(AtomicU32, Duration)>, _: Context, _: u32) -> Result<String, Status> {
    match pauses.0.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Status::unavailable("starting").with_detail(&RetryAfter::new(pauses.1))),
        _ => Ok("done".to_owned()),
    }
}

#[tokio::test]
async fn a_service_that_says_how_long_to_wait_is_not_asked_before() {
    let Some(broker) = broker("retry-after").await else { return };
    let client = client(&broker.url).await;
    let pause = Duration::from_millis(300);
    let service = Service::new("test", "1.0.0", Arc::new((AtomicU32::new(0), pause))).method::<Work, _, _>(later);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let begun = Instant::now();
    assert_eq!(client.call_with::<Work>(&1, within(PATIENCE)).await.unwrap(), "done");
    assert!(begun.elapsed() >= pause, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wait_that_is_longer_than_the_deadline_ends_the_call_at_once() {
    let Some(broker) = broker("retry-too-late").await else { return };
    let client = client(&broker.url).await;
    let pause = Duration::MAX;
    let service = Service::new("test", "1.0.0", Arc::new((AtomicU32::new(0), pause))).method::<Work, _, _>(later);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let error = soon("the call ends", client.call_with::<Work>(&1, within(2 * PATIENCE))).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: starting");
}

#[tokio::test]
async fn a_call_that_was_sent_twice_is_not_said_to_have_done_nothing() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let caller = client(&broker.url).await;
    let channel = foreign(&broker.url).await;
    channel.queue_declare("test.work".into(), QueueDeclareOptions::default(), Default::default()).await.unwrap();
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&1, within(PATIENCE)).await }
    });
    eventually("the request waits", || async { ready(&channel, "test.work").await == 1 }).await;
    channel.queue_delete("test.work".into(), Default::default()).await.unwrap();
    broker.cut_connections().await;
    // Sent again, it finds no queue: but somebody may have had it the first time.
    let error = soon("the call ends", call).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }) && error.may_have_run(), "{error}");
}
