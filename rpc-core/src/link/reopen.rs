//! Making again what was lost of a link: a consumer, whatever the reason.

use std::fmt::Display;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::client::ReconnectOptions;

/// Counts the attempts at one thing, and rests between them.
pub(crate) struct Reopen {
    options: ReconnectOptions,
    /// Fires when it is not wanted any more.
    stop: CancellationToken,
    attempt: u32,
    opened_at: Instant,
}

impl Reopen {
    /// It is open now.
    pub(crate) fn new(options: ReconnectOptions, stop: CancellationToken) -> Self {
        Self { options, stop, attempt: 0, opened_at: Instant::now() }
    }

    /// Opens it again; none if it is not wanted any more. After an error that `is_final` it is not tried again.
    ///
    /// # Errors
    ///
    /// The last attempt's, if no more are allowed, or it is final.
    pub(crate) async fn open<T, E: Display, F: Future<Output = Result<T, E>>>(
        &mut self,
        what: &impl Display,
        open: impl Fn() -> F,
        is_final: impl Fn(&E) -> bool,
    ) -> Result<Option<T>, E> {
        // What the broker ends again and again is not to be made again and again without a pause.
        if self.opened_at.elapsed() > self.options.pause_max {
            self.attempt = 0;
        }
        loop {
            let pause = self.options.pause_before(self.attempt, fastrand::f64());
            self.attempt += 1;
            let opening = async {
                sleep(pause).await;
                open().await
            };
            let error = tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                opened = opening => match opened {
                    Ok(opened) => {
                        self.opened_at = Instant::now();
                        return Ok(Some(opened));
                    }
                    Err(error) => error,
                },
            };
            if is_final(&error) || self.attempt >= self.options.attempts_max {
                return Err(error);
            }
            tracing::warn!(%what, attempt = self.attempt, %error, "a consumer cannot be made again yet");
        }
    }
}
