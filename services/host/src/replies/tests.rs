use super::*;

async fn replies() -> (tempfile::TempDir, SqliteReplies) {
    let folder = tempfile::tempdir().unwrap();
    let file = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(folder.path().join("replies.sqlite"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    let pool = SqlitePool::connect_with(file).await.unwrap();
    sqlx::query("CREATE TABLE effects (call_id TEXT NOT NULL)").execute(&pool).await.unwrap();
    let replies = SqliteReplies::open(pool, RepliesOptions::default()).await.unwrap();
    (folder, replies)
}

fn call(id: &str, body: u8) -> CallKey {
    CallKey { method: "test.once", call_id: id.to_owned(), digest: [body; 32] }
}

fn answer(body: &'static [u8]) -> StoredAnswer {
    StoredAnswer { code: None, body: body.into() }
}

/// Begins a call and has its effect, without the end.
async fn run(replies: &SqliteReplies, id: &str) -> (ReplyTransaction, u32) {
    let Begun::Run { mut transaction, starts } = replies.begin(&call(id, 1)).await.unwrap() else {
        panic!("{id} was answered")
    };
    let tx = transaction.begin().await.unwrap();
    sqlx::query("INSERT INTO effects (call_id) VALUES (?)").bind(id).execute(&mut **tx).await.unwrap();
    (transaction, starts)
}

async fn effects(replies: &SqliteReplies) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM effects").fetch_one(&replies.pool).await.unwrap()
}

#[tokio::test]
async fn effect_and_answer_are_there_together_or_not_at_all() {
    let (_folder, replies) = replies().await;
    let (lost, _) = run(&replies, "a").await;
    drop(lost);
    assert_eq!(effects(&replies).await, 0);
    let (transaction, starts) = run(&replies, "a").await;
    assert_eq!(starts, 2, "nobody saw the first end");
    replies.commit(&call("a", 1), Some(transaction), answer(b"one")).await.unwrap();
    assert_eq!(effects(&replies).await, 1);
    let again = replies.begin(&call("a", 1)).await.unwrap();
    assert!(matches!(again, Begun::Answered(stored) if stored == answer(b"one")));
    assert!(matches!(replies.begin(&call("a", 2)).await.unwrap(), Begun::OtherRequest));
}

#[tokio::test]
async fn of_two_runs_at_once_one_has_an_effect_and_both_have_its_answer() {
    let (_folder, replies) = replies().await;
    let Begun::Run { transaction: slow, .. } = replies.begin(&call("a", 1)).await.unwrap() else { panic!() };
    let (fast, _) = run(&replies, "a").await;
    replies.commit(&call("a", 1), Some(fast), answer(b"fast")).await.unwrap();
    let mut slow = slow;
    let tx = slow.begin().await.unwrap();
    sqlx::query("INSERT INTO effects (call_id) VALUES ('a')").execute(&mut **tx).await.unwrap();
    let committed = replies.commit(&call("a", 1), Some(slow), answer(b"slow")).await.unwrap();
    assert!(matches!(committed, Committed::Before(stored) if stored == answer(b"fast")));
    assert_eq!(effects(&replies).await, 1);
}

#[tokio::test]
async fn an_orderly_end_is_not_counted_against_the_call() {
    let (_folder, replies) = replies().await;
    for _ in 0..5 {
        let (transaction, starts) = run(&replies, "a").await;
        assert_eq!(starts, 1);
        drop(transaction);
        replies.abandon(&call("a", 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_fourth_run_waits_as_long_as_one_of_the_others_may_live() {
    let (_folder, replies) = replies().await;
    let silence_max = Duration::from_millis(500);
    let replies = SqliteReplies { options: RepliesOptions { silence_max, ..replies.options }, ..replies };
    let mut runs = Vec::new();
    for starts in 1..=3 {
        let Begun::Run { transaction, starts: counted } = replies.begin(&call("a", 1)).await.unwrap() else {
            panic!("it is begun")
        };
        assert_eq!(counted, starts);
        runs.push(transaction);
    }
    runs.truncate(1);
    sleep(2 * silence_max).await;
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Busy), "one lives");
    replies.abandon(&call("a", 1)).await.unwrap();
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Run { starts: 3, .. }));
    runs.clear();
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Busy), "it may");
    sleep(2 * silence_max).await;
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Run { starts: 4, .. }), "none does");
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Run { starts: 5, .. }), "nor now");
}

#[tokio::test]
async fn a_full_store_refuses_new_calls_and_forgets_only_what_is_old() {
    let (_folder, replies) = replies().await;
    let replies = SqliteReplies { options: RepliesOptions { calls_max: 1, ..replies.options }, ..replies };
    let (transaction, _) = run(&replies, "a").await;
    replies.commit(&call("a", 1), Some(transaction), answer(b"one")).await.unwrap();
    assert!(matches!(replies.begin(&call("b", 1)).await.unwrap(), Begun::Full));
    assert!(matches!(replies.begin(&call("a", 1)).await.unwrap(), Begun::Answered(_)));
    let keep_ms = i64::try_from(replies.options.keep.as_millis()).unwrap();
    replies.forget_and_count(clock::now_ms() + keep_ms + 1).await.unwrap();
    assert!(matches!(replies.begin(&call("b", 1)).await.unwrap(), Begun::Run { .. }));
}
