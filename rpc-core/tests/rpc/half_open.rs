//! A broker that is silent and keeps its connections open: row 3 of the table of faults.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use warren_rpc::{CallError, Client, ClientOptions, Context, ServeOptions, Service, Status};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Careful, PATIENCE, Work, eventually, soon, within};

const HEARTBEAT: Duration = Duration::from_secs(2);

/// Two and a half heartbeats, and what a busy machine may add.
const NOTICED_WITHIN: Duration = Duration::from_secs(8);

async fn impatient_client(url: &str) -> Client {
    Client::connect(url, ClientOptions { heartbeat: HEARTBEAT, ..ClientOptions::default() }).await.unwrap()
}

/// Says that it has begun; the first time it does not end.
async fn the_second_time(
    begun: std::sync::Arc<mpsc::UnboundedSender<u32>>,
    _: Context,
    number: u32,
) -> Result<String, Status> {
    begun.send(number).unwrap();
    if number == 1 {
        std::future::pending::<()>().await;
    }
    Ok(format!("done {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_silent_is_noticed_in_time_and_left_for_another() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", std::sync::Arc::new(begun)).method::<Careful, _, _>(the_second_time);
    let caller = impatient_client(&broker.url).await;
    let server = impatient_client(&broker.url).await;
    let _running = service
        .method::<Work, _, _>(the_second_time)
        .serve(&server, ServeOptions { prefetch: 8, ..ServeOptions::default() })
        .await
        .unwrap();
    let careful = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Careful>(&1, within(PATIENCE)).await }
    });
    assert_eq!(soon("it is handled", begun_rx.recv()).await, Some(1));

    let frozen = Instant::now();
    broker.freeze().await;
    let repeatable = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&2, within(PATIENCE)).await }
    });
    let outcome = soon("the call that must not run twice ends", careful).await.unwrap();
    assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    assert!(frozen.elapsed() < NOTICED_WITHIN, "{:?}", frozen.elapsed());
    broker.thaw().await;
    assert_eq!(soon("the other is answered", repeatable).await.unwrap().unwrap(), "done 2");
    eventually("both are connected", || async { caller.is_connected() && server.is_connected() }).await;
    assert_eq!(soon("a new call", caller.call_with::<Careful>(&3, within(PATIENCE))).await.unwrap(), "done 3");
}
