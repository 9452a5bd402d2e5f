//! Submissions, as those who hand them in and ask for them see them.

use sqlx::{FromRow, Sqlite, Transaction};
use warren_host::store::StoreError;
use warren_proto::grading::{Language, Submission, SubmitRequest, Submitted};
use warren_rpc::Event;

use super::{Result, Store, from_json, outbox, to_i64, to_json};
use crate::turn::{self, Class, OpenSubmissions};

/// A checked request, to be stored.
#[derive(Debug)]
pub(crate) struct NewSubmission<'a> {
    pub(crate) id: &'a str,
    pub(crate) call_id: &'a str,
    pub(crate) request_sha256: &'a str,
    pub(crate) request: &'a SubmitRequest,
    pub(crate) received_at_ms: i64,
}

/// What became of a [`NewSubmission`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in line.
    New,
    /// The same call has been here: its submission.
    Repeated(String),
    /// The same call id has been here with another request.
    OtherRequest,
    /// There is no such problem; these are there.
    NoSuchProblem(Vec<String>),
}

/// A submission's columns as a [`Submission`] has them.
#[derive(FromRow)]
pub(super) struct Row {
    id: String,
    problem: String,
    language: String,
    contest: Option<String>,
    contestant: Option<String>,
    submitted_at_ms: i64,
    judgement: Option<String>,
}

impl Row {
    pub(super) fn read(self) -> Result<Submission> {
        Ok(Submission {
            submission: self.id,
            problem: self.problem,
            language: language(&self.language)?,
            contest: self.contest,
            contestant: self.contestant,
            submitted_at_ms: self.submitted_at_ms,
            judgement: self.judgement.as_deref().map(from_json).transpose()?,
        })
    }
}

pub(super) fn language(name: &str) -> Result<Language> {
    name.parse().map_err(StoreError::damaged)
}

impl Store {
    /// Puts a submission in line, and the event of a contest's in the outbox, in one transaction.
    pub(crate) async fn submit(&self, new: &NewSubmission<'_>) -> Result<Stored> {
        let mut tx = self.write().await?;
        if let Some(stored) = repeated(&mut tx, new).await? {
            return Ok(stored);
        }
        let package: Option<String> = sqlx::query_scalar("SELECT package_sha256 FROM problems WHERE name = ?1")
            .bind(&new.request.problem)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(package_sha256) = package else {
            drop(tx);
            return Ok(Stored::NoSuchProblem(self.problem_names().await?));
        };
        insert(&mut tx, new, &package_sha256).await?;
        if new.request.contest.is_some() {
            outbox::add(&mut tx, Submitted::KEY, &to_json(&unjudged(new))?).await?;
        }
        tx.commit().await?;
        Ok(Stored::New)
    }

    /// What is known of a submission.
    pub(crate) async fn submission(&self, id: &str) -> Result<Option<Submission>> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, problem, language, contest, contestant, submitted_at_ms, judgement \
             FROM submissions WHERE id = ?1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Submissions judged after a place in the order of verdicts (from 1), by any instance, each with its place.
    pub(crate) async fn judged_after(&self, seq: i64, limit: usize) -> Result<Vec<(String, i64)>> {
        const SQL: &str = "SELECT id, judged_seq FROM submissions WHERE judged_seq > ?1 ORDER BY judged_seq LIMIT ?2";
        Ok(sqlx::query_as(SQL).bind(seq).bind(to_i64(limit as u64)).fetch_all(&self.pool).await?)
    }
}

/// What the call's first delivery came to, if this is not the first.
async fn repeated(tx: &mut Transaction<'_, Sqlite>, new: &NewSubmission<'_>) -> Result<Option<Stored>> {
    let earlier: Option<(String, String)> =
        sqlx::query_as("SELECT id, request_sha256 FROM submissions WHERE call_id = ?1")
            .bind(new.call_id)
            .fetch_optional(&mut **tx)
            .await?;
    Ok(earlier.map(
        |(id, request_sha256)| {
            if request_sha256 == new.request_sha256 { Stored::Repeated(id) } else { Stored::OtherRequest }
        },
    ))
}

async fn insert(tx: &mut Transaction<'_, Sqlite>, new: &NewSubmission<'_>, package_sha256: &str) -> Result<()> {
    let request = new.request;
    let open = open_submissions(tx, request).await?;
    sqlx::query(
        "INSERT INTO submissions (id, call_id, request_sha256, problem, package_sha256, language, source, contest, \
         contestant, submitted_at_ms, state, class, turn_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'queued', ?11, ?12)",
    )
    .bind(new.id)
    .bind(new.call_id)
    .bind(new.request_sha256)
    .bind(&request.problem)
    .bind(package_sha256)
    .bind(request.language.name())
    .bind(&request.source)
    .bind(&request.contest)
    .bind(&request.contestant)
    .bind(request.submitted_at_ms.unwrap_or(new.received_at_ms))
    .bind(Class::of(request.contest.as_deref()) as i64)
    .bind(turn::turn_ms(new.received_at_ms, open))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the same team has in line already; nobody's submissions are no team's.
async fn open_submissions(tx: &mut Transaction<'_, Sqlite>, request: &SubmitRequest) -> Result<OpenSubmissions> {
    if request.contestant.is_none() {
        return Ok(OpenSubmissions::default());
    }
    let (count, last_turn_ms) = sqlx::query_as(
        "SELECT count(*), max(turn_ms) FROM submissions \
         WHERE state <> 'judged' AND contest IS ?1 AND contestant = ?2",
    )
    .bind(&request.contest)
    .bind(&request.contestant)
    .fetch_one(&mut **tx)
    .await?;
    Ok(OpenSubmissions { count, last_turn_ms })
}

fn unjudged(new: &NewSubmission<'_>) -> Submission {
    let request = new.request.clone();
    Submission {
        submission: new.id.to_owned(),
        problem: request.problem,
        language: request.language,
        contest: request.contest,
        contestant: request.contestant,
        submitted_at_ms: request.submitted_at_ms.unwrap_or(new.received_at_ms),
        judgement: None,
    }
}
