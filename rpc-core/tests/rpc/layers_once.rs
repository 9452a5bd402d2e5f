//! Layers around handlers of `Once` methods, and of those that send progress.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures::StreamExt;
use tower::{ServiceExt, layer::layer_fn, service_fn};
use warren_rpc::{
    Begun, CallError, CallKey, CallOptions, CallService, Committed, Context, Effect, EncodedCall, HandlerService,
    IncomingCall, MemoryReplyStore, MemoryTransaction, Metadata, Method, MethodOptions, ProgressSender, Progressive,
    ReplyStore, ServeOptions, Service, Status, StoreError, StoredAnswer,
};

use super::harness::{PATIENCE, broker, client, eventually, foreign, ready, stateless, within};

/// Counts, and answers how often it has.
struct Count;

impl Method for Count {
    const NAME: &'static str = "test.count";
    const EFFECT: Effect = Effect::Once;
    type Request = u32;
    type Reply = u32;
}

/// Counts aloud.
struct Aloud;

impl Method for Aloud {
    const NAME: &'static str = "test.aloud";
    type Request = u32;
    type Reply = u32;
}

impl Progressive for Aloud {
    type Progress = u32;
}

/// Counts what passes, and lets those with a token through.
fn guarded<S: Send + Sync + 'static>(service: Service<S>, passed: &Arc<AtomicU32>) -> Service<S> {
    let passed = Arc::clone(passed);
    service.layer(layer_fn(move |inner: HandlerService| {
        let passed = Arc::clone(&passed);
        service_fn(move |call: IncomingCall| {
            passed.fetch_add(1, Ordering::SeqCst);
            let (inner, is_known) = (inner.clone(), call.metadata().get("token") == Some("mine"));
            async move {
                if is_known { inner.oneshot(call).await } else { Err(Status::permission_denied("who are you?")) }
            }
        })
    }))
}

fn with_token(token: &str) -> CallOptions {
    let metadata = Metadata::new().with("token", token);
    CallOptions { call_id: Some("one".to_owned()), metadata, ..within(PATIENCE) }
}

#[tokio::test]
async fn a_repeat_passes_the_layer_and_not_the_handler_and_a_refusal_is_not_remembered() {
    let Some(broker) = broker("layers-once").await else { return };
    let client = client(&broker.url).await;
    let (counted, passed) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let service = Service::new("test", "1.0.0", Arc::clone(&counted)).once::<Count, _, _, _>(
        MethodOptions::default(),
        Arc::new(MemoryReplyStore::default()),
        |counted: Arc<AtomicU32>, _: Context, transaction: MemoryTransaction, number| async move {
            Ok((counted.fetch_add(number, Ordering::SeqCst) + number, transaction))
        },
    );
    let _running = guarded(service, &passed).serve(&client, ServeOptions::default()).await.unwrap();
    // A stranger who guesses the id takes nothing from its owner, and learns nothing.
    for (token, answer) in [("", None), ("mine", Some(5)), ("mine", Some(5)), ("other", None)] {
        match (client.call_with::<Count>(&5, with_token(token)).await, answer) {
            (Ok(counted), Some(expected)) => assert_eq!(counted, expected),
            (Err(CallError::Status(status)), None) => assert_eq!(status, Status::permission_denied("who are you?")),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
    assert_eq!((counted.load(Ordering::SeqCst), passed.load(Ordering::SeqCst)), (5, 4));
}

/// Says of every call that it has ended its process three times.
struct Poisoned;

impl ReplyStore for Poisoned {
    type Transaction = ();

    async fn begin(&self, _: &CallKey) -> Result<Begun<()>, StoreError> {
        Ok(Begun::Run { transaction: (), starts: 4 })
    }

    async fn commit(&self, _: &CallKey, _: Option<()>, _: StoredAnswer) -> Result<Committed, StoreError> {
        Ok(Committed::Stored)
    }

    async fn abandon(&self, _: &CallKey) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_layer_cannot_hide_that_a_request_ends_its_process() {
    let Some(broker) = broker("layers-poison").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .once::<Count, _, _, _>(
            MethodOptions::default(),
            Arc::new(Poisoned),
            |_, _: Context, transaction, number| async move { Ok((number, transaction)) },
        )
        .layer(layer_fn(|inner: HandlerService| {
            service_fn(move |call: IncomingCall| {
                let (inner, codec) = (inner.clone(), call.codec());
                async move {
                    let outcome = inner.oneshot(call).await;
                    assert_eq!(outcome.unwrap_err(), Status::internal("the handler of test.count failed"));
                    Ok(codec.encode(&1).unwrap())
                }
            })
        }));
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let Err(CallError::Status(status)) = client.call::<Count>(&1).await else { panic!("it is given up") };
    assert_eq!(status, Status::internal("the handler of test.count failed"));
    let channel = foreign(&broker.url).await;
    eventually("it is kept", || async { ready(&channel, "test.count.dead").await == 1 }).await;
}

#[tokio::test]
async fn a_call_with_progress_passes_layers_on_both_sides() {
    let Some(broker) = broker("layers-progress").await else { return };
    let plain = client(&broker.url).await;
    let passed = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", stateless()).progressive::<Aloud, _, _>(
        |_, _, to: u32, mut progress: ProgressSender<u32>| async move {
            for number in 1..=to {
                progress.send(&number).await?;
            }
            Ok(to)
        },
    );
    let _running = guarded(service, &passed).serve(&plain, ServeOptions::default()).await.unwrap();
    let caller = plain.layered(layer_fn(|inner: CallService| {
        service_fn(move |mut call: EncodedCall| {
            call.metadata_mut().insert("token", "mine");
            inner.clone().oneshot(call)
        })
    }));
    let mut call = caller.call_progressive::<Aloud>(&40, within(PATIENCE));
    let mut next = 1;
    while let Some(number) = call.next().await {
        assert_eq!(number.unwrap(), next);
        next += 1;
    }
    assert_eq!((next, call.reply().await.unwrap()), (41, 40));
    assert_eq!(passed.load(Ordering::SeqCst), 1);
    let Err(CallError::Status(status)) = plain.call_progressive::<Aloud>(&1, within(PATIENCE)).reply().await else {
        panic!("a layer refuses")
    };
    assert_eq!(status, Status::permission_denied("who are you?"));
}
