//! What the tests and the victim share: methods, a store, and patience.

use std::{path::Path, sync::Arc};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};
use warren_host::replies::{RepliesOptions, ReplyTransaction, SqliteReplies};
use warren_rpc::{
    CallOptions, Client, ClientOptions, Context, Effect, Event, Method, MethodOptions, ReplyStore, Service, Status,
};
pub(crate) use warren_testing::{PATIENCE, eventually, soon};

/// The request on which a handler ends its process.
pub(crate) const POISON: u32 = 13;

pub(crate) async fn client(url: &str) -> Client {
    Client::connect(url, ClientOptions::default()).await.expect("the broker answers")
}

/// A call with an id, and time enough.
pub(crate) fn called(call_id: impl Into<String>) -> CallOptions {
    CallOptions { call_id: Some(call_id.into()), deadline: PATIENCE, ..CallOptions::default() }
}

/// A channel of a connection that knows nothing of Warren.
pub(crate) async fn foreign(url: &str) -> lapin::Channel {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
    connection.create_channel().await.unwrap()
}

/// How many messages of a queue are ready to be delivered.
pub(crate) async fn ready(channel: &lapin::Channel, queue: &str) -> u32 {
    let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, Default::default()).await.unwrap().message_count()
}

/// Whether there is a queue, whoever's it is.
pub(crate) async fn exists(url: &str, queue: &str) -> bool {
    let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
    match foreign(url).await.queue_declare(queue.into(), options, Default::default()).await {
        Ok(_) => true,
        // Somebody else's own is there, and locked.
        Err(error) => !error.to_string().contains("NOT_FOUND"),
    }
}

/// Has an effect once. The reply is the id of the process that had it.
pub(crate) struct HaveEffect;

impl Method for HaveEffect {
    const NAME: &'static str = "test.effect";
    const EFFECT: Effect = Effect::Once;
    const DURABLE: bool = true;
    type Request = u32;
    type Reply = u32;
}

/// May be done again.
pub(crate) struct Work;

impl Method for Work {
    const NAME: &'static str = "test.work";
    const EFFECT: Effect = Effect::Repeatable;
    const DURABLE: bool = true;
    type Request = u32;
    type Reply = u32;
}

/// Must not be done twice.
pub(crate) struct Careful;

impl Method for Careful {
    const NAME: &'static str = "test.careful";
    type Request = u32;
    type Reply = u32;
}

/// Something that happened.
pub(crate) struct Happened;

impl Event for Happened {
    const KEY: &'static str = "test.happened";
    type Body = u32;
}

/// A store of effects and replies.
pub(crate) async fn open(file: &Path) -> (SqlitePool, SqliteReplies) {
    let file = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(PATIENCE);
    let pool = SqlitePool::connect_with(file).await.unwrap();
    let table = "CREATE TABLE IF NOT EXISTS effects (call_id TEXT NOT NULL, process INTEGER NOT NULL)";
    sqlx::query(table).execute(&pool).await.unwrap();
    let replies = SqliteReplies::open(pool.clone(), RepliesOptions::default()).await.unwrap();
    (pool, replies)
}

pub(crate) async fn effects(pool: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM effects").fetch_one(pool).await.unwrap()
}

/// A service with an effect that is stored with its reply. How a handler is delayed, or ends its process, is the
/// `before`'s to say.
pub(crate) fn service<R, F>(store: Arc<R>, before: impl Fn(u32) -> F + Clone + Send + Sync + 'static) -> Service<()>
where
    R: ReplyStore<Transaction = ReplyTransaction>,
    F: Future<Output = ()> + Send + 'static,
{
    let (first, second) = (before.clone(), before.clone());
    Service::new("test", "1.0.0", Arc::new(()))
        .once::<HaveEffect, _, _, _>(MethodOptions { prefetch: Some(10) }, store, move |_, context, tx, number| {
            let before = before(number);
            async move {
                before.await;
                have_effect(&context, tx).await
            }
        })
        .method::<Work, _, _>(move |_, _, number| {
            let before = first(number);
            async move {
                before.await;
                Ok(number)
            }
        })
        .method::<Careful, _, _>(move |_, _, number| {
            let before = second(number);
            async move {
                before.await;
                Ok(number)
            }
        })
}

async fn have_effect(context: &Context, mut tx: ReplyTransaction) -> Result<(u32, ReplyTransaction), Status> {
    let process = std::process::id();
    let stored = async {
        let insert = sqlx::query("INSERT INTO effects (call_id, process) VALUES (?, ?)");
        insert.bind(context.call_id()).bind(process).execute(&mut **tx.begin().await?).await
    };
    stored.await.map_err(|error| Status::unavailable(error.to_string()))?;
    Ok((process, tx))
}
