//! Opening a service's SQLite store.

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

/// How long a statement waits for another process's write before it ends `SQLITE_BUSY`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections a store holds open.
const CONNECTIONS_MAX: u32 = 8;

/// A store that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the store {path}: {source}")]
pub struct OpenError {
    path: String,
    source: sqlx::Error,
}

impl OpenError {
    pub(crate) fn new(path: &Path, source: sqlx::Error) -> Self {
        Self { path: path.display().to_string(), source }
    }
}

/// Opens the store at `path`, makes it if it is missing, and brings its tables up to date.
///
/// Commits are durable (`synchronous = FULL`): what was answered survives a power cut.
///
/// # Errors
///
/// If the file cannot be opened or made, or a migration fails.
///
/// # Cancel safety
///
/// Dropped before it returns, some migrations are made and others not: the next one goes on from there.
pub async fn open(path: &Path, migrations: &Migrator) -> Result<SqlitePool, OpenError> {
    let failed = |source| OpenError::new(path, source);
    let pool = options().connect_with(file(path)).await.map_err(failed)?;
    migrations.run(&pool).await.map_err(|error| failed(error.into()))?;
    Ok(pool)
}

fn file(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

fn options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .after_release(|connection, _| Box::pin(is_between_transactions(connection)))
}

/// Whether a connection may be used again; else the pool closes it.
///
/// SQLite may end a transaction by itself, as when the disk is full (<https://sqlite.org/lang_transaction.html>, 2.3).
/// The rollback of sqlx fails then, and sqlx counts the transaction as open for as long as the connection lives.
async fn is_between_transactions(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // Waits for the rollback of a transaction that was dropped.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

#[cfg(test)]
mod tests {
    use sqlx::{Sqlite, Transaction};

    use super::*;

    /// A store of 20 pages and one connection at a time, so that what one step leaves behind the next one meets.
    async fn small() -> (tempfile::TempDir, SqlitePool) {
        let folder = tempfile::tempdir().unwrap();
        let limited = options().max_connections(1).after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("PRAGMA max_page_count = 20").execute(connection).await?;
                Ok(())
            })
        });
        let pool = limited.connect_with(file(&folder.path().join("small.sqlite"))).await.unwrap();
        sqlx::query("CREATE TABLE papers (body BLOB NOT NULL)").execute(&pool).await.unwrap();
        (folder, pool)
    }

    async fn write(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        pool.begin_with("BEGIN IMMEDIATE").await
    }

    async fn add(pool: &SqlitePool) -> Result<(), sqlx::Error> {
        let mut tx = write(pool).await?;
        sqlx::query("INSERT INTO papers (body) VALUES (zeroblob(9000))").execute(&mut *tx).await?;
        tx.commit().await
    }

    /// Adds until it fails: how.
    async fn fill(pool: &SqlitePool) -> String {
        loop {
            if let Err(error) = add(pool).await {
                return error.to_string();
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_was_full_works_again_once_there_is_room() {
        let (_folder, pool) = small().await;
        for _ in 0..2 {
            let failure = fill(&pool).await;
            assert!(failure.contains("database or disk is full"), "{failure}");
        }
        sqlx::query("DELETE FROM papers").execute(&pool).await.unwrap();
        add(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_ended_by_itself_does_not_stay_with_its_connection() {
        let (_folder, pool) = small().await;
        let mut tx = write(&pool).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *tx).await.unwrap();
        drop(tx);
        add(&pool).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_whose_step_was_merely_dropped_is_kept() {
        let (_folder, pool) = small().await;
        sqlx::query("CREATE TEMP TABLE mark (one)").execute(&pool).await.unwrap();
        drop(write(&pool).await.unwrap());
        sqlx::query("SELECT * FROM mark").execute(&pool).await.unwrap();
    }
}
