//! How long a claim lasts: until it is renewed no more, or given back.

use super::{Result, Store, to_json};

impl Store {
    /// Keeps the claims of these attempts, as far as they are still the dispatcher's. Its other claims run out: nobody
    /// works on them any more.
    pub(crate) async fn renew_claims(&self, dispatcher: &str, attempts: &[String], lease_until_ms: i64) -> Result<()> {
        sqlx::query(
            "UPDATE submissions SET lease_until_ms = ?3 \
             WHERE leased_by = ?1 AND attempt IN (SELECT value FROM json_each(?2))",
        )
        .bind(dispatcher)
        .bind(to_json(&attempts)?)
        .bind(lease_until_ms)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Puts back in line what was claimed and not renewed: how many.
    pub(crate) async fn take_back_expired(&self, now_ms: i64) -> Result<u64> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE attempts SET outcome = 'lease_expired' WHERE id IN \
             (SELECT attempt FROM submissions WHERE state = 'judging' AND lease_until_ms <= ?1)",
        )
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
        let taken = sqlx::query(
            "UPDATE submissions SET state = 'queued', attempt = NULL, leased_by = NULL, lease_until_ms = NULL \
             WHERE state = 'judging' AND lease_until_ms <= ?1",
        )
        .bind(now_ms)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(taken.rows_affected())
    }

    /// Puts back in line what a dispatcher holds that stops.
    pub(crate) async fn release_claims(&self, dispatcher: &str) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE attempts SET outcome = 'released' WHERE id IN \
             (SELECT attempt FROM submissions WHERE state = 'judging' AND leased_by = ?1)",
        )
        .bind(dispatcher)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "UPDATE submissions SET state = 'queued', attempt = NULL, leased_by = NULL, lease_until_ms = NULL \
             WHERE state = 'judging' AND leased_by = ?1",
        )
        .bind(dispatcher)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}
