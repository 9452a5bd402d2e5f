//! The contests and runs that are kept, in SQLite. The only place with SQL.

use std::{path::Path, str::FromStr};

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};
use warren_host::{sqlite::OpenError, store::StoreError};
use warren_proto::{contests::Contest, grading::Verdict};

use crate::contest::{StoredJudgement, StoredRun};

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
    pub(crate) async fn put_contest(&self, contest: &Contest) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO contests (contest, body) VALUES (?, ?)
            ON CONFLICT (contest) DO UPDATE SET body = excluded.body";
        let insert = sqlx::query(SQL).bind(&contest.contest).bind(json(contest)).execute(&self.pool);
        insert.await?;
        Ok(())
    }

    /// The contest of that id.
    pub(crate) async fn contest(&self, contest: &str) -> Result<Option<Contest>, StoreError> {
        let select = sqlx::query("SELECT body FROM contests WHERE contest = ?").bind(contest);
        let row = select.fetch_optional(&self.pool).await?;
        row.map(|row| {
            let body: String = row.try_get("body")?;
            serde_json::from_str(&body).map_err(|error| damaged(contest, error))
        })
        .transpose()
    }

    /// Takes in what grading reported of a submission. Events may come twice and in any order: a verdict replaces what
    /// is there, and a submission without one never does. Grading judges a submission once, so two verdicts are one
    /// event that came twice; their messages have no order by which an older one could be known.
    pub(crate) async fn put_run(&self, run: &StoredRun) -> Result<(), StoreError> {
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
        insert.await?;
        Ok(())
    }

    /// The runs of a contest, in any order, at most `runs_max` of them.
    pub(crate) async fn runs(&self, contest: &str, runs_max: usize) -> Result<Vec<StoredRun>, StoreError> {
        let runs_max = i64::try_from(runs_max).unwrap_or(i64::MAX);
        let select = sqlx::query("SELECT * FROM runs WHERE contest = ? LIMIT ?").bind(contest).bind(runs_max);
        select.fetch_all(&self.pool).await?.iter().map(stored_run).collect()
    }
}

fn stored_run(row: &SqliteRow) -> Result<StoredRun, StoreError> {
    let submission: String = row.try_get("submission")?;
    let verdict: Option<String> = row.try_get("verdict")?;
    let judgement = verdict.map(|verdict| stored_judgement(row, verdict, &submission)).transpose()?;
    Ok(StoredRun {
        contest: row.try_get("contest")?,
        contestant: row.try_get("contestant")?,
        problem: row.try_get("problem")?,
        submitted_at_ms: row.try_get("submitted_at_ms")?,
        judgement,
        submission,
    })
}

fn stored_judgement(row: &SqliteRow, verdict: String, submission: &str) -> Result<StoredJudgement, StoreError> {
    let verdict: Verdict = serde_json::from_value(verdict.into()).map_err(|error| damaged(submission, error))?;
    let score = FromStr::from_str(&row.try_get::<String, _>("score")?).map_err(|error| damaged(submission, error))?;
    let groups =
        serde_json::from_str(&row.try_get::<String, _>("groups")?).map_err(|error| damaged(submission, error))?;
    let runtime_ms = u64::try_from(row.try_get::<i64, _>("runtime_ms")?).map_err(|error| damaged(submission, error))?;
    Ok(StoredJudgement { verdict, score, groups, runtime_ms })
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys, texts and numbers are JSON")
}

/// What of a row cannot have been written by this program; `of` is its key.
fn damaged(of: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::damaged(format!("{of}: {error}"))
}

#[cfg(test)]
mod tests;
