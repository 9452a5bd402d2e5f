//! Methods whose work is done once: rows 6 and 10 of the table of faults, on a store in memory.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use lapin::BasicProperties;
use tokio::sync::mpsc;
use warren_rpc::{
    Begun, CallError, CallKey, CallOptions, Code, Codec, Committed, Context, Effect, MemoryReplyStore,
    MemoryTransaction, Method, MethodOptions, ReplyStore, Retry, RetryPolicy, ServeOptions, Service, Status,
    StoreError, StoredAnswer,
};
use warren_testing::{OwnOptions, own_broker};

use super::harness::{PATIENCE, broker, client, eventually, foreign, ready, soon, stateless, within};

/// Counts, and answers how often it has.
struct Count;

impl Method for Count {
    const NAME: &'static str = "test.count";
    const EFFECT: Effect = Effect::Once;
    type Request = u32;
    type Reply = u32;
}

async fn count(
    counted: Arc<AtomicU32>,
    _: Context,
    transaction: MemoryTransaction,
    number: u32,
) -> Result<(u32, MemoryTransaction), Status> {
    tokio::task::yield_now().await;
    match number {
        0 => Err(Status::invalid_argument("nothing to count")),
        number => Ok((counted.fetch_add(number, Ordering::SeqCst) + number, transaction)),
    }
}

fn service() -> (Service<AtomicU32>, Arc<AtomicU32>) {
    let counted = Arc::new(AtomicU32::new(0));
    let store = Arc::new(MemoryReplyStore::default());
    let options = MethodOptions { prefetch: Some(16) };
    (Service::new("test", "1.0.0", Arc::clone(&counted)).once::<Count, _, _, _>(options, store, count), counted)
}

fn called(call_id: &str) -> CallOptions {
    CallOptions { call_id: Some(call_id.to_owned()), ..within(PATIENCE) }
}

#[tokio::test]
async fn a_repeat_gets_the_stored_answer_even_at_the_same_time() {
    let Some(broker) = broker("once-repeat").await else { return };
    let (service, counted) = service();
    let server = client(&broker.url).await;
    let _one = service.serve(&server, ServeOptions::default()).await.unwrap();
    let _other = service.serve(&server, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    let answers = join_all((0..20).map(|_| caller.call_with::<Count>(&1, called("the same")))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap() == 1));
    assert_eq!(caller.call_with::<Count>(&1, called("the same")).await.unwrap(), 1);
    assert_eq!(counted.load(Ordering::SeqCst), 1);
    assert_eq!(caller.call_with::<Count>(&1, called("another")).await.unwrap(), 2);
}

#[tokio::test]
async fn the_same_id_with_another_body_is_refused() {
    let Some(broker) = broker("once-other-body").await else { return };
    let (service, counted) = service();
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    assert_eq!(server.call_with::<Count>(&1, called("the same")).await.unwrap(), 1);
    let error = server.call_with::<Count>(&2, called("the same")).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::FailedPrecondition), "{error}");
    assert_eq!(counted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_status_that_no_retry_can_change_is_remembered() {
    let Some(broker) = broker("once-status").await else { return };
    let (service, _) = service();
    let server = client(&broker.url).await;
    let _running = service.serve(&server, ServeOptions::default()).await.unwrap();
    for _ in 0..2 {
        let error = server.call_with::<Count>(&0, called("none")).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid_argument: nothing to count");
    }
}

#[tokio::test]
async fn a_reply_that_is_lost_is_got_by_the_retry() {
    let Some(broker) = broker("once-lost-reply").await else { return };
    let (service, counted) = service();
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let caller = client(&broker.url).await;
    if !broker.lose_next_delivery(&caller.callback_queue().unwrap()) {
        return;
    }
    let short = CallOptions { deadline: Duration::from_millis(300), ..called("lost") };
    let error = caller.call_with::<Count>(&1, short).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::DeadlineExceeded), "{error}");
    let again = soon("the retry", caller.call_with::<Count>(&1, called("lost"))).await;
    assert_eq!((again.unwrap(), counted.load(Ordering::SeqCst)), (1, 1));
}

/// Counts starts that were taken back, which takes its time.
#[derive(Default)]
struct Slow {
    abandoned: AtomicU32,
}

impl ReplyStore for Slow {
    type Transaction = ();

    async fn begin(&self, _: &CallKey) -> Result<Begun<()>, StoreError> {
        Ok(Begun::Run { transaction: (), starts: 1 })
    }

    async fn commit(&self, _: &CallKey, _: Option<()>, _: StoredAnswer) -> Result<Committed, StoreError> {
        Ok(Committed::Stored)
    }

