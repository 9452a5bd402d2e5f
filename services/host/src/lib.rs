//! What Warren's services share, and nothing of the contest's own: SQLite stores, telemetry, signals, instants.

pub mod clock;
pub mod sqlite;
