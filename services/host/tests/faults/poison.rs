//! Requests that end the process that handles them: row 11 of the table of faults.

use std::sync::Arc;

use futures::future::join_all;
use warren_rpc::{CallError, Code, ServeOptions};
use warren_testing::broker;

use super::{
    harness::{
        Careful, HaveEffect, POISON, Work, called, client, effects, eventually, foreign, open, ready, service, soon,
    },
    victim::{Role, Victim},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ends_its_process_is_begun_three_times_and_its_neighbours_are_answered() {
    let Some(broker) = broker("poison").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let mut victim = Victim::start(Role::Serve, &broker.url, &file).await;
    let caller = client(&broker.url).await;
    let call = |number: u32| {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call_with::<HaveEffect>(&number, called(number.to_string())).await })
    };
    let poison = call(POISON);
    let mut neighbours = join_all((0..9).map(call));
    let mut deaths = 0;
    let neighbours = loop {
        tokio::select! {
            _ = victim.ended() => {
                deaths += 1;
                victim = Victim::start(Role::Serve, &broker.url, &file).await;
            }
            outcomes = &mut neighbours => break outcomes,
        }
    };
    for outcome in neighbours {
        outcome.unwrap().expect("a neighbour is answered");
    }
    // The last to be begun, if its neighbours were faster.
    let mut poison = poison;
    let error = loop {
        tokio::select! {
            _ = victim.ended() => {
                deaths += 1;
                victim = Victim::start(Role::Serve, &broker.url, &file).await;
            }
            outcome = &mut poison => break outcome.unwrap().unwrap_err(),
        }
    };
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Internal), "{error}");
    assert_eq!(deaths, 3);
    let (pool, _) = open(&file).await;
    assert_eq!(effects(&pool).await, 9);
    let starts = "SELECT MAX(starts) FROM warren_replies WHERE answered_ms IS NOT NULL";
    let most: i64 = sqlx::query_scalar(starts).fetch_one(&pool).await.unwrap();
    assert!(most <= 2, "{most}: a neighbour is counted for the first death, of which nobody knows whose it was");
    let channel = foreign(&broker.url).await;
    eventually("it is kept with the dead", || async { ready(&channel, "test.effect.dead").await == 1 }).await;
    assert_eq!(ready(&channel, "test.effect").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_ended_its_process_is_run_again_only_if_that_does_no_harm() {
    let Some(broker) = broker("poison-others").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.sqlite");
    let caller = client(&broker.url).await;
    let mut victim = Victim::start(Role::Serve, &broker.url, &file).await;
    let careful = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call_with::<Careful>(&POISON, called("careful")).await }
    });
    victim.ended().await;
    let mut victim = Victim::start(Role::Serve, &broker.url, &file).await;
    let error = soon("the careful one is told", careful).await.unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Status(status) if status.code == Code::Unavailable), "{error}");
    assert!(error.may_have_run(), "{error}");

    let repeatable = tokio::spawn(async move { caller.call_with::<Work>(&POISON, called("repeatable")).await });
    victim.ended().await;
    let (_, replies) = open(&file).await;
    let other = client(&broker.url).await;
    let _running = service(Arc::new(replies), |_| async {}).serve(&other, ServeOptions::default()).await.unwrap();
    assert_eq!(soon("the other is answered", repeatable).await.unwrap().unwrap(), POISON);
}