    async fn abandon(&self, _: &CallKey) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.abandoned.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn a_process_may_end_after_the_shutdown_and_no_start_stays_counted() {
    let Some(broker) = broker("once-shutdown").await else { return };
    let (store, (begun, mut begun_rx)) = (Arc::new(Slow::default()), mpsc::unbounded_channel());
    let service = Service::new("test", "1.0.0", Arc::new(begun)).once::<Count, _, _, _>(
        MethodOptions::default(),
        Arc::clone(&store),
        |begun: Arc<mpsc::UnboundedSender<u32>>, _: Context, _, number| async move {
            begun.send(number).unwrap();
            std::future::pending().await
        },
    );
    let options = ServeOptions { drain_timeout: Duration::from_millis(50), ..ServeOptions::default() };
    let running = service.serve(&client(&broker.url).await, options).await.unwrap();
    let caller = client(&broker.url).await;
    let call = tokio::spawn(async move { caller.call_with::<Count>(&1, called("long")).await });
    assert_eq!(soon("it begins", begun_rx.recv()).await, Some(1));
    soon("the shutdown", running.shutdown()).await;
    assert_eq!(store.abandoned.load(Ordering::SeqCst), 1);
    call.abort();
}

/// Stores, and loses its connection before it can say so.
#[derive(Default)]
struct Unsure {
    stored: Mutex<Option<StoredAnswer>>,
}

impl ReplyStore for Unsure {
    type Transaction = ();

    async fn begin(&self, _: &CallKey) -> Result<Begun<()>, StoreError> {
        let stored = self.stored.lock().unwrap().clone();
        Ok(stored.map_or(Begun::Run { transaction: (), starts: 1 }, Begun::Answered))
    }

    async fn commit(&self, _: &CallKey, _: Option<()>, answer: StoredAnswer) -> Result<Committed, StoreError> {
        *self.stored.lock().unwrap() = Some(answer);
        Err(StoreError::new("the connection was lost during the commit"))
    }

    async fn abandon(&self, _: &CallKey) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_may_have_been_committed_is_asked_for_again_and_never_called_undone() {
    let Some(broker) = broker("once-unsure").await else { return };
    let caller = client(&broker.url).await;
    let once = async |_: Arc<()>, _: Context, (), number| Ok((number, ()));
    let served = |store| {
        let service = Service::new("test", "1.0.0", stateless());
        service.once::<Count, _, _, _>(MethodOptions::default(), Arc::new(store), once)
    };
    let running = served(Unsure::default()).serve(&caller, ServeOptions::default()).await.unwrap();
    let one_attempt = CallOptions { retry: RetryPolicy::never(), ..called("unsure") };
    let error = caller.call_with::<Count>(&7, one_attempt).await.unwrap_err();
    assert!(error.may_have_run() && error.retry() == Retry::OnlyIdempotent, "{error}");
    running.shutdown().await;
    let _running = served(Unsure::default()).serve(&caller, ServeOptions::default()).await.unwrap();
    assert_eq!(caller.call_with::<Count>(&7, called("unsure")).await.unwrap(), 7);
}

#[tokio::test]
async fn without_an_id_of_its_caller_a_request_that_comes_back_is_not_run_again() {
    let Some(broker) = own_broker(OwnOptions::default()).await else { return };
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(begun)).once::<Count, _, _, _>(
        MethodOptions::default(),
        Arc::new(MemoryReplyStore::default()),
        |begun: Arc<mpsc::UnboundedSender<u32>>, _: Context, _, number| async move {
            begun.send(number).unwrap();
            std::future::pending().await
        },
    );
    let _running = service.serve(&client(&broker.url).await, ServeOptions::default()).await.unwrap();
    let channel = foreign(&broker.url).await;
    channel.queue_declare("test.answers".into(), Default::default(), Default::default()).await.unwrap();
    let properties = BasicProperties::default().with_reply_to("test.answers".into()).with_correlation_id("7".into());
    let request = channel.basic_publish("".into(), Count::NAME.into(), Default::default(), b"1", properties);
    request.await.unwrap().await.unwrap();
    assert_eq!(soon("it begins", begun_rx.recv()).await, Some(1));

    broker.cut_connections().await;
    let channel = foreign(&broker.url).await;
    eventually("it is answered", || async { ready(&channel, "test.answers").await == 1 }).await;
    let answer = channel.basic_get("test.answers".into(), Default::default()).await.unwrap().unwrap();
    let status: Status = Codec::Json.decode(&answer.data).unwrap();
    assert!(status.code == Code::Unavailable && status.may_have_run(), "{status}");
    assert!(begun_rx.try_recv().is_err(), "it was begun once");
}
