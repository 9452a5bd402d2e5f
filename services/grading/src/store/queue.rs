//! The line of submissions, and the attempts at judging them.
//!
//! An attempt's id is a fence: what ends an attempt names it, and does nothing if the submission has moved on.

use std::error::Error;

use sqlx::{Connection, Sqlite, Transaction};
use uuid::Uuid;
use warren_host::store::StoreError;
use warren_proto::{
    grading::{Judged, Judgement},
    runner::JudgeRequest,
};
use warren_rpc::Event;

use super::{Result, Store, outbox, submissions, submissions::Row, to_i64, to_json, to_u64};

/// How long a damaged submission is left alone: it must not fill the line, nor the log.
const DAMAGED_PAUSE_MS: i64 = 10 * 60_000;

/// A submission that this dispatcher has to judge.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) submission: String,
    /// What the runner is asked; `attempt` in it is this claim's.
    pub(crate) request: JudgeRequest,
    /// How long all cases together may run.
    pub(crate) overall_wall_ms: u64,
    /// Attempts at it that were lost before.
    pub(crate) lost_before: u32,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    /// With a verdict.
    Judged,
    /// The runner was lost, or could not judge. These are counted.
    Lost,
    /// No answer within the deadline, most of which a request may spend in the broker's queue.
    Overdue,
}

impl AttemptOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Lost => "lost",
            Self::Overdue => "overdue",
        }
    }
}

/// Why a submission goes back in line.
#[derive(Debug)]
pub(crate) enum PutBack<'a> {
    /// No runner had it: it was no attempt at all.
    NotTried,
    /// An attempt was lost; the next one not before an instant.
    Lost { reason: &'a str, not_before_ms: i64 },
    /// Nobody answered in time: behind what is in line by then, for it may be the submission that keeps runners busy.
    Overdue { turn_ms: i64 },
}

