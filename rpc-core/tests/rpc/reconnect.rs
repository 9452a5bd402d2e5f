//! A connection, a queue or a broker that is lost, and comes back: rows 1, 2 and 17 of the table of faults
//! (`docs/faults.md`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, future::join_all};
use lapin::{BasicProperties, options::BasicConsumeOptions};
use tokio::sync::mpsc;
use warren_rpc::{
    CallError, CallOptions, Client, ClientOptions, Code, Context, Method, Retry, RetryPolicy, ServeOptions, Service,
    Status,
};
use warren_testing::{OwnOptions, TestBroker, own_broker};

use super::harness::{Careful, PATIENCE, Work, broker, client, eventually, foreign, ready, soon, within};

/// Says that it has begun, and waits to be let go.
struct Gate {
    begun: mpsc::UnboundedSender<u32>,
    go: tokio::sync::Semaphore,
}

async fn wait(gate: Arc<Gate>, _: Context, number: u32) -> Result<String, Status> {
    gate.begun.send(number).unwrap();
    gate.go.acquire().await.unwrap().forget();
    Ok(format!("done {number}"))
}

/// A service with one method that may run again, and one that must not.
fn service() -> (Service<Gate>, Arc<Gate>, mpsc::UnboundedReceiver<u32>) {
    let (begun, begun_rx) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate { begun, go: tokio::sync::Semaphore::new(0) });
    let service =
        Service::new("test", "1.0.0", Arc::clone(&gate)).method::<Work, _, _>(wait).method::<Careful, _, _>(wait);
    (service, gate, begun_rx)
}

async fn calls<M: Method<Request = u32, Reply = String>>(client: Client) -> Vec<Result<String, CallError>> {
    join_all((0..10).map(|number| {
        let client = client.clone();
        async move { client.call_with::<M>(&number, within(PATIENCE)).await }
    }))
    .await
}

/// Ten calls of each kind are being handled when `fault` happens.
async fn calls_in_flight_survive_as_their_effect_allows(broker: &TestBroker, fault: impl AsyncFn(&TestBroker)) {
    let (service, gate, mut begun) = service();
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let options = ServeOptions { prefetch: 100, ..ServeOptions::default() };
    let _running = service.serve(&server, options).await.unwrap();
    let repeatable = tokio::spawn(calls::<Work>(caller.clone()));
    let careful = tokio::spawn(calls::<Careful>(caller.clone()));
    for _ in 0..20 {
        soon("all calls are handled", begun.recv()).await.unwrap();
    }

    fault(broker).await;
    for outcome in soon("the calls that must not run twice end", careful).await.unwrap() {
        assert!(matches!(outcome, Err(CallError::ConnectionLost { .. })), "{outcome:?}");
    }
    // All that have begun by now, once or twice, and all that will.
    gate.go.add_permits(1000);
    for (number, outcome) in soon("the others are answered", repeatable).await.unwrap().into_iter().enumerate() {
        assert_eq!(outcome.unwrap(), format!("done {number}"));
    }
    let later = caller.call_with::<Careful>(&99, within(PATIENCE));
    assert_eq!(soon("a new call works without a restart of either side", later).await.unwrap(), "done 99");
    assert_eq!(caller.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_broker_restarts_what_may_run_again_is_answered_and_the_rest_is_told() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    calls_in_flight_survive_as_their_effect_allows(&broker, async |broker| broker.restart().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_broker_is_killed_and_comes_back_what_may_run_again_is_answered_and_the_rest_is_told() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    calls_in_flight_survive_as_their_effect_allows(&broker, async |broker| broker.kill_and_start().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_connections_are_cut_what_may_run_again_is_answered_and_the_rest_is_told() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    calls_in_flight_survive_as_their_effect_allows(&broker, async |broker| broker.cut_connections().await).await;
}

#[tokio::test]
async fn a_connection_that_is_lost_again_and_again_is_made_again_after_pauses() {
    const WATCHED: Duration = Duration::from_secs(2);
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let caller = client(&broker.url).await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < WATCHED {
        let before = caller.stats().reconnects;
        // RabbitMQ takes its time for it.
        broker.cut_connections().await;
        eventually("it is made again", || async { caller.stats().reconnects > before }).await;
    }
    let reconnects = caller.stats().reconnects;
    assert!(reconnects < 20, "{reconnects} in {:?}, of a pause that doubles from 100 ms", begun.elapsed());
}

#[tokio::test]
async fn a_call_is_sent_again_with_a_callback_queue_of_a_new_name_that_exists_by_then() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (service, ..) = service();
    service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap().shutdown().await;
    let caller = client(&broker.url).await;
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&1, within(PATIENCE)).await }
    });
    let waiting = async |count| {
        eventually("requests wait", || async { ready(&foreign(&broker.url).await, "test.work").await == count }).await;
    };
    waiting(1).await;
    broker.cut_connections().await;
    waiting(2).await;

    let channel = foreign(&broker.url).await;
    let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut requests = channel.basic_consume("test.work".into(), "".into(), options, Default::default()).await.unwrap();
    let mut attempts = Vec::new();
    for _ in 0..2 {
        attempts.push(soon("a request", requests.next()).await.unwrap().unwrap().properties);
    }
    let [first, second] = &attempts[..] else { unreachable!("there are two") };
    assert_eq!(first.message_id(), second.message_id(), "the same call");
    assert_ne!(first.correlation_id(), second.correlation_id(), "another attempt");
    let queue = second.reply_to().clone().unwrap();
    assert_ne!(Some(&queue), first.reply_to().as_ref());
    let id = second.correlation_id().clone().unwrap();
    let properties = BasicProperties::default().with_correlation_id(id);
    channel.basic_publish("".into(), queue, Default::default(), b"\"answered\"", properties).await.unwrap();
    assert_eq!(soon("the call ends", call).await.unwrap().unwrap(), "answered");
}

