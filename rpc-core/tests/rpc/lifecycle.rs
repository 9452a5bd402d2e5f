//! The end of a client: asked for, or by dropping it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{FutureExt, future::join_all};
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};
use warren_rpc::{
    CallError, Client, ClientOptions, Codec, ConnectError, RawMethod, RejectReason, Running, ServeOptions, Service,
    Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Careful, Happened, PATIENCE, Work, broker, client, eventually, foreign, soon, stateless, within};

#[tokio::test]
async fn closing_ends_the_pending_calls_of_the_other_clones() {
    let Some(broker) = broker("close").await else { return };
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(started)).method::<Work, _, _>(
        |started: Arc<mpsc::UnboundedSender<()>>, _, _| async move {
            started.send(()).unwrap();
            std::future::pending::<Result<String, Status>>().await
        },
    );
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let one = client(&broker.url).await;
    let other = one.clone();
    let pending = tokio::spawn(async move { (other.call::<Work>(&1).await, other) });
    soon("the call is handled", started_rx.recv()).await.unwrap();
    soon("the close", one.close()).await;
    let (outcome, other) = soon("the call ends", pending).await.unwrap();
    assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    soon("the clone is told", other.ended()).await;
    for outcome in [other.call::<Work>(&1).await.map(drop), other.serving::<Work>().await.map(drop)] {
        let closed = matches!(outcome, Err(CallError::Rejected(RejectReason::Closed { .. })));
        assert!(closed, "nothing was sent: {outcome:?}");
    }
    soon("a second close", other.close()).await;
}

async fn named_client(url: &str, name: &str) -> Client {
    Client::connect(url, ClientOptions { name: name.to_owned(), ..ClientOptions::default() }).await.unwrap()
}

/// A runtime of its own, whose tasks can be counted.
async fn in_a_runtime<T: Send + 'static>(runtime: &Runtime, future: impl Future<Output = T> + Send + 'static) -> T {
    runtime.spawn(future).await.unwrap()
}

