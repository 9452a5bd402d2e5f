//! What a caller gets back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use warren_rpc::{
    CallError, CallOptions, Client, ClientOptions, Code, Codec, Context, Detail, RawMethod, ServeOptions, Service,
    Status,
};

use super::harness::{PATIENCE, Sum, SumRequest, Work, broker, client, soon, stateless, within};

async fn sum(_: Arc<()>, _: Context, SumRequest { a, b }: SumRequest) -> Result<i64, Status> {
    a.checked_add(b).ok_or_else(|| Status::invalid_argument("the sum does not fit 64 bits"))
}

#[tokio::test]
async fn a_call_is_answered_in_the_form_that_it_was_written_in() {
    let Some(broker) = broker("forms").await else { return };
    let server = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).method::<Sum, _, _>(sum);
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    for codec in [Codec::Msgpack, Codec::Json] {
        let caller = Client::connect(&broker.url, ClientOptions { codec, ..ClientOptions::default() }).await.unwrap();
        assert_eq!(caller.call::<Sum>(&SumRequest { a: 2, b: -5 }).await.unwrap(), -3);
    }
    let body = Bytes::from_static(br#"{"a":2,"b":3}"#);
    let reply = server.call_raw(RawMethod::of::<Sum>(), Codec::Json, body, CallOptions::default()).await.unwrap();
    assert_eq!(&reply[..], b"5");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Begins {
    at: String,
    part: f64,
    n: i64,
}

impl Detail for Begins {
    const NAME: &'static str = "é begins";
}

#[tokio::test]
async fn a_status_arrives_with_its_message_and_details() {
    let Some(broker) = broker("status").await else { return };
    let told = Status::failed_precondition("the contest \"spring\" has not begun").with_detail(&Begins {
        at: "2026-05-01".to_owned(),
        part: 3.5,
        n: -1,
    });
    let service = Service::new("test", "1.0.0", Arc::new(told.clone()))
        .method::<Work, _, _>(|told: Arc<Status>, _, _| async move { Err((*told).clone()) });
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    for codec in [Codec::Msgpack, Codec::Json] {
        let caller = Client::connect(&broker.url, ClientOptions { codec, ..ClientOptions::default() }).await.unwrap();
        let Err(CallError::Status(status)) = caller.call::<Work>(&1).await else { panic!("a status was sent") };
        assert_eq!(status, told, "in {codec:?}");
        assert_eq!(status.detail::<Begins>().unwrap().unwrap().part, 3.5);
    }
}

#[tokio::test]
async fn the_call_id_is_the_callers_and_else_its_own() {
    let Some(broker) = broker("call-id").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(|_, context: Context, _| async move { Ok(context.call_id().to_owned()) });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let chosen = CallOptions { call_id: Some("submission 7, née 6".to_owned()), ..CallOptions::default() };
    assert_eq!(client.call_with::<Work>(&1, chosen).await.unwrap(), "submission 7, née 6");
    let (one, other) = (client.call::<Work>(&1).await.unwrap(), client.call::<Work>(&1).await.unwrap());
    assert!(one != other && one.len() == 36, "{one} {other}");
}

#[tokio::test]
async fn a_handler_that_panics_is_answered_internal_once_and_the_next_call_works() {
    let Some(broker) = broker("panic").await else { return };
    let client = client(&broker.url).await;
    let started = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&started)).method::<Work, _, _>(
        |started: Arc<AtomicU32>, _, number| async move {
            started.fetch_add(1, Ordering::SeqCst);
            assert!(number != 13, "a secret of the service");
            Ok(number.to_string())
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let Err(CallError::Status(status)) = client.call::<Work>(&13).await else { panic!("a status was sent") };
    assert_eq!((status.code, status.message.as_str()), (Code::Internal, "the handler of test.work failed"));
    assert_eq!(client.call::<Work>(&14).await.unwrap(), "14");
    assert_eq!(started.load(Ordering::SeqCst), 2, "a request on which a handler panicked is not tried again");
}

/// Panics when it is dropped, unless it is let go.
struct Stubborn(bool);

impl Drop for Stubborn {
    fn drop(&mut self) {
        assert!(self.0, "it was dropped");
    }
}

#[tokio::test]
async fn a_handler_that_panics_when_it_is_dropped_gives_its_place_back() {
    let Some(broker) = broker("panic-dropped").await else { return };
    let client = client(&broker.url).await;
    let service =
        Service::new("test", "1.0.0", Arc::new(())).method::<Work, _, _>(|_, context: Context, number| async move {
            let mut stubborn = Stubborn(false);
            if number == 13 {
                tokio::time::sleep(context.remaining() + PATIENCE).await;
            }
            stubborn.0 = true;
            Ok(number.to_string())
        });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let late = client.call_with::<Work>(&13, within(Duration::from_millis(100))).await;
    // Both are true at the deadline: the time is up, and the handler failed. Whoever is first tells.
    let Err(CallError::Status(status)) = late else { panic!("a status was sent: {late:?}") };
    assert!(matches!(status.code, Code::DeadlineExceeded | Code::Internal), "{status}");
    assert_eq!(soon("the next call", client.call_with::<Work>(&14, within(PATIENCE))).await.unwrap(), "14");
}
