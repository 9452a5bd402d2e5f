//! An instance that stops: what it holds is finished, or put back.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::sync::{Notify, mpsc};
use warren_rpc::{Context, ServeOptions, Service, Status};

use super::harness::{PATIENCE, Work, broker, client, eventually, foreign, named, ready, soon, stateless, within};

/// Handlers tell that they started, and wait to be let go.
struct Held {
    started: mpsc::UnboundedSender<u32>,
    go: Notify,
}

fn held() -> (Arc<Held>, mpsc::UnboundedReceiver<u32>) {
    let (started, started_rx) = mpsc::unbounded_channel();
    (Arc::new(Held { started, go: Notify::new() }), started_rx)
}

async fn hold(held: Arc<Held>, context: Context, number: u32) -> Result<String, Status> {
    held.started.send(number).unwrap();
    if context.instance() != "free" {
        held.go.notified().await;
    }
    Ok(format!("{number} by {}", context.instance()))
}

#[tokio::test]
async fn requests_in_flight_are_finished_and_answered_and_no_more_are_taken() {
    let Some(broker) = broker("drain").await else { return };
    let (held, mut started) = held();
    let service = Service::new("test", "1.0.0", Arc::clone(&held)).method::<Work, _, _>(hold);
    let server = client(&broker.url).await;
    let running = service.serve(&server, ServeOptions { prefetch: 2, ..named("held") }).await.unwrap();
    let caller = client(&broker.url).await;
    let call = |number| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call_with::<Work>(&number, within(PATIENCE)).await })
    };
    let in_flight = [call(1), call(2)];
    for _ in 0..2 {
        soon("both start", started.recv()).await.unwrap();
    }
    let mut shutdown = tokio::spawn(running.shutdown());
    // An instance that came later takes what comes later: the first one takes nothing new.
    let _free = service.serve(&server, named("free")).await.unwrap();
    let later: Vec<_> = (3..8).map(call).collect();
    for (call, number) in later.into_iter().zip(3..) {
        assert_eq!(soon("a later call", call).await.unwrap().unwrap(), format!("{number} by free"));
    }
    assert!(futures::poll!(&mut shutdown).is_pending(), "it waits for the handlers");
    held.go.notify_waiters();
    for (call, number) in in_flight.into_iter().zip(1..) {
        assert_eq!(soon("a drained call", call).await.unwrap().unwrap(), format!("{number} by held"));
    }
    soon("the shutdown", shutdown).await.unwrap();
    let channel = foreign(&broker.url).await;
    assert_eq!(ready(&channel, "test.work").await, 0);
}

#[tokio::test]
async fn what_does_not_finish_within_the_drain_timeout_is_put_back_for_another() {
    let Some(broker) = broker("put-back").await else { return };
    let (held, mut started) = held();
    let service = Service::new("test", "1.0.0", held).method::<Work, _, _>(hold);
    let server = client(&broker.url).await;
    let options = ServeOptions { prefetch: 8, drain_timeout: Duration::from_millis(100), ..named("held") };
    let running = service.serve(&server, options).await.unwrap();
    let caller = client(&broker.url).await;
    let calls: Vec<_> = (0..4_u32)
        .map(|number| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.call_with::<Work>(&number, within(PATIENCE)).await })
        })
        .collect();
    for _ in 0..4 {
        soon("all start", started.recv()).await.unwrap();
    }
    soon("the shutdown", running.shutdown()).await;
    let channel = foreign(&broker.url).await;
    assert_eq!(ready(&channel, "test.work").await, 4, "all are back when the shutdown returns");
    let _free = service.serve(&server, named("free")).await.unwrap();
    for (call, number) in calls.into_iter().zip(0..) {
        assert_eq!(soon("a call", call).await.unwrap().unwrap(), format!("{number} by free"));
    }
}

#[tokio::test]
async fn a_background_task_is_told_and_waited_for() {
    let Some(broker) = broker("background").await else { return };
    let client = client(&broker.url).await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).background(
        |_, shutdown, told: Arc<mpsc::UnboundedSender<&'static str>>| async move {
            told.send("begun").unwrap();
            shutdown.cancelled().await;
            told.send("stopped").unwrap();
        },
    );
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("it begins", told_rx.recv()).await, Some("begun"));
    soon("the shutdown", running.shutdown()).await;
    assert_eq!(told_rx.try_recv(), Ok("stopped"));
}

#[tokio::test]
async fn a_background_task_that_does_not_listen_is_dropped_after_the_drain_timeout() {
    let Some(broker) = broker("deaf").await else { return };
    let client = client(&broker.url).await;
    let alive = stateless();
    let service = Service::new("test", "1.0.0", Arc::clone(&alive)).background(|_, _, alive: Arc<()>| async move {
        std::future::pending::<()>().await;
        drop(alive);
    });
    let options = || ServeOptions { drain_timeout: Duration::from_millis(50), ..ServeOptions::default() };
    let running = service.serve(&client, options()).await.unwrap();
    soon("the shutdown", running.shutdown()).await;
    let dropped = service.serve(&client, options()).await.unwrap();
    drop(dropped);
    drop(service);
    eventually("the task is dropped", || async { Arc::strong_count(&alive) == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_when_one_of_two_instances_stops_in_order() {
    let Some(broker) = broker("drain-under-load").await else { return };
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(|_, _, number| async move {
        tokio::task::yield_now().await;
        Ok(number.to_string())
    });
    let (server, caller) = (client(&broker.url).await, client(&broker.url).await);
    let wide = || ServeOptions { prefetch: 16, ..ServeOptions::default() };
    let _stays = service.serve(&server, wide()).await.unwrap();
    for _ in 0..5 {
        let stops = service.serve(&server, wide()).await.unwrap();
        let call = async |number: u32| (number, caller.call_with::<Work>(&number, within(PATIENCE)).await);
        let calls = (0..500).map(call);
        let (replies, ()) = tokio::join!(join_all(calls), stops.shutdown());
        for (number, reply) in replies {
            assert_eq!(reply.unwrap(), number.to_string());
        }
    }
}
