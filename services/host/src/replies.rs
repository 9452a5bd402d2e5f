//! A store of replies in SQLite: what a handler changes and what its call is answered are committed together.

use std::{
    path::Path,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{FromRow, Sqlite, SqliteExecutor, SqlitePool, Transaction, migrate::Migrator};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use warren_rpc::{Begun, CallKey, Committed, ReplyStore, STARTS_MAX, StoreError, StoredAnswer};

use crate::{
    clock,
    sqlite::{self, OpenError},
};

/// Between two looks for what may be forgotten.
const FORGET_EVERY_MS: i64 = 60_000;

/// Shortest pause between two words of a run that it lives.
const ALIVE_PAUSE_MIN: Duration = Duration::from_millis(10);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS warren_replies (
        method      TEXT NOT NULL,
        call_id     TEXT NOT NULL,
        digest      BLOB NOT NULL,
        -- Begun so often, and nobody saw the end.
        starts      INTEGER NOT NULL,
        -- When it was begun last, or known to run.
        begun_ms    INTEGER NOT NULL,
        -- NULL until it is answered.
        answered_ms INTEGER,
        -- NULL for a success.
        code        TEXT,
        body        BLOB,
        PRIMARY KEY (method, call_id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS warren_replies_begun ON warren_replies (begun_ms);
";

/// What a [`SqliteReplies`] holds at most.
#[derive(Clone, Copy, Debug)]
pub struct RepliesOptions {
    /// Most calls. Default: 1,000,000.
    pub calls_max: u64,
    /// How long a call is kept: longer than any deadline, or a repeat would be done again. Default: 24 h.
    pub keep: Duration,
    /// How long a run that ended without a word is taken to live. It says five times as often that it does. A call that
    /// was begun three times waits so long before it is taken for what ends its process. Default: 5 s.
    pub silence_max: Duration,
}

impl Default for RepliesOptions {
    fn default() -> Self {
        Self { calls_max: 1_000_000, keep: Duration::from_secs(24 * 60 * 60), silence_max: Duration::from_secs(5) }
    }
}

/// A [`ReplyStore`] in the tables of a service's own SQLite store. All instances on it share what it remembers.
#[derive(Debug)]
pub struct SqliteReplies {
    pool: SqlitePool,
    options: RepliesOptions,
    /// As counted the last time, and begun here since. Other processes' are counted with the next look.
    calls: AtomicU64,
    looked_ms: AtomicI64,
}

/// What a handler makes its changes in. Begun with the first use, so that what a handler does before holds nothing up:
/// SQLite has one writer at a time.
#[derive(Debug)]
pub struct ReplyTransaction {
    pool: SqlitePool,
    begun: Option<Transaction<'static, Sqlite>>,
    /// Says that the call is being run, until it is dropped.
    _alive: Option<AbortOnDropHandle<()>>,
}

impl ReplyTransaction {
    /// The transaction, to write in.
    ///
    /// # Errors
    ///
    /// SQLite's, if it cannot be begun: another writer holds it too long, or the disk is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn begin(&mut self) -> Result<&mut Transaction<'static, Sqlite>, sqlx::Error> {
        if self.begun.is_none() {
            self.begun = Some(self.pool.begin_with("BEGIN IMMEDIATE").await?);
        }
        Ok(self.begun.as_mut().expect("it was just begun"))
    }
}

#[derive(FromRow)]
struct Row {
    digest: Vec<u8>,
    answered_ms: Option<i64>,
    code: Option<String>,
    body: Option<Vec<u8>>,
}

impl Row {
    fn answer(self) -> Option<Result<StoredAnswer, StoreError>> {
        self.answered_ms?;
        let code = self.code.map(|name| name.parse()).transpose().map_err(StoreError::new);
        Some(code.map(|code| StoredAnswer { code, body: self.body.unwrap_or_default().into() }))
    }
}

impl SqliteReplies {
    /// The store in a service's own: its tables are made if they are missing.
    ///
    /// # Errors
    ///
    /// SQLite's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which tables were made.
    pub async fn open(pool: SqlitePool, options: RepliesOptions) -> Result<Self, sqlx::Error> {
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        let replies = Self { pool, options, calls: AtomicU64::new(0), looked_ms: AtomicI64::new(0) };
        replies.forget_and_count(clock::now_ms()).await?;
        Ok(replies)
    }

    /// A store in a file of its own, for a service that has no other: made if it is missing.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or made.
    ///
    /// # Cancel safety
    ///
    /// As [`open`](Self::open).
    pub async fn alone(path: &Path, options: RepliesOptions) -> Result<Self, OpenError> {
        let pool = sqlite::open(path, &Migrator::DEFAULT).await?;
        Self::open(pool, options).await.map_err(|source| OpenError::new(path, source))
    }

    /// Forgets what nobody repeats any more, once a minute at most.
    async fn forget_if_due(&self, now_ms: i64) -> Result<(), sqlx::Error> {
        let looked_ms = self.looked_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(looked_ms) < FORGET_EVERY_MS {
            return Ok(());
        }
        let mine = self.looked_ms.compare_exchange(looked_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_ok() { self.forget_and_count(now_ms).await } else { Ok(()) }
    }

    async fn forget_and_count(&self, now_ms: i64) -> Result<(), sqlx::Error> {
        let keep_ms = i64::try_from(self.options.keep.as_millis()).unwrap_or(i64::MAX);
        let before = now_ms.saturating_sub(keep_ms);
        sqlx::query("DELETE FROM warren_replies WHERE begun_ms < ?").bind(before).execute(&self.pool).await?;
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM warren_replies").fetch_one(&self.pool).await?;
        self.calls.store(u64::try_from(count).unwrap_or_default(), Ordering::Relaxed);
        self.looked_ms.store(now_ms, Ordering::Relaxed);
        Ok(())
    }

    async fn try_begin(&self, call: &CallKey) -> Result<Begun<ReplyTransaction>, StoreError> {
        let now_ms = clock::now_ms();
        self.forget_if_due(now_ms).await.map_err(StoreError::new)?;
        match find(&self.pool, call).await.map_err(StoreError::new)? {
            Some(row) if row.digest != call.digest => return Ok(Begun::OtherRequest),
            Some(row) => {
                if let Some(answer) = row.answer() {
                    return Ok(Begun::Answered(answer?));
                }
            }
            None if self.calls.load(Ordering::Relaxed) >= self.options.calls_max => return Ok(Begun::Full),
            None => {
                self.calls.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(match self.count_start(call, now_ms).await.map_err(StoreError::new)? {
            Some(starts) => {
                let alive = Some(self.keep_alive(call.clone()));
                Begun::Run {
                    transaction: ReplyTransaction { pool: self.pool.clone(), begun: None, _alive: alive },
                    starts,
                }
            }
            // Or it was answered meanwhile: that is found with the next look.
            None => Begun::Busy,
        })
    }

    /// Counts a start, unless as many as may be are counted, and one of these may live.
    async fn count_start(&self, call: &CallKey, now_ms: i64) -> Result<Option<u32>, sqlx::Error> {
        let starts = sqlx::query_scalar(
            "INSERT INTO warren_replies (method, call_id, digest, starts, begun_ms) VALUES (?1, ?2, ?3, 1, ?4)
             ON CONFLICT (method, call_id) DO UPDATE
             SET starts = starts + 1, begun_ms = CASE WHEN starts < ?5 THEN ?4 ELSE begun_ms END
             WHERE answered_ms IS NULL AND (starts < ?5 OR abs(?4 - begun_ms) > ?6)
             RETURNING starts",
        );
        let silence_ms = i64::try_from(self.options.silence_max.as_millis()).unwrap_or(i64::MAX);
        let starts = starts.bind(call.method).bind(&call.call_id).bind(&call.digest[..]).bind(now_ms);
        starts.bind(STARTS_MAX).bind(silence_ms).fetch_optional(&self.pool).await
    }

    /// Says again and again that a call is being run.
    fn keep_alive(&self, call: CallKey) -> AbortOnDropHandle<()> {
        let pause = (self.options.silence_max / 5).max(ALIVE_PAUSE_MIN);
        let pool = self.pool.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                sleep(pause).await;
                let alive = sqlx::query(
                    "UPDATE warren_replies SET begun_ms = ? WHERE method = ? AND call_id = ? AND answered_ms IS NULL",
                );
                let alive = alive.bind(clock::now_ms()).bind(call.method).bind(&call.call_id);
                if let Err(error) = alive.execute(&pool).await {
                    tracing::debug!(%call, %error, "nobody is told that a call is being run");
                }
            }
        }))
    }

    async fn try_commit(
        &self,
        call: &CallKey,
        transaction: Option<ReplyTransaction>,
        answer: &StoredAnswer,
    ) -> Result<Option<Row>, sqlx::Error> {
        let mut transaction =
            transaction.unwrap_or_else(|| ReplyTransaction { pool: self.pool.clone(), begun: None, _alive: None });
        let tx = transaction.begin().await?;
        let stored = sqlx::query(
            "UPDATE warren_replies SET answered_ms = ?, code = ?, body = ?
             WHERE method = ? AND call_id = ? AND answered_ms IS NULL",
        );
        let code = answer.code.map(warren_rpc::Code::name);
        let stored = stored.bind(clock::now_ms()).bind(code).bind(&answer.body[..]).bind(call.method);
        if stored.bind(&call.call_id).execute(&mut **tx).await?.rows_affected() == 0 {
            // Another run was faster: dropped, this one's changes are undone.
            return find(&mut **tx, call).await;
        }
        if let Some(tx) = transaction.begun {
            tx.commit().await?;
        }
        Ok(None)
    }
}

async fn find(executor: impl SqliteExecutor<'_>, call: &CallKey) -> Result<Option<Row>, sqlx::Error> {
    let row =
        sqlx::query_as("SELECT digest, answered_ms, code, body FROM warren_replies WHERE method = ? AND call_id = ?");
    row.bind(call.method).bind(&call.call_id).fetch_optional(executor).await
}

impl ReplyStore for SqliteReplies {
    type Transaction = ReplyTransaction;

    async fn begin(&self, call: &CallKey) -> Result<Begun<ReplyTransaction>, StoreError> {
        self.try_begin(call).await
    }

    async fn commit(
        &self,
        call: &CallKey,
        transaction: Option<ReplyTransaction>,
        answer: StoredAnswer,
    ) -> Result<Committed, StoreError> {
        match self.try_commit(call, transaction, &answer).await.map_err(StoreError::new)? {
            None => Ok(Committed::Stored),
            Some(row) => match row.answer() {
                Some(before) => Ok(Committed::Before(before?)),
                None => Err(StoreError::new("a call was forgotten while it ran: `keep` is too short")),
            },
        }
    }

    async fn abandon(&self, call: &CallKey) -> Result<(), StoreError> {
        let uncount = sqlx::query(
            "UPDATE warren_replies SET starts = starts - 1
             WHERE method = ? AND call_id = ? AND answered_ms IS NULL AND starts > 0",
        );
        uncount.bind(call.method).bind(&call.call_id).execute(&self.pool).await.map_err(StoreError::new)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
