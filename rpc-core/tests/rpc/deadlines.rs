//! Every call ends by its deadline, and what nobody waits for is not done.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lapin::{
    BasicProperties,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::sync::{Notify, mpsc};
use warren_rpc::{CallError, Code, Context, ServeOptions, Service, Status};

use super::harness::{Work, broker, client, eventually, foreign, ready, soon, stateless, within};

fn is_deadline(error: &CallError) -> bool {
    matches!(error, CallError::Status(status) if status.code == Code::DeadlineExceeded)
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends_at_its_deadline() {
    let Some(broker) = broker("deadline").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("test.work".into(), options, FieldTable::default()).await.unwrap();
    let (begun, deadline) = (Instant::now(), Duration::from_millis(400));
    let error = client.call_with::<Work>(&1, within(deadline)).await.unwrap_err();
    assert!(is_deadline(&error), "{error}");
    // The upper bound tells it from the default of 10 s, and leaves room for a busy machine.
    assert!((deadline..Duration::from_secs(8)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(client.in_flight(), 0);
    eventually("the broker drops the request", || async { ready(&channel, "test.work").await == 0 }).await;
}

#[tokio::test]
async fn a_deadline_beyond_all_limits_is_a_long_one() {
    let Some(broker) = broker("no-deadline").await else { return };
    let client = client(&broker.url).await;
    let service =
        Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, context: Context, _| async move {
            Ok((context.remaining() > Duration::from_secs(24 * 60 * 60)).to_string())
        });
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    assert_eq!(client.call_with::<Work>(&1, within(Duration::MAX)).await.unwrap(), "true");
    let error = client.call_with::<Work>(&1, within(Duration::ZERO)).await.unwrap_err();
    assert!(is_deadline(&error), "{error}");
}

/// Notes what it handles, and lets nobody through before the gate opens.
struct Gate {
    handled: Mutex<Vec<u32>>,
    started: mpsc::UnboundedSender<u32>,
    open: Notify,
}

async fn through_the_gate(gate: Arc<Gate>, _: Context, number: u32) -> Result<String, Status> {
    gate.handled.lock().unwrap().push(number);
    gate.started.send(number).unwrap();
    gate.open.notified().await;
    Ok(number.to_string())
}

#[tokio::test]
async fn a_request_that_expired_in_the_queue_is_never_handled() {
    let Some(broker) = broker("expired").await else { return };
    let client = client(&broker.url).await;
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate { handled: Mutex::default(), started, open: Notify::new() });
    let service = Service::new("test", "1.0.0", Arc::clone(&gate)).method::<Work, _, _>(through_the_gate);
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();

    let slow = tokio::spawn({
        let client = client.clone();
        async move { client.call::<Work>(&1).await }
    });
    assert_eq!(soon("the first handler starts", started_rx.recv()).await, Some(1));
    let error = client.call_with::<Work>(&2, within(Duration::from_millis(200))).await.unwrap_err();
    assert!(is_deadline(&error), "{error}");
    gate.open.notify_one();
    assert_eq!(slow.await.unwrap().unwrap(), "1");
    gate.open.notify_one();
    assert_eq!(client.call::<Work>(&3).await.unwrap(), "3");
    assert_eq!(*gate.handled.lock().unwrap(), [1, 3]);
}

#[tokio::test]
async fn a_request_whose_deadline_has_passed_on_arrival_is_settled_unhandled() {
    let Some(broker) = broker("late").await else { return };
    let (client, channel) = (client(&broker.url).await, foreign(&broker.url).await);
    let handled = Arc::new(Mutex::new(Vec::new()));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled)).method::<Work, _, _>(
        |handled: Arc<Mutex<Vec<u32>>>, _, number| async move {
            handled.lock().unwrap().push(number);
            Ok(String::new())
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for (header, value) in [("deadline-ms", 0), ("deadline-at", 1_000), ("deadline-ms", i64::MIN)] {
        let mut headers = FieldTable::default();
        headers.insert(header.into(), AMQPValue::LongLongInt(value));
        let properties = BasicProperties::default().with_headers(headers).with_reply_to("nobody".into());
        let publish =
            channel.basic_publish("".into(), "test.work".into(), BasicPublishOptions::default(), b"7", properties);
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }
    client.call::<Work>(&8).await.unwrap();
    assert_eq!(*handled.lock().unwrap(), [8], "the others came before");
}

/// Tells when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("the handler is dropped");
    }
}

#[tokio::test]
async fn a_handler_is_dropped_at_the_deadline_and_what_it_spawned_is_told() {
    let Some(broker) = broker("dropped-handler").await else { return };
    let client = client(&broker.url).await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(
        |told: Arc<mpsc::UnboundedSender<&'static str>>, context: Context, number| async move {
            if number == 1 {
                let _dropped = Dropped((*told).clone());
                let (cancellation, told) = (context.cancellation().clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    cancellation.cancelled().await;
                    let _ = told.send("the spawned task is told");
                });
                std::future::pending::<()>().await;
            }
            Ok("free again".to_owned())
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let error = client.call_with::<Work>(&1, within(Duration::from_millis(300))).await.unwrap_err();
    assert!(is_deadline(&error), "{error}");
    let mut told = [soon("one", told_rx.recv()).await.unwrap(), soon("the other", told_rx.recv()).await.unwrap()];
    told.sort_unstable();
    assert_eq!(told, ["the handler is dropped", "the spawned task is told"]);
    assert_eq!(client.call::<Work>(&2).await.unwrap(), "free again");
}
