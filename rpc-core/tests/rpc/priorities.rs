//! Which of the requests that wait is taken first.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::mpsc;
use warren_rpc::{CallOptions, Method, NotifyOptions, ServeOptions, Service};

use super::harness::{PATIENCE, broker, client, eventually, foreign, ready, soon, within};

struct Urgent;

impl Method for Urgent {
    const NAME: &'static str = "test.urgent";
    const PRIORITY_MAX: u8 = 5;
    type Request = u8;
    type Reply = u8;
}

#[tokio::test]
async fn of_the_requests_that_wait_the_most_urgent_is_taken_first() {
    let Some(broker) = broker("priorities").await else { return };
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Urgent, _, _>(
        |told: Arc<mpsc::UnboundedSender<u8>>, _, priority| async move {
            told.send(priority).unwrap();
            Ok(priority)
        },
    );
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    service.serve(&server, ServeOptions::default()).await.unwrap().shutdown().await;
    let calls = [0, 3, 5].map(|priority| {
        let caller = caller.clone();
        let options = CallOptions { priority: Some(priority), ..within(PATIENCE) };
        tokio::spawn(async move { caller.call_with::<Urgent>(&priority, options).await.unwrap() })
    });
    for priority in [1, 4, 2] {
        let options = NotifyOptions { priority: Some(priority), ..NotifyOptions::default() };
        caller.notify_with::<Urgent>(&priority, options).await.unwrap();
    }
    let channel = foreign(&broker.url).await;
    eventually("all wait", || async { ready(&channel, "test.urgent").await == 6 }).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    for priority in [5, 4, 3, 2, 1, 0] {
        assert_eq!(soon("the next", told_rx.recv()).await, Some(priority));
    }
    soon("the replies", join_all(calls)).await;
}
