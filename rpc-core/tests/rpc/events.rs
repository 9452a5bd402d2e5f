//! Events: kept while nobody runs, handled once by one instance.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use lapin::{BasicProperties, options::BasicPublishOptions};
use tokio::sync::mpsc;
use warren_rpc::{Code, Context, ServeOptions, Service, Status};

use super::harness::{Happened, client, foreign, ready, soon, vhost};

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
    let Some(url) = vhost("no-subscriber").await else { return };
    client(&url).await.publish::<Happened>(&1).await.unwrap();
}

#[tokio::test]
async fn events_wait_while_no_instance_runs() {
    let Some(url) = vhost("kept").await else { return };
    let client = client(&url).await;
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
    let Some(url) = vhost("shared-events").await else { return };
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
    let one = service.serve(&client(&url).await, ServeOptions::default()).await.unwrap();
    let two = service.serve(&client(&url).await, ServeOptions::default()).await.unwrap();
    let counter = counting.serve(&client(&url).await, ServeOptions::default()).await.unwrap();
    let publisher = client(&url).await;
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
    let channel = foreign(&url).await;
    assert_eq!(ready(&channel, "recorder.on.test.happened").await, 0);
}

/// What the handler of each event number answers, the first time and later.
async fn refuse_at_first(
    state: Arc<mpsc::UnboundedSender<(u32, bool)>>,
    context: Context,
    number: u32,
) -> Result<(), Status> {
    state.send((number, context.redelivered())).unwrap();
    match number {
        1 if !context.redelivered() => Err(Status::new(Code::Unavailable, "not now")),
        2 => Err(Status::new(Code::InvalidArgument, "not ever")),
        3 => panic!("a handler of events panics"),
        _ => Ok(()),
    }
}

#[tokio::test]
async fn a_refused_event_is_tried_again_if_its_status_allows_it_and_else_dropped() {
    let Some(url) = vhost("refused-events").await else { return };
    let client = client(&url).await;
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = Service::new("refuser", "1.0.0", Arc::new(handled)).on::<Happened, _, _>(refuse_at_first);
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for number in 1..=4 {
        client.publish::<Happened>(&number).await.unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(soon("an event", handled_rx.recv()).await.unwrap());
    }
    soon("the shutdown", running.shutdown()).await;
    seen.sort_unstable();
    assert_eq!(seen, [(1, false), (1, true), (2, false), (3, false), (4, false)]);
    assert_eq!(ready(&foreign(&url).await, "refuser.on.test.happened").await, 0);
}

#[tokio::test]
async fn an_event_cannot_ask_for_a_reply() {
    let Some(url) = vhost("event-reply").await else { return };
    let client = client(&url).await;
    let (handled, mut handled_rx) = mpsc::unbounded_channel();
    let service = Service::new("refuser", "1.0.0", Arc::new(handled)).on::<Happened, _, _>(refuse_at_first);
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let channel = foreign(&url).await;
    channel.queue_declare("answers".into(), Default::default(), Default::default()).await.unwrap();
    let asking = BasicProperties::default().with_reply_to("answers".into());
    let options = BasicPublishOptions::default();
    let publish = channel.basic_publish("warren.events".into(), "test.happened".into(), options, b"1", asking);
    publish.await.unwrap();
    // Were it a request, the status would be sent and the event settled; it is put back, as any event.
    assert_eq!(soon("the event", handled_rx.recv()).await.unwrap(), (1, false));
    assert_eq!(soon("the event again", handled_rx.recv()).await.unwrap(), (1, true));
    soon("the shutdown", running.shutdown()).await;
    assert_eq!(ready(&channel, "answers").await, 0);
}
