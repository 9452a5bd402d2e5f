//! What Warren's services share: what an id is, digests, instants, SQLite stores with their errors, and what they
//! remember of calls.

pub mod clock;
pub mod digest;
pub mod ids;
pub mod near;
pub mod replies;
pub mod sqlite;
pub mod store;
