//! Processes that are killed: rows 5 and 7 of the table of faults.

use std::{os::unix::process::ExitStatusExt, sync::Arc};

use tokio::sync::Semaphore;
use warren_rpc::{ServeOptions, Service};
use warren_testing::broker;

use super::{
    harness::{HaveEffect, Work, called, client, effects, eventually, exists, foreign, open, ready, service, soon},
    victim::{Role, Victim},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_whose_process_died_before_the_reply_is_not_repeated_and_its_reply_is_got() {
    let Some(broker) = broker("killed-after-effect").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let mut victim = Victim::start(Role::EndAfterEffect, &broker.url, &file).await;
    let had_the_effect = victim.id();
    let caller = client(&broker.url).await;
    let call = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<HaveEffect>(&1, called("one")).await }
    });
    assert_eq!(victim.ended().await.signal(), Some(nix::libc::SIGABRT));
    assert!(!call.is_finished());

    let (pool, replies) = open(&file).await;
    let other = client(&broker.url).await;
    let _running = service(Arc::new(replies), |_| async {}).serve(&other, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("the stored reply", call).await.unwrap().unwrap(), had_the_effect);
    assert_eq!(effects(&pool).await, 1);
    let channel = foreign(&broker.url).await;
    assert_eq!(ready(&channel, "test.effect").await, 0);
}

#[tokio::test]
async fn the_reply_to_a_caller_that_was_killed_is_counted_and_its_request_settled() {
    let Some(broker) = broker("killed-caller").await else { return };
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let state = Arc::new((Arc::clone(&begun), Arc::clone(&go)));
    let service = Service::new("test", "1.0.0", state).method::<Work, _, _>(
        |state: Arc<(Arc<Semaphore>, Arc<Semaphore>)>, _, number| async move {
            state.0.add_permits(1);
            state.1.acquire().await.unwrap().forget();
            Ok(number)
        },
    );
    let server = client(&broker.url).await;
    let running = service.serve(&server, ServeOptions::default()).await.unwrap();
    let victim = Victim::start(Role::Call, &broker.url, std::path::Path::new("none")).await;
    eventually("its request is handled", || async { begun.available_permits() == 1 }).await;
    let callback_queue = victim.callback_queue.clone();
    assert!(exists(&broker.url, &callback_queue).await);
    victim.kill().await;
    eventually("its callback queue is gone", || async { !exists(&broker.url, &callback_queue).await }).await;
    assert_eq!(server.lost_replies(), 0);
    go.add_permits(1);
    eventually("its reply is counted", || async { server.lost_replies() == 1 }).await;
    soon("the shutdown", running.shutdown()).await;
    let channel = foreign(&broker.url).await;
    assert_eq!(ready(&channel, "test.work").await, 0, "it is settled");
    assert_eq!(ready(&channel, "test.work.dead").await, 0, "and not as a failure");
}
