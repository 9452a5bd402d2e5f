//! Where effects are kept, beside the replies: a row each, in the same transaction.

use std::{collections::HashMap, path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use warren_host::replies::ReplyTransaction;

/// Opens the store, makes it if it is missing.
pub(crate) async fn open(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A process that is killed loses nothing that it wrote; only a power cut would.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10));
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
    // Nothing here keeps an effect from being had twice: that is the library's to do.
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS effects (call_id TEXT NOT NULL)").execute(&pool).await?;
    Ok(pool)
}

pub(crate) async fn have_effect(transaction: &mut ReplyTransaction, call_id: &str) -> Result<(), sqlx::Error> {
    let transaction = transaction.begin().await?;
    sqlx::query("INSERT INTO effects (call_id) VALUES (?)").bind(call_id).execute(&mut **transaction).await?;
    Ok(())
}

/// How many effects each call had.
pub(crate) async fn effects(pool: &SqlitePool) -> Result<HashMap<String, u64>, sqlx::Error> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT call_id, COUNT(*) FROM effects GROUP BY call_id").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|(call_id, count)| (call_id, count.cast_unsigned())).collect())
}
