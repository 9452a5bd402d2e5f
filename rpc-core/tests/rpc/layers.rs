//! Layers around calls and handlers: what they can do, and what they cannot take away.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, mpsc};
use tower::{ServiceExt, layer::layer_fn, service_fn, util::MapRequestLayer};
use warren_rpc::{
    CallError, CallOptions, CallService, Client, Context, EncodedCall, EncodedReply, HandlerService, IncomingCall,
    RejectReason, ServeOptions, Service, Status, TraceContext,
};

use super::harness::{
    Nowhere, Outer, PATIENCE, Small, Work, broker, client, eventually, foreign, ready, soon, stateless, within,
};

type Log = Arc<Mutex<Vec<String>>>;

fn log(log: &Log, line: &str) {
    log.lock().unwrap().push(line.to_owned());
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// A client whose calls are logged, on their way and on their way back.
fn logged_client(client: &Client, name: &'static str, lines: &Log) -> Client {
    let lines = Arc::clone(lines);
    client.layered(layer_fn(move |inner: CallService| {
        let lines = Arc::clone(&lines);
        service_fn(move |call: EncodedCall| {
            logged(Arc::clone(&lines), name, call.method().to_owned(), inner.clone().oneshot(call))
        })
    }))
}

/// As [`logged_client`], of a service's handlers.
fn logged_service<S: Send + Sync + 'static>(service: Service<S>, name: &'static str, lines: &Log) -> Service<S> {
    let lines = Arc::clone(lines);
    service.layer(layer_fn(move |inner: HandlerService| {
        let lines = Arc::clone(&lines);
        service_fn(move |call: IncomingCall| {
            logged(Arc::clone(&lines), name, call.method().to_owned(), inner.clone().oneshot(call))
        })
    }))
}

async fn logged<T>(lines: Log, name: &'static str, method: String, inner: impl Future<Output = T>) -> T {
    log(&lines, &format!("{name} {method}"));
    let outcome = inner.await;
    log(&lines, &format!("{name} back"));
    outcome
}

async fn done(_: Arc<()>, _: Context, _: u32) -> Result<String, Status> {
    Ok("done".to_owned())
}

#[tokio::test]
async fn the_layer_that_is_added_last_is_outermost_on_both_sides_and_all_methods_have_it() {
    let Some(broker) = broker("layers-order").await else { return };
    let (lines, plain) = (Log::default(), client(&broker.url).await);
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(done);
    let service = logged_service(logged_service(service, "c", &lines), "d", &lines).method::<Outer, _, _>(done);
    let _running = service.serve(&plain, ServeOptions::default()).await.unwrap();
    let caller = logged_client(&logged_client(&plain, "a", &lines), "b", &lines);
    for method in ["test.work", "test.outer"] {
        let answer = if method == "test.work" { caller.call::<Work>(&1).await } else { caller.call::<Outer>(&1).await };
        assert_eq!(answer.unwrap(), "done");
        let way = ["b", "a", "d", "c"].map(|name| format!("{name} {method}"));
        let back = ["c", "d", "a", "b"].map(|name| format!("{name} back"));
        assert_eq!(taken(&lines), [way, back].concat());
    }
    plain.call::<Work>(&1).await.unwrap();
    assert_eq!(taken(&lines), ["d test.work", "c test.work", "c back", "d back"], "a client is as it was");
}

#[tokio::test]
async fn a_layer_of_a_client_answers_in_place_of_the_service_and_nothing_is_sent() {
    let Some(broker) = broker("layers-instead").await else { return };
    let plain = client(&broker.url).await;
    let caller = plain.layered(layer_fn(|inner: CallService| {
        service_fn(move |call: EncodedCall| {
            let inner = inner.clone();
            async move {
                match call.body().as_ref() {
                    [1] => Err(Status::permission_denied("not you").into()),
                    [2] => Ok(EncodedReply { codec: call.codec(), body: call.codec().encode(&"known").unwrap() }),
                    _ => inner.oneshot(call).await,
                }
            }
        })
    }));
    // Nobody serves the method: had it been sent, it would be unroutable.
    let Err(CallError::Status(status)) = caller.call::<Nowhere>(&1).await else { panic!("a layer refuses") };
    assert_eq!(status, Status::permission_denied("not you"));
    assert_eq!(caller.call::<Nowhere>(&2).await.unwrap(), "known");
    assert!(matches!(caller.call::<Nowhere>(&3).await, Err(CallError::Unroutable { .. })));
    assert_eq!(caller.in_flight(), 0);
}

