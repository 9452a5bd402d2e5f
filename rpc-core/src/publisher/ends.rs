//! How the publishers of a connection end, and how they end it.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::error::BrokerError;

/// The ends of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends {
    pub(crate) failed: Failed,
    /// Fires when the connection is closed.
    pub(crate) closed: CancellationToken,
}

/// Fired when a message could not be published: the channel is closed, and nothing will pass it any more. The broker
/// can close a channel and keep the connection, so whoever stands on this one must look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failed {
    token: CancellationToken,
    source: Arc<OnceLock<BrokerError>>,
}

impl Failed {
    /// With what AMQP said, if anything; the first that is told counts.
    pub(crate) fn fire(&self, source: Option<&BrokerError>) {
        if let Some(source) = source {
            self.source.get_or_init(|| source.clone());
        }
        self.token.cancel();
    }

    /// Waits for it: what AMQP said.
    ///
    /// Cancel safe.
    pub(crate) async fn fired(&self) -> Option<BrokerError> {
        self.token.cancelled().await;
        self.source.get().cloned()
    }
}
