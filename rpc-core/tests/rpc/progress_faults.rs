//! Progress when something breaks: items of another run of the handler never mix in, and every call ends.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
};
use warren_rpc::{
    CallError, Context, MethodOptions, ProgressError, ProgressSendError, ProgressSender, ProgressiveCall, ServeOptions,
    Service, Status,
};
use warren_testing::{OwnOptions, own_broker};

use super::{
    harness::{broker, client, eventually, foreign, soon},
    progress::{Count, Told, count, counter, stage, window},
};

/// Counts half the way and says no more, the first time; every other time it counts to the end.
async fn half_the_first_time(
    runs: Arc<AtomicU32>,
    to: u32,
    mut progress: ProgressSender<u32>,
    after_half: impl Future<Output = Result<u32, Status>>,
) -> Result<u32, Status> {
    let is_first = runs.fetch_add(1, Ordering::SeqCst) == 0;
    for number in 0..to {
        if is_first && number == to / 2 {
            return after_half.await;
        }
        progress.send(&number).await?;
    }
    Ok(to)
}

fn stops_half_way() -> Service<AtomicU32> {
    Service::new("test", "1.0.0", Arc::new(AtomicU32::new(0))).progressive::<Count, _, _>(|runs, _, to, progress| {
        half_the_first_time(runs, to, progress, std::future::pending())
    })
}

async fn items(call: &mut ProgressiveCall<Count>, numbers: std::ops::Range<u32>) {
    for number in numbers {
        assert_eq!(soon("an item", call.next()).await, Some(Ok(number)));
    }
}

/// What came by now may be read, in order; then it is told that the handler begins anew.
async fn the_first_run_is_over(call: &mut ProgressiveCall<Count>, mut next: u32) {
    loop {
        match soon("it is told", call.next()).await {
            Some(Ok(number)) if number == next => next += 1,
            told => return assert_eq!(told, Some(Err(ProgressError::Restarted))),
        }
    }
}

/// Half of ten was read, and something happened: it is told, and all ten come.
async fn the_rest_comes_from_the_beginning(mut call: ProgressiveCall<Count>) {
    assert_eq!(soon("it is told", call.next()).await, Some(Err(ProgressError::Restarted)));
    items(&mut call, 0..10).await;
    assert_eq!(soon("the end", call.next()).await, None);
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_an_instance_dies_half_way_another_begins_anew_and_the_reader_is_told() {
    let Some(broker) = broker("progress-killed").await else { return };
    let (service, caller) = (stops_half_way(), client(&broker.url).await);
    let (one, other) = (client(&broker.url).await, client(&broker.url).await);
    let _one = service.serve(&one, ServeOptions::default()).await.unwrap();
    let mut call = caller.call_progressive::<Count>(&10, window(4));
    items(&mut call, 0..5).await;
    let _other = service.serve(&other, ServeOptions::default()).await.unwrap();
    one.close().await;
    the_rest_comes_from_the_beginning(call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_connections_are_cut_half_way_it_begins_anew_and_the_reader_is_told() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (service, caller) = (stops_half_way(), client(&broker.url).await);
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let mut call = caller.call_progressive::<Count>(&10, window(4));
    items(&mut call, 0..5).await;
    broker.cut_connections().await;
    the_rest_comes_from_the_beginning(call).await;
}

#[tokio::test]
async fn a_retry_begins_anew_and_the_reader_is_told() {
    let Some(broker) = broker("progress-retry").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", Arc::new(AtomicU32::new(0))).progressive::<Count, _, _>(
        |runs, _, to, progress| half_the_first_time(runs, to, progress, async { Err(Status::unavailable("not yet")) }),
    );
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let mut call = client.call_progressive::<Count>(&10, window(4));
    items(&mut call, 0..1).await;
    the_first_run_is_over(&mut call, 1).await;
    items(&mut call, 0..10).await;
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 10);
}

/// A way to a broker that can be cut.
struct Way {
    url: String,
    cut: Arc<Notify>,
}

impl Way {
    async fn to(url: &str) -> Self {
        let (credentials, place) = url.rsplit_once('@').unwrap();
        let (broker, vhost) = place.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{credentials}@{}/{vhost}", listener.local_addr().unwrap());
        let cut = Arc::new(Notify::new());
        let (broker, until) = (broker.to_owned(), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((mut one, _)) = listener.accept().await {
                let (broker, until) = (broker.clone(), Arc::clone(&until));
                tokio::spawn(async move {
                    let Ok(mut other) = TcpStream::connect(broker).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut one, &mut other) => {}
                        () = until.notified() => {}
                    }
                });
            }
        });
        Self { url, cut }
    }
}

/// A caller that is cut off, and comes back, finds the handler of its first attempt waiting for a reader.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_does_not_wait_for_a_reader_that_was_cut_off() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (counter, mut told) = counter();
    let service = Service::new("test", "1.0.0", Arc::clone(&counter))
        .progressive_with::<Count, _, _>(MethodOptions { prefetch: Some(1) }, count);
    let way = Way::to(&broker.url).await;
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&way.url).await;
    let mut call = caller.call_progressive::<Count>(&50, window(4));
    items(&mut call, 0..1).await;
    eventually("it waits for a reader", || async { counter.sent.load(Ordering::SeqCst) >= 4 }).await;
    way.cut.notify_waiters();
    the_first_run_is_over(&mut call, 1).await;
    items(&mut call, 0..50).await;
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 50);
    let first = soon("the first one is over", told.recv()).await.unwrap();
    assert!(matches!(first, Told::Ended | Told::Refused(ProgressSendError::Cancelled)), "{first:?}");
}

