//! Progress: what a handler says before its reply, in order and no faster than it is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use warren_rpc::{
    CallError, CallOptions, Client, Code, Codec, Context, Effect, Method, MethodOptions, ProgressError,
    ProgressSendError, ProgressSender, Progressive, RawMethod, Running, ServeOptions, Service, Status,
};
use warren_testing::TestBroker;

use super::harness::{Outer, PATIENCE, broker, client, eventually, soon, stateless, within};

/// Counts to a number, aloud.
pub(crate) struct Count;

impl Method for Count {
    const NAME: &'static str = "test.count";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = 1024;
    type Request = u32;
    type Reply = u32;
}

impl Progressive for Count {
    type Progress = u32;
}

/// What became of the handlers.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Refused(ProgressSendError),
    Cancelled,
    Ended,
}

/// How far the handlers have counted, and what became of them.
pub(crate) struct Counter {
    pub(crate) sent: AtomicU32,
    pub(crate) told: mpsc::UnboundedSender<Told>,
}

pub(crate) fn counter() -> (Arc<Counter>, mpsc::UnboundedReceiver<Told>) {
    let (told, told_rx) = mpsc::unbounded_channel();
    (Arc::new(Counter { sent: AtomicU32::new(0), told }), told_rx)
}

/// Counts to a number; to one, it waits to be cancelled before it replies.
pub(crate) async fn count(
    counter: Arc<Counter>,
    context: Context,
    to: u32,
    mut progress: ProgressSender<u32>,
) -> Result<u32, Status> {
    for number in 0..to {
        if let Err(error) = progress.send(&number).await {
            counter.told.send(Told::Refused(error.clone())).unwrap();
            return Err(error.into());
        }
        counter.sent.fetch_add(1, Ordering::SeqCst);
    }
    if to == 1 {
        context.cancellation().cancelled().await;
        counter.told.send(Told::Cancelled).unwrap();
    }
    counter.told.send(Told::Ended).unwrap();
    Ok(to)
}

pub(crate) struct Stage {
    pub(crate) counter: Arc<Counter>,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    pub(crate) caller: Client,
    pub(crate) broker: TestBroker,
    _running: Running,
}

pub(crate) async fn stage(test: &str) -> Option<Stage> {
    let broker = broker(test).await?;
    let (counter, told) = counter();
    let service = Service::new("test", "1.0.0", Arc::clone(&counter))
        .progressive_with::<Count, _, _>(MethodOptions { prefetch: Some(4) }, count);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    Some(Stage { counter, told, caller: client(&broker.url).await, broker, _running })
}

impl Stage {
    pub(crate) async fn told(&mut self) -> Told {
        soon("the handler tells", self.told.recv()).await.unwrap()
    }
}

pub(crate) fn window(progress_window: u32) -> CallOptions {
    CallOptions { progress_window, ..within(PATIENCE) }
}

#[tokio::test]
async fn items_arrive_typed_and_in_order_and_then_the_reply() {
    let Some(stage) = stage("progress").await else { return };
    for progress_window in [0, 1, 2, 16, u32::MAX] {
        let mut call = stage.caller.call_progressive::<Count>(&500, window(progress_window));
        let items: Vec<_> = soon("the items", call.by_ref().map(Result::unwrap).collect()).await;
        assert_eq!(items, (0..500).collect::<Vec<u32>>());
        assert_eq!(soon("the reply", call.reply()).await.unwrap(), 500);
    }
    eventually("all calls have ended", || async { stage.caller.in_flight() == 0 }).await;
}

#[tokio::test]
async fn many_calls_at_a_time_get_their_own_items() {
    let Some(stage) = stage("progress-many").await else { return };
    let calls = (1..60).map(|number| {
        let mut call = stage.caller.call_progressive::<Count>(&(number * 2), window(4));
        async move {
            let items: Vec<_> = call.by_ref().map(Result::unwrap).collect().await;
            assert_eq!(items, (0..number * 2).collect::<Vec<u32>>());
            assert_eq!(call.reply().await.unwrap(), number * 2);
        }
    });
    soon("all calls end", futures::future::join_all(calls)).await;
}

