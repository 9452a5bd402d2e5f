//! A store without room: row 20 of the table of faults, with SQLite.

use std::{sync::Arc, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::mpsc;
use warren_host::{
    replies::{RepliesOptions, SqliteReplies},
    store::StoreError,
};
use warren_rpc::{CallError, Code, OneWayRetries, ServeOptions};
use warren_testing::broker;

use super::harness::{Happened, HaveEffect, called, client, effects, eventually, foreign, ready, service, soon};

/// A store of 30 pages. One connection, for each keeps the limit for itself.
async fn small(file: &std::path::Path) -> SqlitePool {
    let limited = SqlitePoolOptions::new().max_connections(1).after_connect(|connection, _| {
        Box::pin(async move {
            sqlx::raw_sql("PRAGMA max_page_count = 30").execute(connection).await?;
            Ok(())
        })
    });
    let pool = limited.connect_with(SqliteConnectOptions::new().filename(file).create_if_missing(true)).await.unwrap();
    let tables = "CREATE TABLE effects (call_id TEXT NOT NULL, process INTEGER NOT NULL);
                  CREATE TABLE papers (body BLOB NOT NULL)";
    sqlx::raw_sql(tables).execute(&pool).await.unwrap();
    pool
}

async fn add_paper(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO papers (body) VALUES (zeroblob(4000))").execute(pool).await.map(drop)
}

/// Until nothing more goes in, not even a little, and wherever it should go.
async fn fill(pool: &SqlitePool) {
    let tables = [
        "INSERT INTO papers (body) VALUES (zeroblob(4000))",
        "INSERT INTO papers (body) VALUES (zeroblob(10))",
        "INSERT INTO effects (call_id, process) VALUES ('filler', 0)",
        "INSERT INTO warren_replies (method, call_id, digest, starts, begun_ms)
         VALUES ('filler', hex(randomblob(8)), x'00', 0, 9e15)",
    ];
    for insert in tables {
        while sqlx::query(insert).execute(pool).await.is_ok() {}
    }
}

/// Makes room again.
async fn empty(pool: &SqlitePool) {
    let deletes = "DELETE FROM papers;
                   DELETE FROM effects WHERE call_id = 'filler';
                   DELETE FROM warren_replies WHERE method = 'filler'";
    sqlx::raw_sql(deletes).execute(pool).await.unwrap();
}

#[tokio::test]
async fn without_a_store_calls_end_unavailable_and_events_are_kept_until_it_is_back() {
    let Some(broker) = broker("store-full").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let pool = small(&folder.path().join("store.sqlite")).await;
    let replies = SqliteReplies::open(pool.clone(), RepliesOptions::default()).await.unwrap();
    let (tried, mut tried_rx) = mpsc::unbounded_channel();
    let retries = OneWayRetries { pause: Duration::from_millis(50), ..OneWayRetries::default() };
    let on_event = {
        let pool = pool.clone();
        move |_, _, number: u32| {
            let (pool, tried) = (pool.clone(), tried.clone());
            async move {
                let stored = add_paper(&pool).await;
                tried.send((number, stored.is_ok())).unwrap();
                stored.map_err(|error| StoreError::from(error).into())
            }
        }
    };
    let service = service(Arc::new(replies), |_| async {}).on::<Happened, _, _>(on_event).one_way_retries(retries);
    let client = client(&broker.url).await;
    let _running = service.serve(&client, ServeOptions::default()).await.unwrap();
    soon("a call", client.call_with::<HaveEffect>(&1, called("before"))).await.unwrap();

    fill(&pool).await;
    let error = soon("the call ends", client.call_with::<HaveEffect>(&2, called("full"))).await.unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Unavailable), "{error}");
    let channel = foreign(&broker.url).await;
    eventually("its request is acked", || async { ready(&channel, "test.effect").await == 0 }).await;
    client.publish::<Happened>(&7).await.unwrap();
    for _ in 0..3 {
        assert_eq!(soon("the event is tried", tried_rx.recv()).await, Some((7, false)));
    }

    empty(&pool).await;
    soon("the event is stored", async { while tried_rx.recv().await != Some((7, true)) {} }).await;
    soon("the same call", client.call_with::<HaveEffect>(&2, called("full"))).await.expect("it works again");
    assert_eq!(effects(&pool).await, 2);
}