#[tokio::test]
async fn a_caller_that_dies_cancels_the_handler_that_sends_to_it() {
    let Some(broker) = broker("progress-caller-gone").await else { return };
    let (go, told) = (Arc::new(Notify::new()), mpsc::unbounded_channel());
    let (told, mut told_rx) = told;
    let service = Service::new("test", "1.0.0", Arc::new((Arc::clone(&go), told))).progressive::<Count, _, _>(
        |state: Arc<(Arc<Notify>, mpsc::UnboundedSender<Told>)>, context: Context, _, mut progress| async move {
            progress.send(&0).await?;
            state.0.notified().await;
            progress.send(&1).await?;
            context.cancellation().cancelled().await;
            state.1.send(Told::Cancelled).unwrap();
            Ok(1)
        },
    );
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let mut call = caller.call_progressive::<Count>(&1, window(16));
    items(&mut call, 0..1).await;
    caller.close().await;
    go.notify_one();
    assert_eq!(soon("the handler is told", told_rx.recv()).await, Some(Told::Cancelled));
    let error = soon("the call ends", call.reply()).await.unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }), "{error}");
}

#[tokio::test]
async fn an_item_that_is_lost_on_its_way_is_told() {
    let Some(stage) = stage("progress-gap").await else { return };
    if !stage.broker.lose_next_delivery(&stage.caller.callback_queue().unwrap()) {
        return;
    }
    let mut call = stage.caller.call_progressive::<Count>(&100, window(4));
    assert_eq!(soon("it is told", call.next()).await, Some(Err(ProgressError::Missed { count: 1 })));
    items(&mut call, 1..100).await;
    assert_eq!(soon("the reply", call.reply()).await.unwrap(), 100);
}

/// A channel that knows nothing of Warren, and its queue for replies.
struct Stranger {
    channel: Channel,
    replies: Consumer,
}

impl Stranger {
    async fn at(url: &str) -> Self {
        let channel = foreign(url).await;
        channel.queue_declare("answers".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let replies = channel.basic_consume("answers".into(), "".into(), options, FieldTable::default()).await.unwrap();
        Self { channel, replies }
    }

    async fn send(&self, key: &str, headers: &[(&str, i64)], body: &[u8]) {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), AMQPValue::LongLongInt(*value));
        }
        let properties = BasicProperties::default()
            .with_reply_to("answers".into())
            .with_correlation_id("mine".into())
            .with_headers(table);
        let options = BasicPublishOptions::default();
        let publish = self.channel.basic_publish("".into(), key.into(), options, body, properties);
        assert!(publish.await.unwrap().await.unwrap().is_ack());
    }

    async fn answer(&mut self) -> Delivery {
        let answer = soon("an answer", self.replies.next()).await.unwrap().unwrap();
        assert_eq!(answer.properties.correlation_id(), &Some("mine".into()));
        assert_eq!(answer.properties.content_type(), &Some("application/json".into()));
        answer
    }
}

fn seq(answer: &Delivery) -> Option<i64> {
    match answer.properties.headers().as_ref()?.inner().get("seq")? {
        AMQPValue::LongLongInt(seq) => Some(*seq),
        other => panic!("a seq is a number: {other:?}"),
    }
}

#[tokio::test]
async fn a_stranger_that_gives_no_credit_or_has_no_deadline_gets_one_reply() {
    let Some(mut stage) = stage("progress-stranger").await else { return };
    let mut stranger = Stranger::at(&stage.broker.url).await;
    let with_deadline = [("deadline-ms", 30_000), ("credit", 0)];
    for headers in [&[][..], &[("credit", 5)], &with_deadline, &with_deadline[..1]] {
        stranger.send("test.count", headers, b"50").await;
        let answer = stranger.answer().await;
        assert_eq!((answer.data.as_slice(), seq(&answer)), (b"50".as_slice(), None), "{headers:?}");
        assert_eq!(stage.told().await, Told::Ended);
    }
}

#[tokio::test]
async fn a_stranger_gets_what_it_gives_credit_for_and_can_cancel() {
    let Some(mut stage) = stage("progress-credit").await else { return };
    let mut stranger = Stranger::at(&stage.broker.url).await;
    stranger.send("test.count", &[("deadline-ms", 30_000), ("credit", 2)], b"50").await;
    let mut control = ShortString::default();
    for (number, more) in [(0, 0), (1, 3), (2, 0), (3, 0), (4, 1), (5, 0)] {
        let answer = stranger.answer().await;
        assert_eq!((answer.data.as_slice(), seq(&answer)), (number.to_string().as_bytes(), Some(number)));
        control = answer.properties.reply_to().clone().unwrap();
        if more > 0 {
            stranger.send(control.as_str(), &[("credit", more)], b"").await;
        }
    }
    assert_eq!(stage.counter.sent.load(Ordering::SeqCst), 6, "as many as it gave credit for");
    stranger.send(control.as_str(), &[], b"").await;
    assert_eq!(stage.told().await, Told::Refused(ProgressSendError::Cancelled));

    stranger.send("test.count", &[("deadline-ms", 30_000), ("credit", 1)], b"50").await;
    let answer = stranger.answer().await;
    stranger.send(answer.properties.reply_to().as_ref().unwrap().as_str(), &[("credit", 0)], b"").await;
    let answer = stranger.answer().await;
    assert_eq!((answer.data.as_slice(), seq(&answer)), (b"50".as_slice(), None), "it wants no more progress");
}