#[tokio::test]
async fn a_slow_reader_slows_the_handler() {
    let Some(stage) = stage("progress-slow").await else { return };
    let sent = || stage.counter.sent.load(Ordering::SeqCst);
    let mut call = stage.caller.call_progressive::<Count>(&100, window(8));
    eventually("the window is full", || async { sent() == 8 }).await;
    for read in 1..=100 {
        assert_eq!(soon("an item", call.next()).await, Some(Ok(read - 1)));
        // Once half of the window was read, it goes on; and never further than that.
        eventually("it goes on", || async { sent() >= (read / 4 * 4 + 8).min(100) }).await;
        assert!(sent() <= read + 8, "{} were sent and {read} are read", sent());
    }
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 100);
}

#[tokio::test]
async fn a_reader_that_reads_nothing_gets_its_reply() {
    let Some(mut stage) = stage("progress-unread").await else { return };
    let call = stage.caller.call_progressive::<Count>(&1000, window(2));
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 1000);
    assert_eq!(stage.told().await, Told::Ended);
    let mut call = stage.caller.call_progressive::<Count>(&1000, window(2));
    assert_eq!(soon("an item", call.next()).await, Some(Ok(0)));
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 1000);
}

#[tokio::test]
async fn a_call_that_nobody_polls_ends_at_its_deadline() {
    let Some(stage) = stage("progress-unpolled").await else { return };
    let begun = Instant::now();
    let options = CallOptions { deadline: Duration::from_millis(600), ..window(2) };
    let mut call = stage.caller.call_progressive::<Count>(&1000, options);
    eventually("it is under way", || async { stage.caller.in_flight() == 1 }).await;
    eventually("it ends", || async { stage.caller.in_flight() == 0 }).await;
    assert!(begun.elapsed() >= Duration::from_millis(600));
    let items: Vec<_> = soon("what came in time can be read", call.by_ref().collect()).await;
    assert!(items.iter().flatten().copied().eq(0..2), "{items:?}");
    let error = call.reply().now_or_never().expect("it has ended").unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::DeadlineExceeded), "{error}");
    // Its place is free: else the prefetch of 4 would be used up after some of these.
    for _ in 0..6 {
        let options = CallOptions { deadline: Duration::from_millis(50), ..window(1) };
        stage.caller.call_progressive::<Count>(&1000, options).collect::<Vec<_>>().await;
    }
    let reply = stage.caller.call_progressive::<Count>(&3, window(1)).reply();
    assert_eq!(soon("a later call", reply).await.unwrap(), 3);
}

#[tokio::test]
async fn dropping_it_cancels_the_handler() {
    let Some(mut stage) = stage("progress-drop").await else { return };
    let mut call = stage.caller.call_progressive::<Count>(&1, window(4));
    assert_eq!(soon("an item", call.next()).await, Some(Ok(0)));
    drop(call);
    assert_eq!(stage.told().await, Told::Cancelled);
    assert_eq!(stage.told().await, Told::Ended);

    let mut call = stage.caller.call_progressive::<Count>(&100, window(4));
    assert_eq!(soon("an item", call.next()).await, Some(Ok(0)));
    let sent = || stage.counter.sent.load(Ordering::SeqCst);
    eventually("it waits for a reader", || async { sent() >= 4 }).await;
    drop(call);
    assert_eq!(stage.told().await, Told::Refused(ProgressSendError::Cancelled));
    eventually("its place is free", || async { stage.caller.in_flight() == 0 }).await;
}

#[tokio::test]
async fn a_plain_caller_gets_the_reply_alone_and_nothing_waits() {
    let Some(mut stage) = stage("progress-plain").await else { return };
    let call = stage.caller.call_with::<Count>(&100_000, within(PATIENCE));
    assert_eq!(soon("the reply", call).await.unwrap(), 100_000);
    assert_eq!(stage.told().await, Told::Ended);
}

