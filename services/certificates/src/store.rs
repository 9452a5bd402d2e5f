//! What was issued, with its files: one SQLite file. Rows are added and read, never changed.

use std::path::Path;

use sqlx::{FromRow, SqlitePool};
use warren_host::{
    sqlite::{self, OpenError},
    store::StoreError,
};
use warren_proto::certificates::{Certificate, Kind};

/// The store's file in the service's data directory.
const FILE: &str = "certificates.sqlite";

/// Reads what is printed, where the condition holds. The file is read by itself: it is large.
macro_rules! select_printed {
    ($condition:literal) => {
        concat!(
            "SELECT code, contest, person, kind, contest_title, name, place, date, issued_at_ms, pdf_sha256 \
             FROM certificates WHERE ",
            $condition
        )
    };
}

/// Every certificate that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
}

/// What became of a certificate that was to be kept.
#[derive(Debug)]
pub(crate) enum Kept {
    /// The one of this contest, person and kind that stands now: this one, or the one that was there before.
    Stands(Certificate),
    /// Nothing was kept: another certificate has the code.
    CodeTaken,
}

#[derive(FromRow)]
struct Row {
    code: String,
    contest: String,
    person: String,
    kind: String,
    contest_title: String,
    name: String,
    place: Option<u32>,
    date: String,
    issued_at_ms: i64,
    pdf_sha256: String,
}

impl From<Row> for Certificate {
    fn from(row: Row) -> Self {
        Self {
            code: row.code,
            kind: if row.kind == kind_name(Kind::Place) { Kind::Place } else { Kind::Participation },
            contest: row.contest,
            contest_title: row.contest_title,
            person: row.person,
            name: row.name,
            place: row.place,
            date: row.date,
            issued_at_ms: row.issued_at_ms,
            pdf_sha256: row.pdf_sha256,
        }
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Place => "place",
        Kind::Participation => "participation",
    }
}

impl Store {
    /// Opens the store in the directory, and makes it if it is missing.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let pool = sqlite::open(&data_dir.join(FILE), &sqlx::migrate!("./migrations")).await?;
        Ok(Self { pool })
    }

    /// The certificate of the person in the contest, if it was issued.
    pub(crate) async fn issued(
        &self,
        contest: &str,
        person: &str,
        kind: Kind,
    ) -> Result<Option<Certificate>, StoreError> {
        find_issued(&self.pool, contest, person, kind).await
    }

    /// Keeps the certificate unless the person has one of this contest and kind, and answers the one that stands.
    ///
    /// One transaction, which begins with the write: of two that are issued at once, one is kept and both callers
    /// get it.
    pub(crate) async fn keep(&self, new: &Certificate, pdf: &[u8]) -> Result<Kept, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO certificates (code, contest, person, kind, contest_title, name, place, date, issued_at_ms, \
             pdf_sha256, pdf) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (contest, person, kind) DO NOTHING",
        )
        .bind(&new.code)
        .bind(&new.contest)
        .bind(&new.person)
        .bind(kind_name(new.kind))
        .bind(&new.contest_title)
        .bind(&new.name)
        .bind(new.place)
        .bind(&new.date)
        .bind(new.issued_at_ms)
        .bind(&new.pdf_sha256)
        .bind(pdf)
        .execute(&mut *transaction)
        .await;
        match inserted {
            Err(error) if is_code_taken(&error) => return Ok(Kept::CodeTaken),
            inserted => inserted?,
        };
        let standing = find_issued(&mut *transaction, &new.contest, &new.person, new.kind).await?;
        transaction.commit().await?;
        standing.map(Kept::Stands).ok_or_else(|| StoreError::damaged("a certificate that was just kept is not there"))
    }

    /// The certificate of this code, as it is printed.
    pub(crate) async fn of_code(&self, code: &str) -> Result<Option<Certificate>, StoreError> {
        let row = sqlx::query_as::<_, Row>(select_printed!("code = ?")).bind(code).fetch_optional(&self.pool).await?;
        Ok(row.map(Certificate::from))
    }

    /// The file of this code.
    pub(crate) async fn file(&self, code: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let select = sqlx::query_scalar("SELECT pdf FROM certificates WHERE code = ?").bind(code);
        Ok(select.fetch_optional(&self.pool).await?)
    }

    /// Ends every connection.
    #[cfg(test)]
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn find_issued(
    executor: impl sqlx::SqliteExecutor<'_>,
    contest: &str,
    person: &str,
    kind: Kind,
) -> Result<Option<Certificate>, StoreError> {
    let row = sqlx::query_as::<_, Row>(select_printed!("contest = ? AND person = ? AND kind = ?"))
        .bind(contest)
        .bind(person)
        .bind(kind_name(kind))
        .fetch_optional(executor)
        .await?;
    Ok(row.map(Certificate::from))
}

/// Whether the write met the UNIQUE of `code`: the only one that the statement does not absorb itself.
fn is_code_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}
