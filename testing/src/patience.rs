//! Waiting in a test: for what must happen, and not for ever.

use std::time::Duration;

/// Longer than anything takes in a test on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long it rests between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits for what must happen, which `what` names.
///
/// # Panics
///
/// If it did not happen within [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen in {PATIENCE:?}"))
}

/// Looks again until something is so: for what a broker, a runtime or a system can be asked, but does not tell.
///
/// # Panics
///
/// As [`soon`].
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await;
}
