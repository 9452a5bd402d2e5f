//! Events that were committed with the change they tell of, until the broker has confirmed them.

use sqlx::{Sqlite, Transaction};

use super::{Result, Store, to_i64};

/// An event to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxEvent {
    pub(crate) id: i64,
    /// The event's key.
    pub(crate) key: String,
    /// Its body as JSON.
    pub(crate) body: String,
}

/// Puts an event in the outbox.
pub(super) async fn add(tx: &mut Transaction<'_, Sqlite>, key: &str, body: &str) -> Result<()> {
    sqlx::query("INSERT INTO outbox (key, body) VALUES (?1, ?2)").bind(key).bind(body).execute(&mut **tx).await?;
    Ok(())
}

impl Store {
    /// Takes or keeps the right to publish; `false` while another holds it. One publishes at a time, so that
    /// events keep their order.
    pub(crate) async fn lease_outbox(&self, publisher: &str, now_ms: i64, lease_until_ms: i64) -> Result<bool> {
        let updated = sqlx::query(
            "UPDATE outbox_lease SET leased_by = ?1, lease_until_ms = ?3 \
             WHERE leased_by = ?1 OR lease_until_ms <= ?2",
        )
        .bind(publisher)
        .bind(now_ms)
        .bind(lease_until_ms)
        .execute(&self.pool)
        .await?;
        Ok(updated.rows_affected() == 1)
    }

    /// Gives the right to publish to whoever asks next.
    pub(crate) async fn release_outbox(&self, publisher: &str) -> Result<()> {
        sqlx::query("UPDATE outbox_lease SET lease_until_ms = 0 WHERE leased_by = ?1")
            .bind(publisher)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Whether there is an event to publish.
    pub(crate) async fn has_events(&self) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM outbox)").fetch_one(&self.pool).await?)
    }

    /// The oldest events.
    pub(crate) async fn outbox(&self, limit: usize) -> Result<Vec<OutboxEvent>> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as("SELECT id, key, body FROM outbox ORDER BY id LIMIT ?1")
            .bind(to_i64(limit as u64))
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|(id, key, body)| OutboxEvent { id, key, body }).collect())
    }

    /// Forgets events up to one, all of which are confirmed.
    pub(crate) async fn published_up_to(&self, id: i64) -> Result<()> {
        sqlx::query("DELETE FROM outbox WHERE id <= ?1").bind(id).execute(&self.pool).await?;
        Ok(())
    }
}