async fn all_tasks_end(runtime: &Runtime) {
    eventually("all tasks end", || async { runtime.metrics().num_alive_tasks() == 0 }).await;
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn serve(client: &Client) -> Running {
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, _| async { Ok("done".to_owned()) });
    service.serve(client, ServeOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_last_client_closes_the_connection_and_ends_its_tasks() {
    let Some(broker) = broker("drop").await else { return };
    let runtime = runtime();
    let client = in_a_runtime(&runtime, {
        let url = broker.url.clone();
        async move {
            let client = named_client(&url, "dropped-client").await;
            assert!(matches!(client.call::<Work>(&1).await, Err(CallError::Unroutable { .. })));
            client
        }
    })
    .await;
    assert!(broker.is_connected("dropped-client").await);
    let clone = client.clone();
    drop(client);
    assert!(runtime.metrics().num_alive_tasks() > 0, "a clone is a client");
    drop(clone);
    all_tasks_end(&runtime).await;
    eventually("the connection is closed", || async { !broker.is_connected("dropped-client").await }).await;
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_keeps_its_connection_and_its_end_closes_it() {
    let Some(broker) = broker("drop-running").await else { return };
    for orderly in [true, false] {
        let runtime = runtime();
        let running = in_a_runtime(&runtime, {
            let url = broker.url.clone();
            async move { serve(&named_client(&url, "dropped-server").await).await }
        })
        .await;
        let caller = client(&broker.url).await;
        assert_eq!(caller.call::<Work>(&1).await.unwrap(), "done", "its client is dropped, and it serves on");
        if orderly {
            in_a_runtime(&runtime, running.shutdown()).await;
        } else {
            drop(running);
        }
        all_tasks_end(&runtime).await;
        eventually("the connection is closed", || async { !broker.is_connected("dropped-server").await }).await;
        runtime.shutdown_background();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_are_dropped_leave_their_clients_connection_alone() {
    let Some(broker) = broker("drop-often").await else { return };
    let client = client(&broker.url).await;
    for _ in 0..50 {
        drop(serve(&client).await);
    }
    let _running = serve(&client).await;
    assert_eq!(client.call::<Work>(&1).await.unwrap(), "done");
}

#[tokio::test]
async fn what_is_dropped_after_its_runtime_does_no_harm() {
    let Some(broker) = broker("drop-late").await else { return };
    let runtime = runtime();
    let (client, running) = in_a_runtime(&runtime, async move {
        let client = client(&broker.url).await;
        let running = serve(&client).await;
        (client, running)
    })
    .await;
    runtime.shutdown_background();
    std::thread::spawn(move || drop((running, client))).join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_cannot_be_used_is_left_and_leaves_nothing() {
    let Some(broker) = broker("no-channels").await else { return };
    let runtime = runtime();
    // It needs more.
    let url = format!("{}?channel_max=1", broker.url);
    let options = ClientOptions { name: "without-channels".to_owned(), ..ClientOptions::default() };
    let outcome = in_a_runtime(&runtime, async move { Client::connect(&url, options).await }).await;
    assert!(matches!(outcome, Err(ConnectError::Unreachable { .. })), "{outcome:?}");
    all_tasks_end(&runtime).await;
    eventually("the connection is closed", || async { !broker.is_connected("without-channels").await }).await;
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_and_is_not_confirmed_leaves_nothing_when_the_client_is_closed() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let runtime = runtime();
    broker.block_publishers().await;
    in_a_runtime(&runtime, {
        let url = broker.url.clone();
        async move {
            let options = ClientOptions { publish_timeout: Duration::from_millis(300), ..ClientOptions::default() };
            let client = Client::connect(&url, options).await.unwrap();
            let publish = || async { client.publish::<Happened>(&1).await };
            while publish().await.is_ok() {}
            assert!(join_all((0..10).map(|_| publish())).await.iter().all(Result::is_err));
            client.close().await;
        }
    })
    .await;
    all_tasks_end(&runtime).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn closing_ends_calls_that_wait_to_be_written_at_once() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    channel.queue_declare("test.careful".into(), Default::default(), Default::default()).await.unwrap();
    broker.block_publishers().await;
    // More than the socket, the AMQP library and the queue behind it take.
    let call =
        |_| client.call_raw(RawMethod::of::<Careful>(), Codec::Json, vec![b' '; 65_536].into(), within(PATIENCE));
    let mut calls = Box::pin(tokio::task::unconstrained(join_all((0..3000).map(call))));
    assert!(calls.as_mut().now_or_never().is_none(), "they wait");
    let begun = Instant::now();
    let closing = tokio::spawn(client.clone().close());
    for outcome in soon("the calls end", calls).await {
        assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}: not with the broker's answer", begun.elapsed());
    soon("the close", closing).await.unwrap();
}

#[tokio::test]
async fn a_broker_that_accepts_and_is_silent_is_given_up_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://127.0.0.1:{}", silent.local_addr().unwrap().port());
    let begun = Instant::now();
    let options = ClientOptions { connect_timeout: Duration::from_millis(200), ..ClientOptions::default() };
    let outcome = Client::connect(&url, options).await;
    assert!(matches!(outcome, Err(ConnectError::TimedOut { .. })), "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}, not the default of 10 s", begun.elapsed());
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_told_without_their_password() {
    let Some(broker) = broker("addresses").await else { return };
    let wrong_password = broker.url.replace("guest:guest", "guest:hunter2");
    let (server, _) = broker.url.rsplit_once('/').unwrap();
    let no_vhost = format!("{server}/hunter2");
    for url in
        ["", "localhost", "http://u:hunter2@localhost", "amqp:u:hunter2@localhost", "amqp://u:hunter2@localhost:99999"]
    {
        let error = Client::connect(url, ClientOptions::default()).await.unwrap_err();
        assert!(matches!(error, ConnectError::Address { .. }), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let error = Client::connect(&wrong_password, ClientOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let error = Client::connect(&no_vhost, ClientOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn tls_to_a_port_without_it_is_an_error_and_not_a_panic() {
    let Some(broker) = broker("tls").await else { return };
    let url = broker.url.replace("amqp://", "amqps://");
    let options = ClientOptions { connect_timeout: Duration::from_secs(5), ..ClientOptions::default() };
    let outcome = tokio::spawn(async move { Client::connect(&url, options).await }).await;
    assert!(outcome.expect("no panic").is_err());
}