#[tokio::test]
async fn a_call_whose_queue_was_lost_with_the_connection_waits_for_its_service() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (service, gate, _begun) = service();
    service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap().shutdown().await;
    let caller = client(&broker.url).await;
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    let channel = foreign(&broker.url).await;
    eventually("the request waits", || async { ready(&channel, "test.work").await == 1 }).await;
    channel.queue_delete("test.work".into(), Default::default()).await.unwrap();
    broker.cut_connections().await;
    // Long enough that it comes to a queue that is not there.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!call.is_finished());

    gate.go.add_permits(1);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("the call ends", call).await.unwrap().unwrap(), "done 1");
}

#[tokio::test]
async fn a_call_without_a_broker_waits_for_it_and_ends_unavailable_at_its_deadline() {
    let Some(mut broker) = own_broker(OwnOptions::default()).await else { return };
    let caller = client(&broker.url).await;
    broker.kill().await;
    eventually("the loss is noticed", || async { !caller.is_connected() }).await;
    let error = caller.call_with::<Work>(&1, within(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.to_string(), "unavailable: no broker answers");
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_declared_and_consumed_again() {
    let Some(broker) = broker("deleted-queue").await else { return };
    let (service, gate, _begun) = service();
    gate.go.add_permits(100);
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    assert_eq!(server.call::<Work>(&1).await.unwrap(), "done 1");
    let channel = foreign(&broker.url).await;
    for number in 2..5 {
        channel.queue_delete("test.work".into(), Default::default()).await.unwrap();
        eventually("it is served again", || async {
            let answer = server.call_with::<Work>(&number, within(PATIENCE)).await;
            answer.is_ok_and(|answer| answer == format!("done {number}"))
        })
        .await;
    }
    assert_eq!(server.call::<Careful>(&9).await.unwrap(), "done 9", "the other method was not disturbed");
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let Some(broker) = broker("addresses-in-turn").await else { return };
    let (service, gate, _begun) = service();
    gate.go.add_permits(100);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let caller = client(&format!("amqp://{nobody}, {}", broker.url)).await;
    assert_eq!(caller.call::<Work>(&1).await.unwrap(), "done 1");
    let wrong_password = broker.url.replace("guest:guest", "guest:wrong");
    let all_wrong = Client::connect(&format!("amqp://{nobody},{wrong_password}"), ClientOptions::default()).await;
    let error = all_wrong.unwrap_err();
    assert!(error.is_refused(), "{error}");
    let told = error.to_string();
    assert!(told.starts_with(&format!("the broker at {nobody} cannot be reached: ")), "{told}");
    assert!(told.contains("; the broker at ") && told.contains(" refuses the connection: "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_a_connection_was_lost_does_not_count_as_lost() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service =
        Service::new("test", "1.0.0", Arc::new((begun, AtomicU32::new(0)))).method::<Work, _, _>(refuse_then_hang);
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let pause = Duration::from_millis(1);
    let retry = RetryPolicy { attempts_max: 20, pause, pause_max: pause };
    let call =
        tokio::spawn(async move { caller.call_with::<Work>(&1, CallOptions { retry, ..within(PATIENCE) }).await });
    assert_eq!(soon("the attempt after eight", begun_rx.recv()).await, Some(9));
    broker.cut_connections().await;
    assert_eq!(soon("the call", call).await.unwrap().unwrap(), "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_because_the_lost_attempt_worked_is_not_called_undone() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new((begun, AtomicU32::new(0)))).method::<Work, _, _>(
        async |state: Arc<(mpsc::UnboundedSender<u32>, AtomicU32)>, _, _| {
            if state.1.fetch_add(1, Ordering::SeqCst) > 0 {
                return Err(Status::not_found("it is deleted already"));
            }
            state.0.send(1).unwrap();
            std::future::pending().await
        },
    );
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    soon("it is deleted", begun_rx.recv()).await.unwrap();
    broker.cut_connections().await;
    let error = soon("the call", call).await.unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::NotFound), "{error}");
    assert!(error.may_have_run() && error.retry() == Retry::Never, "{error}");
}

/// Refuses eight times, hangs, and then works.
async fn refuse_then_hang(
    state: Arc<(mpsc::UnboundedSender<u32>, AtomicU32)>,
    _: Context,
    _: u32,
) -> Result<String, Status> {
    match state.1.fetch_add(1, Ordering::SeqCst) + 1 {
        1..=8 => Err(Status::unavailable("not yet")),
        9 => {
            state.0.send(9).unwrap();
            std::future::pending().await
        }
        _ => Ok("done".to_owned()),
    }
}
