//! What grading keeps, in SQLite. The only module that knows SQL.
//!
//! Several instances may share one store, so every step is one transaction, and what only one of them may do (judging a
//! submission, publishing events) is leased: a lease that is not renewed ends, and another instance goes on. All of
//! them see the store's file, so they are on one machine and share its clock.

mod leases;
mod outbox;
mod problems;
mod queue;
mod submissions;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;

use sqlx::{Sqlite, SqlitePool, Transaction};
use warren_host::{
    sqlite::{self, OpenError},
    store::StoreError,
};

pub(crate) use self::{
    outbox::OutboxEvent,
    problems::NewPackage,
    queue::{AttemptOutcome, Claim, PutBack},
    submissions::{NewSubmission, Stored},
};

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Grading's store. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the store, and makes it if it is missing.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { pool: sqlite::open(path, &sqlx::migrate!("./migrations")).await? })
    }

    /// A transaction that will write. Taking the lock at once cannot fail half-way, as upgrading a read would.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    Ok(serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))?)
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(StoreError::damaged)
}

/// SQLite's integers have a sign.
fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn to_u64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
