//! Instances share the load, and one's work is another's when it is gone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::future::join_all;
use tokio::sync::{Barrier, mpsc};
use warren_rpc::{CallError, Code, Context, Retry, Service, Status};

use super::harness::{PATIENCE, Work, broker, client, named, soon, stateless, within};

/// Handlers wait for one another, so that a call ends only if as many instances as there are have one at once.
struct Together {
    barrier: Barrier,
    handled: Mutex<BTreeMap<String, u32>>,
}

async fn together(state: Arc<Together>, context: Context, _: u32) -> Result<String, Status> {
    *state.handled.lock().unwrap().entry(context.instance().to_owned()).or_default() += 1;
    state.barrier.wait().await;
    Ok(context.instance().to_owned())
}

async fn calls_are_shared_by(instances: usize) {
    let Some(broker) = broker("shared").await else { return };
    let state = Arc::new(Together { barrier: Barrier::new(instances), handled: Mutex::default() });
    let service = Service::new("test", "1.0.0", Arc::clone(&state)).method::<Work, _, _>(together);
    let mut running = Vec::new();
    for number in 0..instances {
        running.push(service.serve(&client(&broker.url).await, named(&format!("test-{number}"))).await.unwrap());
    }
    let caller = client(&broker.url).await;
    let calls = join_all((0..40_u32).map(|number| {
        let caller = caller.clone();
        async move { caller.call_with::<Work>(&number, within(PATIENCE)).await.unwrap() }
    }));
    soon("40 calls", calls).await;
    let handled = state.handled.lock().unwrap();
    assert_eq!(handled.len(), instances, "{handled:?}");
    assert!(handled.values().all(|&count| count as usize == 40 / instances), "{handled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_calls() {
    calls_are_shared_by(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_instances_share_the_calls() {
    calls_are_shared_by(4).await;
}

#[tokio::test]
async fn instances_have_names_of_their_own() {
    let Some(broker) = broker("names-of-instances").await else { return };
    let client = client(&broker.url).await;
    let service = Service::new("test", "1.0.0", stateless())
        .method::<Work, _, _>(|_, context: Context, _| async move { Ok(context.instance().to_owned()) });
    let one = service.serve(&client, Default::default()).await.unwrap();
    let other = service.serve(&client, Default::default()).await.unwrap();
    assert!(one.instance().starts_with("test-") && one.instance() != other.instance());
    let answered = client.call::<Work>(&1).await.unwrap();
    assert!([one.instance(), other.instance()].contains(&answered.as_str()));
}

/// Tells who started, and only the second instance finishes.
async fn only_the_second(
    started: Arc<mpsc::UnboundedSender<String>>,
    context: Context,
    _: u32,
) -> Result<String, Status> {
    started.send(context.instance().to_owned()).unwrap();
    if context.instance() == "first" {
        std::future::pending::<()>().await;
    }
    Ok(format!("{}, redelivered: {}", context.instance(), context.redelivered()))
}

#[tokio::test]
async fn an_instance_that_is_dropped_at_work_leaves_its_request_to_another() {
    let Some(broker) = broker("dropped").await else { return };
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(started)).method::<Work, _, _>(only_the_second);
    let server = client(&broker.url).await;
    let first = service.serve(&server, named("first")).await.unwrap();
    let caller = client(&broker.url).await;
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    assert_eq!(soon("the first starts", started_rx.recv()).await.unwrap(), "first");
    drop(first);
    let _second = service.serve(&server, named("second")).await.unwrap();
    assert_eq!(soon("the reply", call).await.unwrap().unwrap(), "second, redelivered: true");
}

/// What a caller is told whose request a first instance had, and a second refuses with this.
async fn refused_by_the_second(url: &str, status: Status) -> CallError {
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new((started, status))).method::<Work, _, _>(
        async |state: Arc<(mpsc::UnboundedSender<()>, Status)>, context: Context, _| {
            if context.redelivered() {
                return Err(state.1.clone());
            }
            state.0.send(()).unwrap();
            std::future::pending().await
        },
    );
    let (server, caller) = (client(url).await, client(url).await);
    let first = service.serve(&server, named("first")).await.unwrap();
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    soon("the first starts", started_rx.recv()).await.unwrap();
    drop(first);
    let _second = service.serve(&server, named("second")).await.unwrap();
    soon("the reply", call).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn what_an_instance_refuses_after_another_had_the_request_is_not_called_undone() {
    let Some(broker) = broker("refused").await else { return };
    let error = refused_by_the_second(&broker.url, Status::not_found("it is deleted already")).await;
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::NotFound), "{error}");
    assert!(error.may_have_run() && error.retry() == Retry::Never, "{error}");
}

#[tokio::test]
async fn a_request_that_an_instance_will_not_run_after_another_is_not_made_anew() {
    let Some(broker) = broker("deadly").await else { return };
    // Made anew, it would be run, for it would not be one that was handed out before.
    let error = refused_by_the_second(&broker.url, Status::aborted("it may have ended the one before")).await;
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Aborted), "{error}");
    assert!(error.may_have_run() && error.retry() == Retry::OnlyIdempotent, "{error}");
}

#[tokio::test]
async fn an_instance_whose_connection_ends_leaves_its_request_to_another() {
    let Some(broker) = broker("cut").await else { return };
    let (started, mut started_rx) = mpsc::unbounded_channel();
    let service = Service::new("test", "1.0.0", Arc::new(started)).method::<Work, _, _>(only_the_second);
    let (server, other_server) = (client(&broker.url).await, client(&broker.url).await);
    let mut first = service.serve(&server, named("first")).await.unwrap();
    let caller = client(&broker.url).await;
    let call = tokio::spawn(async move { caller.call_with::<Work>(&1, within(PATIENCE)).await });
    assert_eq!(soon("the first starts", started_rx.recv()).await.unwrap(), "first");
    let _second = service.serve(&other_server, named("second")).await.unwrap();
    server.close().await;
    assert_eq!(soon("the reply", call).await.unwrap().unwrap(), "second, redelivered: true");
    soon("the first says that it ended", first.ended()).await;
}
