//! A broker that blocks publishers, for want of memory: nothing waits for ever, and what was given up is not done later.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use warren_rpc::{CallError, Client, ClientOptions, Code, PublishError, ServeOptions, Service};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{Happened, Work, client, eventually, soon, within};

const TIMEOUT: Duration = Duration::from_millis(300);

/// Publishes events until one is not confirmed, for the broker takes what it reads before it blocks a connection; and
/// two more, of which the first may be with the AMQP library by then, which writes what it has.
async fn publish_until_blocked(publisher: &Client) {
    soon("the broker blocks", async {
        while publisher.publish::<Happened>(&0).await.is_ok() {}
        for _ in 0..2 {
            assert!(publisher.publish::<Happened>(&0).await.is_err());
        }
    })
    .await;
}

#[tokio::test]
async fn calls_and_events_end_in_time_and_what_was_given_up_is_not_published_later() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(handled))
        .on::<Happened, _, _>(|handled: Arc<mpsc::UnboundedSender<u32>>, _, number| async move {
            handled.send(number).unwrap();
            Ok(())
        })
        .method::<Work, _, _>(|handled, _, number| async move {
            handled.send(number).unwrap();
            Ok(String::new())
        });
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let options = ClientOptions { publish_timeout: TIMEOUT, ..ClientOptions::default() };
    let publisher = Client::connect(&broker.url, options).await.unwrap();

    broker.block_publishers().await;
    publish_until_blocked(&publisher).await;
    let error = soon("the event", publisher.publish::<Happened>(&1)).await.unwrap_err();
    assert!(matches!(error, PublishError::TimedOut { timeout: TIMEOUT }), "{error}");
    assert_eq!(error.to_string(), "the broker did not confirm within 300ms");
    let error = soon("the call", publisher.call_with::<Work>(&2, within(TIMEOUT))).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Unavailable), "{error}");
    assert!(publisher.blocked().is_some());

    broker.unblock_publishers().await;
    eventually("the client is told", || async { publisher.blocked().is_none() }).await;
    let waiting = publisher.call_with::<Work>(&3, within(Duration::from_secs(30)));
    soon("a call after it", waiting).await.unwrap();
    soon("an event after it", async { while publisher.publish::<Happened>(&4).await.is_err() {} }).await;
    let mut handled = Vec::new();
    while !handled.contains(&3) || !handled.contains(&4) {
        handled.push(soon("what was published", handled_rx.recv()).await.unwrap());
    }
    assert!(!handled.contains(&1) && !handled.contains(&2), "{handled:?}");
}
