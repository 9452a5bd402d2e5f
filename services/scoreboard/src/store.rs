//! The contests and runs that are kept, in SQLite. The only place with SQL.

use std::{path::Path, str::FromStr};

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use warren_host::sqlite::{OpenError, unavailable};
use warren_proto::{contests::Contest, grading::Verdict};
use warren_rpc::Status;

use crate::contest::{StoredJudgement, StoredRun};

/// Most runs that a stored contest's board is computed from.
const RUNS_MAX: u32 = 1_000_000;

/// The store.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the store at `path`, and makes it if it is missing.
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let pool = warren_host::sqlite::open(path, &sqlx::migrate!("./migrations")).await?;
        Ok(Self { pool })
    }

    /// Stores a contest, or replaces the one of that id.
    pub(crate) async fn put_contest(&self, contest: &Contest) -> Result<(), Status> {
        const SQL: &str = "INSERT INTO contests (contest, body) VALUES (?, ?)
            ON CONFLICT (contest) DO UPDATE SET body = excluded.body";
        let insert = sqlx::query(SQL).bind(&contest.contest).bind(json(contest)).execute(&self.pool);
        insert.await.map(drop).map_err(|error| unavailable(&error))
    }

    /// The contest of that id.
    pub(crate) async fn contest(&self, contest: &str) -> Result<Option<Contest>, Status> {
        let select = sqlx::query("SELECT body FROM contests WHERE contest = ?").bind(contest);
        let row = select.fetch_optional(&self.pool).await.map_err(|error| unavailable(&error))?;
        row.map(|row| {
            let body: String = column(&row, "body")?;
            serde_json::from_str(&body).map_err(|error| damaged(contest, &error))
        })
        .transpose()
    }

    /// Takes in what grading told of a submission. Events may come twice and in any order: a verdict replaces what is
    /// there, and a submission without one never does.
    pub(crate) async fn put_run(&self, run: &StoredRun) -> Result<(), Status> {
        const SQL: &str = "INSERT INTO runs
            (submission, contest, contestant, problem, submitted_at_ms, verdict, score, groups, runtime_ms)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (submission) DO UPDATE SET
                contest = excluded.contest, contestant = excluded.contestant, problem = excluded.problem,
                submitted_at_ms = excluded.submitted_at_ms, verdict = excluded.verdict, score = excluded.score,
                groups = excluded.groups, runtime_ms = excluded.runtime_ms
            WHERE excluded.verdict IS NOT NULL";
        let judgement = run.judgement.as_ref();
        let groups = judgement.map_or_else(|| "{}".to_owned(), |judgement| json(&judgement.groups));
        let runtime_ms = judgement.map_or(0, |judgement| judgement.runtime_ms);
        let insert = sqlx::query(SQL)
            .bind(&run.submission)
            .bind(&run.contest)
            .bind(&run.contestant)
            .bind(&run.problem)
            .bind(run.submitted_at_ms)
            .bind(judgement.map(|judgement| judgement.verdict.name()))
            .bind(judgement.map(|judgement| judgement.score.to_string()))
            .bind(groups)
            .bind(i64::try_from(runtime_ms).expect("a run's length was checked when its event came"))
            .execute(&self.pool);
        insert.await.map(drop).map_err(|error| unavailable(&error))
    }

    /// The runs of a contest, in any order.
    ///
    /// # Errors
    ///
    /// `failed_precondition` if there are more than a board is computed from.
    pub(crate) async fn runs(&self, contest: &str) -> Result<Vec<StoredRun>, Status> {
        let select = sqlx::query("SELECT * FROM runs WHERE contest = ? LIMIT ?").bind(contest).bind(RUNS_MAX + 1);
        let rows = select.fetch_all(&self.pool).await.map_err(|error| unavailable(&error))?;
        if rows.len() > RUNS_MAX as usize {
            let message = format!("contest {contest:?} has more than {RUNS_MAX} runs: too many for a board");
            return Err(Status::failed_precondition(message));
        }
        rows.iter().map(stored_run).collect()
    }
}

fn stored_run(row: &SqliteRow) -> Result<StoredRun, Status> {
    let submission: String = column(row, "submission")?;
    let verdict: Option<String> = column(row, "verdict")?;
    let judgement = verdict.map(|verdict| stored_judgement(row, verdict, &submission)).transpose()?;
    Ok(StoredRun {
        contest: column(row, "contest")?,
        contestant: column(row, "contestant")?,
        problem: column(row, "problem")?,
        submitted_at_ms: column(row, "submitted_at_ms")?,
        judgement,
        submission,
    })
}

fn stored_judgement(row: &SqliteRow, verdict: String, submission: &str) -> Result<StoredJudgement, Status> {
    let verdict: Verdict = serde_json::from_value(verdict.into()).map_err(|error| damaged(submission, &error))?;
    let score = FromStr::from_str(&column::<String>(row, "score")?).map_err(|error| damaged(submission, &error))?;
    let groups =
        serde_json::from_str(&column::<String>(row, "groups")?).map_err(|error| damaged(submission, &error))?;
    let runtime_ms = u64::try_from(column::<i64>(row, "runtime_ms")?).map_err(|error| damaged(submission, &error))?;
    Ok(StoredJudgement { verdict, score, groups, runtime_ms })
}

fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, Status>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(name).map_err(|error| damaged(name, &error))
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys, texts and numbers are JSON")
}

/// What a caller is told of a row that this program cannot have written.
fn damaged(what: &str, error: &(dyn std::error::Error + 'static)) -> Status {
    tracing::error!(what, error, "the store holds what cannot be read");
    Status::internal("the store is damaged")
}

#[cfg(test)]
mod tests;
