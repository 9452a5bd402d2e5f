//! Nothing grows without a limit, and each limit is told.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::{Semaphore, mpsc};
use warren_rpc::{
    BadFields, CallError, CallOptions, Client, ClientOptions, Code, Codec, ConnectError, Context, Effect, MayHaveRun,
    RawMethod, RejectReason, ServeError, ServeOptions, Service, Status,
};

use super::harness::{Nowhere, Small, Work, broker, client, eventually, foreign, named, ready, soon, stateless};

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_published() {
    let Some(broker) = broker("size").await else { return };
    let client = client(&broker.url).await;
    // Nobody serves the method: had it been published, it would be unroutable.
    let error = client.call::<Small>(&"x".repeat(1022)).await.unwrap_err();
    let CallError::Rejected(RejectReason::BodyTooLarge { method, body_bytes, body_bytes_max }) = error else {
        panic!("{error}")
    };
    assert_eq!((method.as_str(), body_bytes, body_bytes_max), ("test.small", 1025, 1024));
    let error = client.call::<Small>(&"x".repeat(1021)).await.unwrap_err();
    assert!(matches!(error, CallError::Unroutable { .. }), "{error}");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn a_reply_over_the_limit_becomes_resource_exhausted_and_is_not_tried_again() {
    let Some(broker) = broker("reply-size").await else { return };
    let client = client(&broker.url).await;
    let runs = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&runs)).method::<Small, _, _>(
        |runs: Arc<AtomicU32>, _, request: String| async move {
            runs.fetch_add(1, Ordering::SeqCst);
            match request.as_str() {
                "status" => Err(Status::not_found("y".repeat(2000)).with_detail(&BadFields::one("y".repeat(2000), ""))),
                length => Ok("y".repeat(length.parse().unwrap())),
            }
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    assert_eq!(client.call::<Small>(&"1021".to_owned()).await.unwrap().len(), 1021);
    let Err(CallError::Status(status)) = client.call::<Small>(&"1022".to_owned()).await else { panic!("refused") };
    let told = Status::resource_exhausted("the reply takes at most 1024 bytes, not 1025");
    assert_eq!(status, told.with_detail(&MayHaveRun(true)));
    assert_eq!(runs.load(Ordering::SeqCst), 2, "what was done is not done again by itself");
    let repeatable = RawMethod { effect: Effect::Repeatable, ..RawMethod::of::<Small>() };
    let error = client.call_raw(repeatable, Codec::Json, "\"1023\"".into(), CallOptions::default()).await.unwrap_err();
    assert!(error.may_have_run() && runs.load(Ordering::SeqCst) == 3, "a reply is no smaller the next time: {error}");
    let Err(CallError::Status(status)) = client.call::<Small>(&"status".to_owned()).await else { panic!("refused") };
    assert_eq!(status.code, Code::NotFound, "the code is kept, the words are not");
    assert!(status.message.len() < 1024 && status.details.is_empty(), "{status:?}");
}

/// Handlers wait here until the test lets them go.
struct Waiting {
    started: mpsc::UnboundedSender<()>,
    go: Semaphore,
}

async fn wait(waiting: Arc<Waiting>, _: Context, number: u32) -> Result<String, Status> {
    waiting.started.send(()).unwrap();
    waiting.go.acquire().await.unwrap().forget();
    Ok(number.to_string())
}

#[tokio::test]
async fn one_call_more_than_the_in_flight_limit_is_refused_and_a_dropped_call_frees_its_place() {
    let Some(broker) = broker("in-flight").await else { return };
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let waiting = Arc::new(Waiting { started, go: Semaphore::new(0) });
    let service = Service::new("test", "1.0.0", Arc::clone(&waiting)).method::<Work, _, _>(wait);
    let server = client(&broker.url).await;
    let options = ServeOptions { prefetch: 8, ..ServeOptions::default() };
    let _running = service.serve(&server, options).await.unwrap();

    let caller =
        Client::connect(&broker.url, ClientOptions { in_flight_max: 2, ..ClientOptions::default() }).await.unwrap();
    let call = |number| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call::<Work>(&number).await })
    };
    let (kept, dropped) = (call(1), call(2));
    for _ in 0..2 {
        soon("both are handled", started_rx.recv()).await.unwrap();
    }
    assert_eq!(caller.in_flight(), 2);
    let error = caller.call::<Work>(&3).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected(RejectReason::InFlightLimit { in_flight_max: 2 })), "{error}");

    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    assert_eq!(caller.in_flight(), 1);
    let replacement = call(4);
    soon("it is handled", started_rx.recv()).await.unwrap();
    waiting.go.add_permits(3);
    assert_eq!(kept.await.unwrap().unwrap(), "1");
    assert_eq!(replacement.await.unwrap().unwrap(), "4");
    assert_eq!(caller.in_flight(), 0);
}

