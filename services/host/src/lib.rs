//! What Warren's services share: what an id is, digests, instants, and SQLite stores with their errors.

pub mod clock;
pub mod digest;
pub mod ids;
pub mod near;
pub mod sqlite;
pub mod store;
