//! Wakes those who wait for verdicts of other instances on the same store. Verdicts of this process wake them at once.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{state::State, store::Result, trouble::Trouble};

/// How often the store is looked at.
const POLL: Duration = Duration::from_millis(500);

/// Verdicts that are looked at in one go.
const BATCH: usize = 1_000;

/// Watches the store until the instance stops.
pub(crate) async fn watch(state: Arc<State>, shutdown: CancellationToken) {
    let mut trouble = Trouble::default();
    loop {
        match wake(&state).await {
            Ok(()) if trouble.ended() => tracing::info!("the store can be read for verdicts again"),
            Err(error) if trouble.failed(Instant::now()) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the store cannot be read for verdicts");
            }
            _ => {}
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(POLL.max(trouble.pause(Instant::now()))) => {}
        }
    }
}

/// Wakes who waits for a verdict that came since the last time. Several may do so at once: each wakes before it says
/// so.
pub(crate) async fn wake(state: &State) -> Result<()> {
    loop {
        let judged = state.store.judged_after(state.woken_up_to.load(Ordering::Acquire), BATCH).await?;
        let Some((_, latest)) = judged.last() else { return Ok(()) };
        for (submission, _) in &judged {
            state.waiters.wake(submission);
        }
        state.woken_up_to.fetch_max(*latest, Ordering::AcqRel);
    }
}
