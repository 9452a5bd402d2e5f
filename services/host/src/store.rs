//! How a store fails, and what a caller is told of it: one mapping for every service.

use std::error::Error;

use sqlx::sqlite::SqliteError;
use warren_rpc::Status;

/// SQLite's primary result codes of a file that is no sound database (<https://sqlite.org/rescode.html>).
const SQLITE_CORRUPT: u32 = 11;
const SQLITE_NOTADB: u32 = 26;

/// A step in a store that failed; the store is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database did not take the step: it is busy, its disk is full, its pool is closed. A retry may succeed.
    #[error("the store does not answer")]
    Unavailable(#[source] sqlx::Error),
    /// What is stored is not what a service puts there. No retry helps.
    #[error("the store is damaged")]
    Damaged(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// A row that cannot be what was put there, because of `cause`.
    pub fn damaged(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged(cause.into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let damaged = match &error {
            sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => true,
            sqlx::Error::Database(error) => is_corruption(error.as_ref()),
            _ => false,
        };
        if damaged { Self::damaged(error) } else { Self::Unavailable(error) }
    }
}

fn is_corruption(error: &dyn sqlx::error::DatabaseError) -> bool {
    // The primary code is the low byte of SQLite's extended one.
    let extended =
        error.try_downcast_ref::<SqliteError>().and_then(|error| sqlx::error::DatabaseError::code(error)?.parse().ok());
    extended.is_some_and(|code: u32| matches!(code & 0xff, SQLITE_CORRUPT | SQLITE_NOTADB))
}

/// `unavailable` for a store that does not answer, `internal` for a damaged one. The caller learns no more; the log
/// gets the cause.
impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn Error, "the store failed");
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error.to_string()),
            StoreError::Damaged(_) => Self::internal(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Row as _, SqlitePool};
    use warren_rpc::Code;

    use super::*;

    fn told(error: sqlx::Error) -> (Code, String) {
        let status = Status::from(StoreError::from(error));
        (status.code, status.message)
    }

    async fn memory() -> SqlitePool {
        SqlitePool::connect("sqlite::memory:").await.unwrap()
    }

    #[tokio::test]
    async fn a_store_that_is_gone_may_be_asked_again() {
        let pool = memory().await;
        pool.close().await;
        let error = sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
        assert_eq!(told(error), (Code::Unavailable, "the store does not answer".to_owned()));
    }

    #[tokio::test]
    async fn a_row_of_another_type_is_damage() {
        let row = sqlx::query("SELECT 'many' AS tries").fetch_one(&memory().await).await.unwrap();
        let error = row.try_get::<i64, _>("tries").unwrap_err();
        assert_eq!(told(error), (Code::Internal, "the store is damaged".to_owned()));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_damage() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a letter to a friend, not a database. ".repeat(100)).unwrap();
        let url = format!("sqlite:{}", file.path().display());
        let error = match SqlitePool::connect(&url).await {
            Ok(pool) => sqlx::query("SELECT * FROM sqlite_schema").execute(&pool).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(told(error).0, Code::Internal);
    }
}
