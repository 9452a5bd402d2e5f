//! An instance that takes one request at a time has two consumers while requests come fast, and still no more than one
//! request that is not answered.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use futures::{StreamExt, stream};
use tokio::{sync::watch, task::JoinHandle};
use warren_rpc::{Client, Context, Running, Service, Status};

use super::harness::{PATIENCE, Work, broker, client, eventually, foreign, named, ready, soon, within};

/// How often that is tried which is chance: here and there a reply is confirmed late.
const ROUNDS: usize = 8;

/// The request whose handler waits.
const SLOW: u32 = u32::MAX;

struct Handlers {
    /// Each request that was begun, and by whom.
    begun: Mutex<Vec<(u32, String)>>,
    /// The instance whose slow one may end.
    free: watch::Sender<Option<String>>,
}

impl Handlers {
    fn new() -> Arc<Self> {
        Arc::new(Self { begun: Mutex::default(), free: watch::Sender::new(None) })
    }

    /// The requests that were begun since the last time.
    fn begun(&self) -> Vec<u32> {
        std::mem::take(&mut *self.begun.lock().unwrap()).into_iter().map(|(number, _)| number).collect()
    }

    /// Who began the slow one.
    fn slow_at(&self) -> Option<String> {
        self.begun.lock().unwrap().iter().rev().find(|(number, _)| *number == SLOW).map(|(_, at)| at.clone())
    }
}

async fn handle(handlers: Arc<Handlers>, context: Context, number: u32) -> Result<String, Status> {
    handlers.begun.lock().unwrap().push((number, context.instance().to_owned()));
    if number == SLOW {
        let mut free = handlers.free.subscribe();
        free.wait_for(|free| free.as_deref() == Some(context.instance())).await.unwrap();
    }
    Ok(context.instance().to_owned())
}

async fn serve(url: &str, handlers: &Arc<Handlers>, name: &str) -> Running {
    serve_on(&client(url).await, handlers, name).await
}

async fn serve_on(client: &Client, handlers: &Arc<Handlers>, name: &str) -> Running {
    let service = Service::new("test", "1.0.0", Arc::clone(handlers)).method::<Work, _, _>(handle);
    service.serve(client, named(name)).await.unwrap()
}

async fn call(caller: &Client, number: u32) -> String {
    caller.call_with::<Work>(&number, within(PATIENCE)).await.unwrap()
}

/// Calls one soon after another, 16 at a time, until it is told to stop.
struct Hurry {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<u32>,
}

