//! What a client does, and has done: numbers for a gauge or a log line. The library has no exporter of its own.

use super::Client;

/// What a client and its clones do now, and have done since it connected: a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Calls that have not ended: [`Client::in_flight`].
    pub in_flight: usize,
    /// Whether there is a connection; if anything is consumed of exchanges, both.
    pub is_connected: bool,
    /// Why the broker blocks publishers, if it does: [`Client::blocked`].
    pub blocked: Option<String>,
    /// How often a connection that was lost was made again.
    pub reconnects: u64,
    /// Attempts at calls and notifies that were made because nothing had been done:
    /// [`RetryPolicy`](crate::RetryPolicy). Those after a lost connection are not counted.
    pub retries: u64,
    /// Replies of this client's instances that came back: [`Client::lost_replies`].
    pub lost_replies: u64,
}

impl Client {
    /// What the client does, and has done.
    ///
    /// ```
    /// # fn tell(client: &warren_rpc::Client) {
    /// let stats = client.stats();
    /// println!("{} in flight, blocked: {}", stats.in_flight, stats.blocked.is_some());
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        ClientStats {
            in_flight: self.in_flight(),
            is_connected: self.is_connected(),
            blocked: self.blocked(),
            reconnects: self.inner.links.reconnects(),
            retries: self.inner.retries.made(),
            lost_replies: self.lost_replies(),
        }
    }
}
