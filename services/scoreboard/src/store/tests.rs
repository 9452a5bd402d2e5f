use warren_proto::scoreboard::{Problem, Rules};

use super::*;

async fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("scoreboard.sqlite")).await.unwrap();
    (directory, store)
}

fn pending() -> StoredRun {
    StoredRun {
        submission: "s1".to_owned(),
        contest: "spring".to_owned(),
        contestant: "ana".to_owned(),
        problem: "sum".to_owned(),
        submitted_at_ms: 1_700_000_000_000,
        judgement: None,
    }
}

fn judged(verdict: Verdict, score: &str) -> StoredRun {
    let groups = [("easy".to_owned(), score.parse().unwrap())].into();
    let judgement = StoredJudgement { verdict, score: score.parse().unwrap(), groups, runtime_ms: 12 };
    StoredRun { judgement: Some(judgement), ..pending() }
}

/// What the store holds after the runs came in this order.
async fn after(runs: &[StoredRun]) -> Vec<StoredRun> {
    let (_directory, store) = store().await;
    for run in runs {
        store.put_run(run).await.unwrap();
    }
    store.runs("spring", 10).await.unwrap()
}

#[tokio::test]
async fn a_verdict_replaces_pending() {
    let judged = judged(Verdict::Pa, "0.1234567890123456789");
    assert_eq!(after(&[pending()]).await, [pending()]);
    assert_eq!(after(&[pending(), judged.clone()]).await, [judged]);
}

#[tokio::test]
async fn a_late_submitted_does_not_erase_the_verdict() {
    let judged = judged(Verdict::Ac, "1");
    assert_eq!(after(&[judged.clone(), pending(), judged.clone(), pending()]).await, [judged]);
}

#[tokio::test]
async fn a_rejudgement_replaces_the_verdict() {
    let rejudged = judged(Verdict::Wa, "0");
    assert_eq!(after(&[pending(), judged(Verdict::Ac, "1"), rejudged.clone()]).await, [rejudged]);
}

#[tokio::test]
async fn runs_are_kept_by_contest() {
    let other = StoredRun { submission: "s2".to_owned(), contest: "autumn".to_owned(), ..pending() };
    assert_eq!(after(&[other, pending()]).await, [pending()]);
}

#[tokio::test]
async fn a_contest_is_replaced_and_survives_reopening() {
    let (directory, store) = store().await;
    let mut contest = Contest {
        contest: "spring".to_owned(),
        title: "Spring".to_owned(),
        rules: Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false },
        starts_at_ms: -1,
        duration_ms: 1,
        freeze_ms: None,
        thawed: false,
        problems: vec![Problem { id: "sum".to_owned(), points: "0.1".parse().unwrap() }],
        contestants: vec![],
    };
    assert_eq!(store.contest("spring").await.unwrap(), None);
    store.put_contest(&contest).await.unwrap();
    contest.title = "Frühling".to_owned();
    store.put_contest(&contest).await.unwrap();

    let reopened = Store::open(&directory.path().join("scoreboard.sqlite")).await.unwrap();
    assert_eq!(reopened.contest("spring").await.unwrap(), Some(contest));
}

#[tokio::test]
async fn what_cannot_have_been_put_there_is_damage() {
    let (_directory, store) = store().await;
    store.put_run(&judged(Verdict::Ac, "1")).await.unwrap();
    for spoil in [
        "UPDATE runs SET verdict = 'OK'",
        "UPDATE runs SET verdict = 'AC', score = 'most'",
        "UPDATE runs SET score = '1', groups = '['",
        "UPDATE runs SET groups = '{}', runtime_ms = -1",
    ] {
        sqlx::query(spoil).execute(&store.pool).await.unwrap();
        assert!(matches!(store.runs("spring", 10).await, Err(StoreError::Damaged(_))), "{spoil}");
    }
}