impl Hurry {
    fn begin(caller: &Client) -> Self {
        let (caller, stop) = (caller.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let calls = tokio::spawn(async move {
            let made = AtomicU32::new(0);
            let numbers = stream::iter(0..SLOW).take_while(|_| std::future::ready(!stopped.load(Ordering::Relaxed)));
            let call = async |number| {
                call(&caller, number).await;
                made.fetch_add(1, Ordering::Relaxed);
            };
            numbers.for_each_concurrent(16, call).await;
            made.into_inner()
        });
        Self { stop, calls }
    }

    /// How many there were; all were answered.
    async fn end(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        soon("the last calls", self.calls).await.unwrap()
    }
}

/// Waits until one instance at least has a second consumer, of so many that there are.
async fn relieved(caller: &Client, instances: u32) {
    eventually("a second consumer", async || caller.serving::<Work>().await.unwrap() > instances).await;
}

/// An instance `one`, and who calls it.
async fn one(url: &str) -> (Arc<Handlers>, Running, Client) {
    let handlers = Handlers::new();
    let running = serve(url, &handlers, "one").await;
    (handlers, running, client(url).await)
}

/// The slow one is with an instance, and who has called it waits.
async fn slow_begun(handlers: &Handlers, caller: &Client) -> JoinHandle<String> {
    let slow = slow_call(caller);
    eventually("the slow one is begun", async || handlers.slow_at().is_some()).await;
    slow
}

/// Another instance gets the slow one, and answers it and all others; what was begun meanwhile.
async fn taken_over(handlers: &Handlers, (slow, hurry): (JoinHandle<String>, Hurry), by: &str) -> Vec<u32> {
    eventually("it is begun again", async || handlers.slow_at().as_deref() == Some(by)).await;
    handlers.free.send_replace(Some(by.to_owned()));
    assert_eq!(soon("the slow one ends", slow).await.unwrap(), by);
    handlers.free.send_replace(None);
    hurry.end().await;
    handlers.begun()
}

/// Waits until there is one consumer.
async fn alone(caller: &Client) {
    eventually("one consumer", async || caller.serving::<Work>().await.unwrap() == 1).await;
}

fn slow_call(caller: &Client) -> JoinHandle<String> {
    let caller = caller.clone();
    tokio::spawn(async move { call(&caller, SLOW).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_consumer_goes_when_requests_come_no_longer_fast() {
    let Some(broker) = broker("relay").await else { return };
    let (handlers, running, caller) = one(&broker.url).await;
    let hurry = Hurry::begin(&caller);
    relieved(&caller, 1).await;
    let made = hurry.end().await;
    alone(&caller).await;
    running.shutdown().await;
    assert_eq!(handlers.begun.lock().unwrap().len(), made as usize, "each was handled once");
    assert_eq!(ready(&foreign(&broker.url).await, "test.work").await, 0, "all were acked");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_waits_for_a_busy_instance_while_another_is_free() {
    let Some(broker) = broker("relay-strict").await else { return };
    let handlers = Handlers::new();
    let _one = serve(&broker.url, &handlers, "one").await;
    let _other = serve(&broker.url, &handlers, "other").await;
    let caller = client(&broker.url).await;
    // Which of the two has a second consumer when the slow one comes is chance.
    for _ in 0..5 {
        let hurry = Hurry::begin(&caller);
        relieved(&caller, 2).await;
        let slow = slow_begun(&handlers, &caller).await;
        // If one of these were with the busy instance, it would not be answered.
        hurry.end().await;
        for number in 0..100 {
            assert_ne!(call(&caller, number).await, handlers.slow_at().unwrap());
        }
        handlers.free.send_replace(handlers.slow_at());
        soon("the slow one ends", slow).await.unwrap();
        handlers.free.send_replace(None);
        handlers.begun();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_does_not_come_again_though_the_next_handler_is_slow() {
    let Some(broker) = broker("relay-slow").await else { return };
    let (handlers, mut running, caller) = one(&broker.url).await;
    // Whether there is a second consumer when the slow one comes is chance.
    for number in 0..4 {
        let hurry = Hurry::begin(&caller);
        relieved(&caller, 1).await;
        let slow = slow_begun(&handlers, &caller).await;
        alone(&caller).await;
        let answered: HashSet<u32> = handlers.begun().into_iter().filter(|number| *number != SLOW).collect();
        let other = format!("other-{number}");
        drop(std::mem::replace(&mut running, serve(&broker.url, &handlers, &other).await));
        let begun = taken_over(&handlers, (slow, hurry), &other).await;
        let again: Vec<u32> = begun.into_iter().filter(|number| answered.contains(number)).collect();
        assert!(again.is_empty(), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_stops_in_a_hurry_leaves_nothing_and_repeats_nothing() {
    let Some(broker) = broker("relay-stop").await else { return };
    let (handlers, mut running, caller) = one(&broker.url).await;
    let hurry = Hurry::begin(&caller);
    for number in 0..5 {
        relieved(&caller, 1).await;
        let next = serve(&broker.url, &handlers, &format!("next-{number}")).await;
        soon("it stops", std::mem::replace(&mut running, next).shutdown()).await;
    }
    let made = hurry.end().await;
    running.shutdown().await;
    assert_eq!(handlers.begun().len(), made as usize, "each was handled once");
    assert_eq!(ready(&foreign(&broker.url).await, "test.work").await, 0, "all were acked");
}

/// How an instance ends that is not shut down.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Dropped,
    ItsClientClosed,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_does_not_come_again_though_its_instance_is_not_shut_down() {
    let Some(broker) = broker("relay-drop").await else { return };
    for ending in [Ending::Dropped, Ending::ItsClientClosed] {
        let handlers = Handlers::new();
        let caller = client(&broker.url).await;
        let mut again = 0;
        for number in 0..ROUNDS {
            let its_client = client(&broker.url).await;
            let running = serve_on(&its_client, &handlers, &format!("one-{number}")).await;
            let hurry = Hurry::begin(&caller);
            relieved(&caller, 1).await;
            let slow = slow_begun(&handlers, &caller).await;
            // The last reply is confirmed by now, and its ack most likely held.
            its_client.serving::<Work>().await.unwrap();
            let answered: HashSet<u32> = handlers.begun().into_iter().filter(|number| *number != SLOW).collect();
            match ending {
                Ending::Dropped => drop(running),
                Ending::ItsClientClosed => soon("it closes", its_client.close()).await,
            }
            let other = format!("other-{number}");
            let next = serve(&broker.url, &handlers, &other).await;
            let begun = taken_over(&handlers, (slow, hurry), &other).await;
            next.shutdown().await;
            again += begun.into_iter().filter(|number| answered.contains(number)).count();
        }
        assert!(again <= ROUNDS / 4, "{ending:?}: in {ROUNDS} rounds {again} came again");
    }
}
