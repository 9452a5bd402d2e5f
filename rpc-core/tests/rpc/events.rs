//! Events: kept while nobody runs, handled once by one instance.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::sync::mpsc;
use warren_rpc::{ServeOptions, Service};

use super::harness::{Happened, broker, client, foreign, ready, soon};

type Handled = mpsc::UnboundedSender<u32>;

fn recorder(handled: Handled) -> Service<Handled> {
    Service::new("recorder", "1.0.0", Arc::new(handled)).on::<Happened, _, _>(
        |handled: Arc<Handled>, _, number| async move {
            handled.send(number).unwrap();
            Ok(())
        },
    )
}

#[tokio::test]
async fn an_event_that_nobody_wants_is_published_all_the_same() {
    let Some(broker) = broker("no-subscriber").await else { return };
    client(&broker.url).await.publish::<Happened>(&1).await.unwrap();
}

#[tokio::test]
async fn events_wait_while_no_instance_runs() {
    let Some(broker) = broker("kept").await else { return };
    let client = client(&broker.url).await;
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = recorder(handled);
    service.serve(&client, ServeOptions::default()).await.unwrap().shutdown().await;
    for number in 0..5 {
        client.publish::<Happened>(&number).await.unwrap();
    }
    assert!(handled_rx.try_recv().is_err());
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for number in 0..5 {
        assert_eq!(soon("an event", handled_rx.recv()).await, Some(number), "in order, one at a time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_events_and_two_services_each_get_all() {
    let Some(broker) = broker("shared-events").await else { return };
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = recorder(handled);
    let (counted, other) = (Arc::new(AtomicU32::new(0)), mpsc::unbounded_channel());
    let counting = Service::new("counter", "1.0.0", Arc::new((Arc::clone(&counted), other.0))).on::<Happened, _, _>(
        |state: Arc<(Arc<AtomicU32>, Handled)>, _, number| async move {
            state.0.fetch_add(1, Ordering::SeqCst);
            state.1.send(number).unwrap();
            Ok(())
        },
    );
    let one = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let two = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let counter = counting.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let publisher = client(&broker.url).await;
    for number in 0..50 {
        publisher.publish::<Happened>(&number).await.unwrap();
    }
    let (mut numbers, mut other_rx) = (Vec::new(), other.1);
    for _ in 0..50 {
        numbers.push(soon("an event", handled_rx.recv()).await.unwrap());
        soon("the same event elsewhere", other_rx.recv()).await.unwrap();
    }
    // A shutdown settles all that was taken: nothing can come after it.
    for running in [one, two] {
        soon("the shutdown", running.shutdown()).await;
    }
    soon("the shutdown", counter.shutdown()).await;
    assert!(handled_rx.try_recv().is_err(), "each event is handled once");
    assert_eq!(numbers.iter().copied().collect::<BTreeSet<_>>(), (0..50).collect());
    assert_eq!(counted.load(Ordering::SeqCst), 50);
    let channel = foreign(&broker.url).await;
    assert_eq!(ready(&channel, "recorder.on.test.happened").await, 0);
}
