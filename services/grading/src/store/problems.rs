//! Problems and the versions of their packages.

use warren_proto::problems::Problem;

use super::{Result, Store, from_json, to_i64, to_json, to_u64};

/// A checked package, to be stored.
#[derive(Debug)]
pub(crate) struct NewPackage {
    pub(crate) info: Problem,
    pub(crate) bytes: Vec<u8>,
}

/// A piece of a package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) package_bytes: u64,
}

impl Store {
    /// Stores a problem, or replaces the one of that name. Versions that neither a problem nor a submission names go.
    pub(crate) async fn put_problem(&self, package: &NewPackage) -> Result<()> {
        let info = &package.info;
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO packages (sha256, bytes, overall_wall_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
            .bind(&info.package_sha256)
            .bind(&package.bytes)
            .bind(to_i64(info.limits.overall_wall_ms))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO problems (name, package_sha256, info) VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET package_sha256 = excluded.package_sha256, info = excluded.info",
        )
        .bind(&info.problem)
        .bind(&info.package_sha256)
        .bind(to_json(info)?)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "DELETE FROM packages WHERE sha256 NOT IN (SELECT package_sha256 FROM problems) \
             AND NOT EXISTS (SELECT 1 FROM submissions WHERE package_sha256 = packages.sha256)",
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// What is known of a problem.
    pub(crate) async fn problem(&self, name: &str) -> Result<Option<Problem>> {
        let info: Option<String> = sqlx::query_scalar("SELECT info FROM problems WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        info.as_deref().map(from_json).transpose()
    }

    /// Names in alphabetical order.
    pub(crate) async fn problem_names(&self) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar("SELECT name FROM problems ORDER BY name").fetch_all(&self.pool).await?)
    }

    /// At most `len` bytes of a package from `offset` on.
    pub(crate) async fn package_chunk(&self, sha256: &str, offset: u64, len: usize) -> Result<Option<Chunk>> {
        // SQLite counts from 1.
        let row: Option<(Vec<u8>, i64)> =
            sqlx::query_as("SELECT substr(bytes, ?2, ?3), length(bytes) FROM packages WHERE sha256 = ?1")
                .bind(sha256)
                .bind(to_i64(offset).saturating_add(1))
                .bind(to_i64(len as u64))
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(bytes, package_bytes)| Chunk { bytes, package_bytes: to_u64(package_bytes) }))
    }
}
