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
    CallError, CallOptions, Client, ClientOptions, Codec, ConnectError, Context, PublishError, ServeError,
    ServeOptions, Service, Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Happened, PATIENCE, Work, client, soon, within};

async fn never(started: Arc<mpsc::UnboundedSender<()>>, _: Context, _: u32) -> Result<String, Status> {
    started.send(()).unwrap();
    std::future::pending().await
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_broker_dies_everything_that_waits_is_told_at_once() {
    let Some(mut broker) = own_broker(OwnOptions::default()).await else { return };
    let (caller, server) = (client(&broker.url).await, client(&broker.url).await);
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(started)).method::<Work, _, _>(never);
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
    soon("the caller is told", caller.lost()).await;
    soon("the server is told", server.lost()).await;
    let ended = soon("the instance is told", running.ended()).await;
    assert!(matches!(ended, ServeError::ConsumerEnded { .. } | ServeError::ConnectionLost), "{ended}");
    assert!(killed.elapsed() < PATIENCE / 2, "{:?}: at once, not at the calls' deadline", killed.elapsed());

    assert_eq!(caller.in_flight(), 0);
    assert!(matches!(caller.call::<Work>(&1).await, Err(CallError::ConnectionLost { .. })));
    assert!(matches!(caller.publish::<Happened>(&1).await, Err(PublishError::ConnectionLost { .. })));
    soon("a shutdown without a broker", running.shutdown()).await;
    soon("a close without a broker", caller.close()).await;
    let refused = Client::connect(&broker.url, ClientOptions::default()).await;
    assert!(matches!(refused, Err(ConnectError::Unreachable { .. })), "{refused:?}");
}

async fn call(client: Client, number: u32) -> Result<String, CallError> {
    client.call_with::<Work>(&number, within(PATIENCE)).await
}

#[tokio::test]
async fn a_channel_that_the_broker_closes_ends_what_stands_on_it_and_never_half_of_it() {
    // It closes the channel of who publishes more than this.
    let options = OwnOptions { body_bytes_max: Some(65_536), ..OwnOptions::default() };
    let Some(broker) = own_broker(options).await else { return };
    a_client_whose_requests_can_go_nowhere_is_lost(&broker.url).await;
    an_instance_whose_replies_can_go_nowhere_ends(&broker.url).await;
}

async fn a_client_whose_requests_can_go_nowhere_is_lost(url: &str) {
    let caller = client(url).await;
    let large = Bytes::from(vec![b' '; 100_000]);
    let call = caller.call_raw("test.work", Codec::Json, large, 1 << 20, CallOptions::default());
    let outcome = soon("the call ends", call).await;
    assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    soon("the client is told", caller.lost()).await;
    let outcome = soon("a later call ends", caller.call::<Work>(&1)).await;
    assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
}

async fn an_instance_whose_replies_can_go_nowhere_ends(url: &str) {
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Work, _, _>(
        |handled: Arc<AtomicU32>, _, number: u32| async move {
            handled.fetch_add(1, Ordering::SeqCst);
            Ok("y".repeat(number as usize))
        },
    );
    let (server, caller) = (client(url).await, client(url).await);
    let mut running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&100_000, within(PATIENCE)).await }
    });
    let ended = soon("the instance ends", running.ended()).await;
    assert!(matches!(ended, ServeError::ConnectionLost), "{ended}");
    soon("the shutdown", running.shutdown()).await;
    assert_eq!(handled.load(Ordering::SeqCst), 1, "it does not run its request over and over");
    call.abort();
    assert_eq!(soon("another instance", another(&service, url)).await, "yyy");
}

async fn another(service: &Service<AtomicU32>, url: &str) -> String {
    let server = client(url).await;
    // The request that cannot be answered is in the queue still: out of the way with it.
    super::harness::foreign(url).await.queue_purge("test.work".into(), Default::default()).await.unwrap();
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    server.call::<Work>(&3).await.unwrap()
}