#[tokio::test]
async fn what_a_layer_refuses_does_not_reach_the_handler() {
    let Some(broker) = broker("layers-refused").await else { return };
    let client = client(&broker.url).await;
    let handled = Arc::new(AtomicU32::new(0));
    let service = Service::new("test", "1.0.0", Arc::clone(&handled))
        .method::<Work, _, _>(|handled: Arc<AtomicU32>, _, _| async move {
            Ok(handled.fetch_add(1, Ordering::SeqCst).to_string())
        })
        .layer(layer_fn(|inner: HandlerService| {
            service_fn(move |mut call: IncomingCall| {
                let (inner, is_known) = (inner.clone(), call.body().as_ref() != [1]);
                *call.body_mut() = call.codec().encode(&9).unwrap();
                async move {
                    if is_known { inner.oneshot(call).await } else { Err(Status::permission_denied("who are you?")) }
                }
            })
        }));
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let Err(CallError::Status(status)) = client.call::<Work>(&1).await else { panic!("a layer refuses") };
    assert_eq!(status, Status::permission_denied("who are you?"));
    assert_eq!(client.call::<Work>(&2).await.unwrap(), "0");
}

#[tokio::test]
async fn a_call_passes_a_layer_once_however_often_it_is_tried() {
    let Some(broker) = broker("layers-retries").await else { return };
    let (lines, plain) = (Log::default(), client(&broker.url).await);
    let service = Service::new("test", "1.0.0", Arc::new(AtomicU32::new(0))).method::<Work, _, _>(
        |handled: Arc<AtomicU32>, _, _| async move {
            match handled.fetch_add(1, Ordering::SeqCst) {
                0..2 => Err(Status::unavailable("not yet")),
                handled => Ok(handled.to_string()),
            }
        },
    );
    let service = logged_service(service, "service", &lines);
    let _running = service.serve(&plain, ServeOptions::default()).await.unwrap();
    let caller = logged_client(&plain, "client", &lines);
    assert_eq!(caller.call_with::<Work>(&1, within(PATIENCE)).await.unwrap(), "2");
    let lines = taken(&lines);
    assert_eq!(lines.iter().filter(|line| *line == "client test.work").count(), 1);
    assert_eq!(lines.iter().filter(|line| *line == "service test.work").count(), 3);
}