#[tokio::test]
async fn a_prefetch_of_zero_is_one_and_not_without_a_limit() {
    let Some(broker) = broker("prefetch").await else { return };
    let client = client(&broker.url).await;
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let waiting = Arc::new(Waiting { started, go: Semaphore::new(0) });
    let service = Service::new("test", "1.0.0", Arc::clone(&waiting)).method::<Work, _, _>(wait);
    let _running = service.serve(&client, ServeOptions { prefetch: 0, ..ServeOptions::default() }).await.unwrap();
    let calls = tokio::spawn({
        let client = client.clone();
        async move { join_all([1, 2, 3].iter().map(|number| client.call::<Work>(number))).await }
    });
    let channel = foreign(&broker.url).await;
    for waiting_in_the_queue in [2, 1, 0] {
        soon("one is handled", started_rx.recv()).await.unwrap();
        // Without a limit all three would be with the instance, and the queue empty.
        eventually("the others wait", || async { ready(&channel, "test.work").await == waiting_in_the_queue }).await;
        assert!(started_rx.try_recv().is_err(), "one at a time");
        waiting.go.add_permits(1);
    }
    assert!(calls.await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test]
async fn names_that_amqp_cannot_carry_are_refused_and_nothing_panics() {
    let Some(broker) = broker("names").await else { return };
    let client = client(&broker.url).await;
    let (longest, too_long) = ("n".repeat(255), "n".repeat(256));
    let call = |method: &str, call_id: Option<&str>| {
        let options = CallOptions { call_id: call_id.map(str::to_owned), ..CallOptions::default() };
        let (client, method) = (client.clone(), method.to_owned());
        async move {
            let method = RawMethod::named(&method);
            client.call_raw(method, Codec::Json, Bytes::from_static(b"1"), options).await.unwrap_err()
        }
    };
    for method in [longest.as_str(), "é\n\0"] {
        assert!(matches!(call(method, Some(&longest)).await, CallError::Unroutable { .. }));
    }
    for (method, call_id, told) in [
        (too_long.as_str(), None, "not accepted: the method's name takes 1 to 255 bytes, not 256"),
        ("", None, "not accepted: the method's name takes 1 to 255 bytes, not 0"),
        ("m", Some(too_long.as_str()), "not accepted: the call id takes 1 to 255 bytes, not 256"),
        ("m", Some(""), "not accepted: the call id takes 1 to 255 bytes, not 0"),
    ] {
        assert_eq!(call(method, call_id).await.to_string(), told);
    }
    assert_eq!(client.in_flight(), 0);

    let service = Service::new("test", "1.0.0", stateless())
        .method::<Nowhere, _, _>(|_, _, number: u32| async move { Ok(number.to_string()) });
    let error = service.serve(&client, named(&too_long)).await.unwrap_err();
    assert!(matches!(error, ServeError::Name { .. }), "{error}");
    let error =
        Client::connect(&broker.url, ClientOptions { name: too_long.clone(), ..ClientOptions::default() }).await;
    assert!(matches!(error, Err(ConnectError::Name { .. })), "{error:?}");
    let error = Client::connect(&format!("amqp://localhost/{too_long}"), ClientOptions::default()).await;
    assert!(matches!(error, Err(ConnectError::Address { .. })), "{error:?}");
}
