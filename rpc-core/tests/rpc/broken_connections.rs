//! A broker that dies, or closes what a client stands on. Each test has a broker of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc;
use warren_rpc::{
    CallError, Client, ClientOptions, Code, Codec, ConnectError, Context, Effect, PublishError, RawMethod,
    RejectReason, ServeError, ServeOptions, Service, Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Careful, Happened, PATIENCE, Work, client, client_that_gives_up, soon, stateless, within};

async fn never(started: Arc<mpsc::UnboundedSender<()>>, _: Context, _: u32) -> Result<String, Status> {
    started.send(()).unwrap();
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_broker_dies_everything_that_waits_is_told_at_once() {
    let Some(mut broker) = own_broker(OwnOptions::default()).await else { return };
    let (caller, server) = (client_that_gives_up(&broker.url).await, client_that_gives_up(&broker.url).await);
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(started)).method::<Careful, _, _>(never);
    let options = ServeOptions { prefetch: 100, ..ServeOptions::default() };
    let mut running = service.serve(&server, options).await.unwrap();
    let pending = tokio::spawn({
        let caller = caller.clone();
        async move { join_all((0..100).map(|number| call(caller.clone(), number))).await }
    });
    for _ in 0..100 {
        soon("all calls are handled", started_rx.recv()).await.unwrap();
    }

    let killed = Instant::now();
    broker.kill().await;
    for outcome in soon("the calls end", pending).await.unwrap() {
        assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    }
    soon("the caller is told", caller.ended()).await;
    soon("the server is told", server.ended()).await;
    let ended = soon("the instance is told", running.ended()).await;
    assert!(matches!(ended, ServeError::Closed { source: Some(_) }), "{ended}");
    assert!(killed.elapsed() < PATIENCE / 2, "{:?}: at once, not at the calls' deadline", killed.elapsed());

    assert_eq!(caller.in_flight(), 0);
    let outcome = caller.call::<Careful>(&1).await;
    assert!(matches!(outcome, Err(CallError::Rejected(RejectReason::Closed { source: Some(_) }))), "{outcome:?}");
    let outcome = caller.publish::<Happened>(&1).await;
    assert!(matches!(outcome, Err(PublishError::Rejected(RejectReason::Closed { source: Some(_) }))), "{outcome:?}");
    soon("a shutdown without a broker", running.shutdown()).await;
    soon("a close without a broker", caller.close()).await;
    let refused = Client::connect(&broker.url, ClientOptions::default()).await;
    assert!(matches!(refused, Err(ConnectError::Unreachable { .. })), "{refused:?}");
}

async fn call(client: Client, number: u32) -> Result<String, CallError> {
    client.call_with::<Careful>(&number, within(PATIENCE)).await
}

#[tokio::test]
async fn a_request_that_ends_its_connection_is_not_sent_for_ever_and_later_calls_work() {
    // It closes the channel of who publishes more than this.
    let options = OwnOptions { body_bytes_max: Some(65_536), ..OwnOptions::default() };
    let Some(broker) = own_broker(options).await else { return };
    let server = client(&broker.url).await;
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    for effect in [Effect::AtMostOnce, Effect::Repeatable] {
        let large = Bytes::from(vec![b' '; 100_000]);
        let method = RawMethod { effect, ..RawMethod::named("test.work") };
        let outcome = soon("the call ends", caller.call_raw(method, Codec::Json, large, within(PATIENCE))).await;
        assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
        assert_eq!(soon("a later call", caller.call_with::<Work>(&1, within(PATIENCE))).await.unwrap(), "done");
    }
    assert_eq!(caller.in_flight(), 0);
}

#[tokio::test]
async fn an_instance_whose_reply_ends_its_connection_serves_on() {
    let options = OwnOptions { body_bytes_max: Some(65_536), ..OwnOptions::default() };
    let Some(broker) = own_broker(options).await else { return };
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Careful, _, _>(
        |handled: Arc<AtomicU32>, _, number: u32| async move {
            handled.fetch_add(1, Ordering::SeqCst);
            Ok("y".repeat(number as usize))
        },
    );
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let outcome = soon("the call ends", caller.call_with::<Careful>(&100_000, within(PATIENCE))).await;
    let Err(CallError::Status(status)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(status.code, Code::Unavailable, "the second delivery says that the first may have run: {status}");
    assert_eq!(handled.load(Ordering::SeqCst), 1, "it is not run again");
    assert_eq!(soon("a later call", caller.call_with::<Careful>(&3, within(PATIENCE))).await.unwrap(), "yyy");
}