impl Store {
    /// Takes up to `limit` submissions whose turn it is, in that order, but for those that are damaged.
    pub(crate) async fn claim(
        &self,
        dispatcher: &str,
        limit: usize,
        now_ms: i64,
        lease_until_ms: i64,
    ) -> Result<Vec<Claim>> {
        let mut tx = self.write().await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id FROM submissions WHERE state = 'queued' AND not_before_ms <= ?1 \
             ORDER BY class, turn_ms, id LIMIT ?2",
        )
        .bind(now_ms)
        .bind(to_i64(limit as u64))
        .fetch_all(&mut *tx)
        .await?;
        let mut claims = Vec::with_capacity(ids.len());
        for id in ids {
            match claim_one(&mut tx, &id, dispatcher, now_ms, lease_until_ms).await {
                Ok(claim) => claims.push(claim),
                Err(StoreError::Damaged(cause)) => set_aside(&mut tx, &id, now_ms, &*cause).await?,
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
        Ok(claims)
    }

    /// Stores the verdict and its event; `false` if the attempt is not the submission's present one: a late result.
    pub(crate) async fn finish(
        &self,
        attempt: &str,
        outcome: AttemptOutcome,
        reason: Option<&str>,
        judgement: &Judgement,
    ) -> Result<bool> {
        let mut tx = self.write().await?;
        let row: Option<Row> = sqlx::query_as(
            "UPDATE submissions SET state = 'judged', attempt = NULL, leased_by = NULL, lease_until_ms = NULL, \
             judgement = ?2, judged_seq = (SELECT coalesce(max(judged_seq), 0) + 1 FROM submissions) \
             WHERE attempt = ?1 \
             RETURNING id, problem, language, contest, contestant, submitted_at_ms, judgement",
        )
        .bind(attempt)
        .bind(to_json(judgement)?)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        end_attempt(&mut tx, attempt, outcome, reason).await?;
        outbox::add(&mut tx, Judged::KEY, &to_json(&row.read()?)?).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Puts a claimed submission back in line; `false` if the attempt is not the submission's present one.
    pub(crate) async fn put_back(&self, attempt: &str, why: &PutBack<'_>) -> Result<bool> {
        let (not_before_ms, turn_ms) = match *why {
            PutBack::NotTried => (None, None),
            PutBack::Lost { not_before_ms, .. } => (Some(not_before_ms), None),
            PutBack::Overdue { turn_ms } => (None, Some(turn_ms)),
        };
        let mut tx = self.write().await?;
        let updated = sqlx::query(
            "UPDATE submissions SET state = 'queued', attempt = NULL, leased_by = NULL, lease_until_ms = NULL, \
             not_before_ms = coalesce(?2, not_before_ms), turn_ms = max(turn_ms, coalesce(?3, turn_ms)) \
             WHERE attempt = ?1",
        )
        .bind(attempt)
        .bind(not_before_ms)
        .bind(turn_ms)
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() == 0 {
            return Ok(false);
        }
        match *why {
            PutBack::NotTried => {
                sqlx::query("DELETE FROM attempts WHERE id = ?1").bind(attempt).execute(&mut *tx).await?;
            }
            PutBack::Lost { reason, .. } => {
                end_attempt(&mut tx, attempt, AttemptOutcome::Lost, Some(reason)).await?;
            }
            PutBack::Overdue { .. } => end_attempt(&mut tx, attempt, AttemptOutcome::Overdue, None).await?,
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Claims one, or fails and leaves it as it was.
async fn claim_one(
    tx: &mut Transaction<'_, Sqlite>,
    submission: &str,
    dispatcher: &str,
    now_ms: i64,
    lease_until_ms: i64,
) -> Result<Claim> {
    let mut tx = tx.begin().await?;
    let attempt = Uuid::now_v7().to_string();
    sqlx::query(
        "INSERT INTO attempts (id, submission, number, started_at_ms) \
         SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3 FROM attempts WHERE submission = ?2",
    )
    .bind(&attempt)
    .bind(submission)
    .bind(now_ms)
    .execute(&mut *tx)
    .await?;
    let (problem, package_sha256, language, source): (String, String, String, String) = sqlx::query_as(
        "UPDATE submissions SET state = 'judging', attempt = ?2, leased_by = ?3, lease_until_ms = ?4 WHERE id = ?1 \
         RETURNING problem, package_sha256, language, source",
    )
    .bind(submission)
    .bind(&attempt)
    .bind(dispatcher)
    .bind(lease_until_ms)
    .fetch_one(&mut *tx)
    .await?;
    let (overall_wall_ms, lost): (i64, i64) = sqlx::query_as(
        "SELECT overall_wall_ms, (SELECT count(*) FROM attempts WHERE submission = ?2 AND outcome = 'lost') \
         FROM packages WHERE sha256 = ?1",
    )
    .bind(&package_sha256)
    .bind(submission)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::damaged("its package is missing"))?;
    let language = submissions::language(&language)?;
    tx.commit().await?;
    Ok(Claim {
        submission: submission.to_owned(),
        request: JudgeRequest { attempt, problem, package_sha256, language, source },
        overall_wall_ms: to_u64(overall_wall_ms),
        lost_before: u32::try_from(lost).unwrap_or(u32::MAX),
    })
}

/// Leaves a damaged submission in line, out of the others' way: it is tried again later, in case it was repaired.
async fn set_aside(
    tx: &mut Transaction<'_, Sqlite>,
    submission: &str,
    now_ms: i64,
    cause: &(dyn Error + Send + Sync + 'static),
) -> Result<()> {
    tracing::error!(submission, error = cause as &dyn Error, "a submission is damaged in the store: it is not judged");
    sqlx::query("UPDATE submissions SET not_before_ms = ?2 WHERE id = ?1")
        .bind(submission)
        .bind(now_ms.saturating_add(DAMAGED_PAUSE_MS))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn end_attempt(
    tx: &mut Transaction<'_, Sqlite>,
    attempt: &str,
    outcome: AttemptOutcome,
    reason: Option<&str>,
) -> Result<()> {
    sqlx::query("UPDATE attempts SET outcome = ?2, reason = ?3 WHERE id = ?1")
        .bind(attempt)
        .bind(outcome.name())
        .bind(reason)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
