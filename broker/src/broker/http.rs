//! What the HTTP server reads of a broker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Broker, Shared, escaped, reachable};
use crate::connection::control::Control;
use crate::vhost::Vhost;

impl Broker {
    /// Where the broker answers HTTP, if [`crate::Options::http`] asked for it.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(|http| http.address)
    }

    /// The address of the HTTP page, for the first user: `http://guest:guest@127.0.0.1:24818`. RabbitMQ's management
    /// API is under `/api`, Prometheus' metrics are under `/metrics`.
    #[must_use]
    pub fn http_url(&self) -> Option<String> {
        let (name, password) = self.shared.first_user();
        let address = reachable(self.http_address()?);
        Some(format!("http://{}:{}@{address}", escaped(name), escaped(password)))
    }
}

impl Shared {
    /// The vhosts, by name.
    pub(crate) fn vhosts(&self) -> Vec<(&str, &Vhost)> {
        let mut vhosts: Vec<(&str, &Vhost)> =
            self.vhosts.iter().map(|(name, vhost)| (name.as_str(), &**vhost)).collect();
        vhosts.sort_by_key(|(name, _)| *name);
        vhosts
    }

    pub(crate) fn controls(&self) -> Vec<Arc<Control>> {
        self.connections().values().map(|(control, _)| Arc::clone(control)).collect()
    }

    /// Connections that ever came, and those that are gone.
    pub(crate) fn connection_churn(&self) -> (u64, u64) {
        let opened = self.next_connection.load(Ordering::Relaxed) - 1;
        (opened, opened.saturating_sub(self.connections().len() as u64))
    }
}
