//! What is counted as a start that nobody saw the end of, and what is not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use tokio::sync::{Notify, Semaphore, mpsc};
use warren_rpc::{CallError, CallOptions, Code, ServeOptions};
use warren_testing::broker;

use super::harness::{HaveEffect, called, client, effects, open, service, soon};

#[tokio::test]
async fn a_handler_that_is_dropped_is_no_process_that_died() {
    let Some(broker) = broker("dropped-starts").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (pool, replies) = open(&folder.path().join("store.sqlite")).await;
    let go = Arc::new(Semaphore::new(0));
    let service = service(Arc::new(replies), {
        let go = Arc::clone(&go);
        move |_| {
            let go = Arc::clone(&go);
            async move { go.acquire().await.unwrap().forget() }
        }
    });
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    // More often than a process may die of it.
    for _ in 0..5 {
        let short = CallOptions { deadline: Duration::from_millis(300), ..called("patient") };
        let error = client.call_with::<HaveEffect>(&1, short).await.unwrap_err();
        assert!(matches!(&error, CallError::Status(status) if status.code == Code::DeadlineExceeded), "{error}");
    }
    // The last one may not be dropped yet, and take one with it.
    go.add_permits(10);
    soon("the call", client.call_with::<HaveEffect>(&1, called("patient"))).await.expect("it is begun once more");
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn repeats_at_the_same_time_wait_for_the_first_and_are_not_taken_for_poison() {
    const LAST: u32 = 9;
    let Some(broker) = broker("repeats-at-once").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (pool, replies) = open(&folder.path().join("store.sqlite")).await;
    let (go, last, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let service = service(Arc::new(replies), {
        let (go, last, begun) = (Arc::clone(&go), Arc::clone(&last), Arc::clone(&begun));
        move |number| {
            let (go, last, begun) = (Arc::clone(&go), Arc::clone(&last), Arc::clone(&begun));
            async move {
                if number == LAST {
                    return last.notify_one();
                }
                begun.fetch_add(1, Ordering::SeqCst);
                go.acquire().await.unwrap().forget();
            }
        }
    });
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    // More than there may be starts of a call.
    let calls = join_all((0..8).map(|_| client.call_with::<HaveEffect>(&1, called("the same"))));
    let behind_them = async {
        client.call_with::<HaveEffect>(&LAST, called("last")).await.unwrap();
        soon("the last one", last.notified()).await;
        go.add_permits(8);
    };
    let (answers, ()) = soon("all", futures::future::join(calls, behind_them)).await;
    for answer in answers {
        assert_eq!(answer.expect("nothing died"), std::process::id());
    }
    assert_eq!((effects(&pool).await, begun.load(Ordering::SeqCst)), (2, 1));
}

#[tokio::test]
async fn runs_in_many_processes_at_once_are_not_taken_for_poison() {
    // More than there may be starts of a call.
    const PROCESSES: usize = 6;
    let Some(broker) = broker("many-processes").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (begun, mut begun_rx) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let (mut running, mut pool) = (Vec::new(), None);
    for _ in 0..PROCESSES {
        // What they share is the file.
        let (opened, replies) = open(&folder.path().join("store.sqlite")).await;
        let (go, begun) = (Arc::clone(&go), begun.clone());
        let service = service(Arc::new(replies), move |_| {
            let (go, begun) = (Arc::clone(&go), begun.clone());
            async move {
                begun.send(()).unwrap();
                go.acquire().await.unwrap().forget();
            }
        });
        let client = client(&broker.url).await;
        running.push(service.serve(&client, ServeOptions { prefetch: 1, ..ServeOptions::default() }).await.unwrap());
        pool = Some(opened);
    }
    let caller = client(&broker.url).await;
    let calls = join_all((0..PROCESSES).map(|_| caller.call_with::<HaveEffect>(&1, called("the same"))));
    let behind_them = async {
        for _ in 0..3 {
            soon("three begin", begun_rx.recv()).await;
        }
        tokio::time::timeout(Duration::from_secs(1), begun_rx.recv()).await.expect_err("no more do");
        go.add_permits(PROCESSES);
    };
    let (answers, ()) = soon("all", futures::future::join(calls, behind_them)).await;
    for answer in answers {
        assert_eq!(answer.expect("nothing died"), std::process::id());
    }
    assert_eq!(effects(&pool.unwrap()).await, 1);
}
