//! Opening a service's SQLite store.

use std::{path::Path, time::Duration};

use sqlx::{
    SqlitePool,
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

/// Opens the store at `path`, makes it if it is missing, and brings its tables up to date.
///
/// Commits are durable (`synchronous = FULL`): what was answered survives a power cut.
///
/// # Errors
///
/// If the file cannot be opened or made, or a migration fails.
pub async fn open(path: &Path, migrations: &Migrator) -> Result<SqlitePool, OpenError> {
    let failed = |source| OpenError { path: path.display().to_string(), source };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await.map_err(failed)?;
    migrations.run(&pool).await.map_err(|error| failed(error.into()))?;
    Ok(pool)
}