#[tokio::test]
async fn a_layer_that_hangs_on_either_side_keeps_no_call_from_its_deadline() {
    let Some(broker) = broker("layers-hang").await else { return };
    let plain = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(done).layer(layer_fn(
        |inner: HandlerService| {
            service_fn(move |call: IncomingCall| {
                let inner = inner.clone();
                async move {
                    assert!(call.context().remaining() <= PATIENCE);
                    if call.body().as_ref() == [1] { pending().await } else { inner.oneshot(call).await }
                }
            })
        },
    ));
    let _running = service.serve(&plain, ServeOptions::default()).await.unwrap();
    let hanging = plain.layered(layer_fn(|inner: CallService| {
        service_fn(move |call: EncodedCall| {
            let inner = inner.clone();
            async move {
                let reply = inner.oneshot(call).await;
                let _: () = pending().await;
                reply
            }
        })
    }));
    let deadline = Duration::from_millis(300);
    for (caller, request) in [(&plain, 1), (&hanging, 2)] {
        let begun = Instant::now();
        let error = soon("it ends", caller.call_with::<Work>(&request, within(deadline))).await.unwrap_err();
        assert_eq!(error.to_string(), "deadline_exceeded: no reply of test.work within 300ms");
        assert!(begun.elapsed() < deadline + Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(caller.in_flight(), 0);
    }
    // The instance is free again.
    assert_eq!(plain.call_with::<Work>(&2, within(PATIENCE)).await.unwrap(), "done");
}

#[tokio::test]
async fn a_layer_that_panics_is_a_handler_that_does() {
    let Some(broker) = broker("layers-panic").await else { return };
    let client = client(&broker.url).await;
    // In the service's own code, and in its future's.
    let service = Service::new("test", "1.0.0", stateless()).method::<Work, _, _>(done).layer(layer_fn(
        |inner: HandlerService| {
            service_fn(move |call: IncomingCall| {
                let (inner, body) = (inner.clone(), call.body().clone());
                assert!(body.as_ref() != [1], "on purpose");
                async move {
                    assert!(body.as_ref() != [2], "on purpose");
                    inner.oneshot(call).await
                }
            })
        },
    ));
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    for request in [1, 2] {
        let Err(CallError::Status(status)) = client.call::<Work>(&request).await else { panic!("it panicked") };
        assert_eq!(status, Status::internal("the handler of test.work failed"));
    }
    assert_eq!(client.call::<Work>(&3).await.unwrap(), "done");
    let channel = foreign(&broker.url).await;
    eventually("both are kept", || async { ready(&channel, "test.work.dead").await == 2 }).await;
}

#[tokio::test]
async fn limits_count_for_what_a_layer_lets_through() {
    let Some(broker) = broker("layers-limits").await else { return };
    let plain = client(&broker.url).await;
    let larger = plain.layered(MapRequestLayer::new(|mut call: EncodedCall| {
        let request = "x".repeat(call.body().len() * 2);
        *call.body_mut() = call.codec().encode(&request).unwrap();
        call
    }));
    let error = larger.call::<Small>(&"x".repeat(600)).await.unwrap_err();
    assert!(matches!(error, CallError::Rejected(RejectReason::BodyTooLarge { body_bytes: 1209, .. })), "{error}");
    let smaller = plain.layered(MapRequestLayer::new(|mut call: EncodedCall| {
        *call.body_mut() = call.codec().encode(&"short").unwrap();
        call
    }));
    let error = smaller.call::<Small>(&"x".repeat(2000)).await.unwrap_err();
    assert!(matches!(error, CallError::Unroutable { .. }), "{error}");
}

#[tokio::test]
async fn a_call_that_a_layer_goes_on_with_alone_keeps_its_place_until_it_ends() {
    let Some(broker) = broker("layers-spawn").await else { return };
    let plain = client(&broker.url).await;
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let service = Service::new("test", "1.0.0", Arc::new((begun, Arc::clone(&go)))).method::<Work, _, _>(
        |state: Arc<(mpsc::UnboundedSender<()>, Arc<Semaphore>)>, _, _| async move {
            state.0.send(()).unwrap();
            state.1.acquire().await.unwrap().forget();
            Ok("done".to_owned())
        },
    );
    let _running = service.serve(&plain, ServeOptions::default()).await.unwrap();
    let spawning = plain.layered(layer_fn(|inner: CallService| {
        service_fn(move |call: EncodedCall| {
            let task = tokio::spawn(inner.clone().oneshot(call));
            async move { task.await.unwrap() }
        })
    }));
    let call = tokio::spawn(async move { spawning.call_with::<Work>(&1, within(PATIENCE)).await });
    soon("it is handled", begun_rx.recv()).await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(plain.in_flight(), 1, "it goes on");
    go.add_permits(1);
    eventually("it ends", || async { plain.in_flight() == 0 }).await;
}

#[tokio::test]
async fn a_dropped_call_cancels_its_handler_through_layers() {
    let Some(broker) = broker("layers-cancel").await else { return };
    let plain = client(&broker.url).await;
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told)).method::<Work, _, _>(
        |told: Arc<mpsc::UnboundedSender<&'static str>>, context: Context, _| async move {
            told.send("begun").unwrap();
            context.cancellation().cancelled().await;
            told.send("cancelled").unwrap();
            Err(Status::cancelled("as asked"))
        },
    );
    let service = logged_service(service, "service", &Log::default());
    let _running = service.serve(&plain, ServeOptions::default()).await.unwrap();
    let caller = logged_client(&plain, "client", &Log::default());
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    assert_eq!(soon("it begins", told_rx.recv()).await, Some("begun"));
    call.abort();
    assert_eq!(soon("it is cancelled", told_rx.recv()).await, Some("cancelled"));
}

