//! Making again what an instance has lost: a consumer, whatever the reason.

use std::fmt;

use tokio::time::{Instant, sleep};

use super::instance::Stop;
use crate::{client::ReconnectOptions, error::ServeError};

/// Counts the attempts at one thing, and rests between them.
pub(super) struct Reopen {
    options: ReconnectOptions,
    stop: Stop,
    attempt: u32,
    opened_at: Instant,
}

impl Reopen {
    /// It is open now.
    pub(super) fn new(options: ReconnectOptions, stop: Stop) -> Self {
        Self { options, stop, attempt: 0, opened_at: Instant::now() }
    }

    /// Opens it again; none if the instance stops meanwhile.
    ///
    /// # Errors
    ///
    /// The last attempt's, if no more are allowed; `ConnectionLost` if there will be no connection any more.
    pub(super) async fn open<T, F>(
        &mut self,
        what: &impl fmt::Display,
        open: impl Fn() -> F,
    ) -> Result<Option<T>, ServeError>
    where
        F: Future<Output = Result<T, ServeError>>,
    {
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
                () = self.stop.shutdown.cancelled() => return Ok(None),
                opened = opening => match opened {
                    Ok(opened) => {
                        self.opened_at = Instant::now();
                        return Ok(Some(opened));
                    }
                    Err(error) => error,
                },
            };
            if matches!(error, ServeError::ConnectionLost) || self.attempt >= self.options.attempts_max {
                return Err(error);
            }
            tracing::warn!(%what, attempt = self.attempt, %error, "a consumer cannot be made again yet");
        }
    }
}
