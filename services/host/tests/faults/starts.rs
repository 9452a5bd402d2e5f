//! What is counted as a start that nobody saw the end of, and what is not.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
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