#[tokio::test]
async fn a_handlers_calls_pass_the_layers_of_the_client_that_it_is_served_on_and_end_with_it() {
    let Some(broker) = broker("layers-nested").await else { return };
    let (lines, plain) = (Log::default(), client(&broker.url).await);
    let (told, mut told_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(told))
        .method::<Outer, _, _>(|told: Arc<mpsc::UnboundedSender<String>>, context: Context, request| async move {
            let inner = context.client().call_with::<Work>(&request, within(PATIENCE)).await;
            told.send(format!("{inner:?}")).unwrap();
            inner.map_err(|error| Status::internal(error.to_string()))
        })
        .method::<Work, _, _>(|told: Arc<mpsc::UnboundedSender<String>>, context: Context, request| async move {
            if request == 1 {
                return Ok(context.trace().trace_id.to_string());
            }
            told.send("begun".to_owned()).unwrap();
            context.cancellation().cancelled().await;
            told.send("cancelled".to_owned()).unwrap();
            Err(Status::cancelled("as asked"))
        });
    let served_on = logged_client(&plain, "inner", &lines);
    let _running = service.serve(&served_on, ServeOptions::default()).await.unwrap();
    let trace = TraceContext::new_root();
    let trace_id = trace.trace_id.to_string();
    let caller = plain.layered(MapRequestLayer::new(move |mut call: EncodedCall| {
        call.set_trace(trace.clone());
        call
    }));
    assert_eq!(caller.call::<Outer>(&1).await.unwrap(), trace_id, "a layer's trace goes on, too");
    assert_eq!(taken(&lines), ["inner test.work", "inner back"]);
    soon("the first is over", told_rx.recv()).await.unwrap();
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Outer>(&2, within(PATIENCE)).await }
    });
    assert_eq!(soon("it begins", told_rx.recv()).await.unwrap(), "begun");
    call.abort();
    let mut ends = [soon("one ends", told_rx.recv()).await.unwrap(), soon("both end", told_rx.recv()).await.unwrap()];
    ends.sort_unstable();
    assert!(ends[1] == "cancelled" && ends[0].contains("test.work was cancelled"), "{ends:?}");
}

#[tokio::test]
async fn a_layer_is_told_of_the_call() {
    let Some(broker) = broker("layers-told").await else { return };
    let plain = client(&broker.url).await;
    let lines = Log::default();
    let caller = plain.layered(MapRequestLayer::new({
        let lines = Arc::clone(&lines);
        move |call: EncodedCall| {
            assert!(call.remaining() <= PATIENCE && call.remaining() > Duration::ZERO);
            log(&lines, &format!("{} {} {:?}", call.method(), call.call_id(), call.priority()));
            call
        }
    }));
    let options = CallOptions { call_id: Some("seven".to_owned()), priority: Some(3), ..within(PATIENCE) };
    caller.call_with::<Nowhere>(&1, options).await.unwrap_err();
    caller.call::<Nowhere>(&1).await.unwrap_err();
    let lines = taken(&lines);
    assert_eq!(lines[0], "test.nowhere seven Some(3)");
    assert_eq!(lines[1].len(), "test.nowhere  None".len() + 36, "an id of its own: {}", lines[1]);
}