#[tokio::test]
async fn an_item_over_the_limit_is_the_handlers_error_and_the_call_goes_on() {
    struct Loud;
    impl Method for Loud {
        const NAME: &'static str = "test.loud";
        const BODY_BYTES_MAX: usize = 100;
        type Request = u32;
        type Reply = String;
    }
    impl Progressive for Loud {
        type Progress = String;
    }
    let Some(broker) = broker("progress-size").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).progressive::<Loud, _, _>(
        |_, _, _, mut progress: ProgressSender<String>| async move {
            let refused = progress.send(&"x".repeat(99)).await.unwrap_err();
            assert_eq!(refused, ProgressSendError::TooLarge { body_bytes: 101, body_bytes_max: 100 });
            progress.send(&"x".repeat(98)).await?;
            Ok(refused.to_string())
        },
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let mut call = client.call_progressive::<Loud>(&1, window(4));
    assert_eq!(soon("an item", call.next()).await, Some(Ok("x".repeat(98))));
    assert_eq!(soon("the end", call.next()).await, None);
    assert_eq!(call.reply().await.unwrap(), "an item takes at most 100 bytes, not 101");

    let text = "x".repeat(101);
    let raw = RawMethod { body_bytes_max: 100, ..RawMethod::named("test.loud") };
    let mut call = client.call_raw_progressive(raw, Codec::Json, Bytes::from(text), window(4));
    assert_eq!(soon("the end", call.next()).await, None);
    assert!(matches!(call.reply().await, Err(CallError::Rejected(_))));
}

#[tokio::test]
async fn a_method_that_is_known_only_at_run_time_has_progress_too() {
    let Some(stage) = stage("progress-raw").await else { return };
    let raw = RawMethod::named("test.count");
    let mut call = stage.caller.call_raw_progressive(raw, Codec::Json, Bytes::from_static(b"3"), window(4));
    let items: Vec<_> = soon("the items", call.by_ref().map(Result::unwrap).collect()).await;
    assert_eq!(items, ["0", "1", "2"]);
    assert_eq!(call.reply().await.unwrap(), "3");

    let raw = RawMethod::named("test.nowhere");
    let mut call = stage.caller.call_raw_progressive(raw, Codec::Json, Bytes::from_static(b"3"), window(4));
    assert_eq!(soon("the end", call.next()).await, None);
    assert!(matches!(call.reply().await, Err(CallError::Unroutable { .. })));
}

#[tokio::test]
async fn an_item_of_another_type_is_told_and_the_reply_arrives() {
    struct Words;
    impl Method for Words {
        const NAME: &'static str = Count::NAME;
        type Request = u32;
        type Reply = u32;
    }
    impl Progressive for Words {
        type Progress = String;
    }
    let Some(stage) = stage("progress-types").await else { return };
    let mut call = stage.caller.call_progressive::<Words>(&2, window(4));
    for _ in 0..2 {
        let item = soon("an item", call.next()).await;
        assert!(matches!(item, Some(Err(ProgressError::Unreadable(_)))), "{item:?}");
    }
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_handlers_progressive_call_is_cancelled_with_it() {
    let Some(mut stage) = stage("progress-inherit").await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service = Service::new("outer", "1.0.0", Arc::new(begun)).method::<Outer, _, _>(
        |begun: Arc<mpsc::UnboundedSender<_>>, context: Context, number| async move {
            let mut call = context.client().call_progressive::<Count>(&number, within(PATIENCE));
            begun.send(call.next().await).unwrap();
            call.reply().await.map(|reply| reply.to_string()).map_err(|error| Status::internal(error.to_string()))
        },
    );
    let _running = service.serve(&client(&stage.broker.url).await, ServeOptions::default()).await.unwrap();
    let call = tokio::spawn({
        let caller = stage.caller.clone();
        async move { caller.call_with::<Outer>(&1, within(PATIENCE)).await }
    });
    assert_eq!(soon("an item", begun_rx.recv()).await, Some(Some(Ok(0))));
    call.abort();
    assert_eq!(stage.told().await, Told::Cancelled);
}
