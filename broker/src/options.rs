//! How a broker is started.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::TlsOptions;

/// How a broker is started. The default is a broker for tests: any free port on 127.0.0.1, the vhost `/`, and `guest`
/// with the password `guest`.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. Port 0, the default, takes a free one.
    pub listen: SocketAddr,
    /// Whether to listen for TLS too, and how. Default: no.
    pub tls: Option<TlsOptions>,
    /// The virtual hosts. Default: `/`.
    pub vhosts: Vec<String>,
    /// Who may connect. Default: `guest` with the password `guest`, everywhere.
    pub users: Vec<UserOptions>,
    /// What the broker proposes as heartbeat, in whole seconds, rounded up; what the client answers holds, and zero is
    /// none. A client that is silent for twice as long is cut off. Default: 60 s, as RabbitMQ.
    pub heartbeat: Duration,
    /// The largest frame that is agreed to, in bytes; a larger one closes the connection (501). Default: 131,072, as
    /// RabbitMQ. At least 4,096.
    pub frame_max: u32,
    /// The most channels of a connection; one more closes it (530). Default: 2,047, as RabbitMQ. At least 1.
    pub channel_max: u16,
    /// The largest message body, in bytes; a larger one closes the channel (406). Default: 128 MiB, as RabbitMQ 3.
    pub body_bytes_max: u64,
    /// When so many bytes wait to be read by a client, its consumers are given nothing more. Default: 1 MiB. At least
    /// 1.
    pub outbox_bytes_max: usize,
    /// Where to answer HTTP: a page for people, RabbitMQ's management API for listing, Prometheus' metrics. Port 0
    /// takes a free one. Anyone who reaches it reads the metrics without a password. Default: nowhere.
    #[cfg(feature = "http")]
    pub http: Option<SocketAddr>,
    /// Refuses transient queues that are not exclusive (541), as a RabbitMQ 4 does whose
    /// `deprecated_features.permit.transient_nonexcl_queues` is false. Default: false.
    pub strict: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            vhosts: vec!["/".to_owned()],
            users: vec![UserOptions::new("guest", "guest")],
            heartbeat: Duration::from_secs(60),
            frame_max: 131_072,
            channel_max: 2047,
            body_bytes_max: 128 << 20,
            outbox_bytes_max: 1 << 20,
            #[cfg(feature = "http")]
            http: None,
            strict: false,
        }
    }
}

/// A user. Its `Debug` leaves the password out.
#[derive(Clone)]
pub struct UserOptions {
    /// The name.
    pub name: String,
    /// The password, as it is: this broker is for development and tests.
    pub password: String,
    /// What the user may do, by vhost; it may enter no other. None: everything, everywhere.
    pub permissions: Option<Vec<(String, Permissions)>>,
}

impl fmt::Debug for UserOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UserOptions { name, permissions, password: _ } = self;
        formatter
            .debug_struct("UserOptions")
            .field("name", name)
            .field("permissions", permissions)
            .finish_non_exhaustive()
    }
}

impl UserOptions {
    /// A user who may do everything, everywhere.
    #[must_use]
    pub fn new(name: impl Into<String>, password: impl Into<String>) -> UserOptions {
        UserOptions { name: name.into(), password: password.into(), permissions: None }
    }

    /// The same user, confined to the vhosts that are named so.
    #[must_use]
    pub fn permitted(mut self, vhost: impl Into<String>, permissions: Permissions) -> UserOptions {
        self.permissions.get_or_insert_default().push((vhost.into(), permissions));
        self
    }
}

/// What a user may do in a vhost: regular expressions that are looked for in a resource's name, so anchor them
/// (`^mine-`). An empty one matches nothing. The default exchange is called `amq.default` here. Their syntax is that of
/// the crate `regex`, which has no look-around and no references back; RabbitMQ's has both.
#[derive(Debug, Clone)]
pub struct Permissions {
    /// To declare and delete.
    pub configure: String,
    /// To publish to, and to bind as a destination.
    pub write: String,
    /// To consume and get from, purge, and bind from.
    pub read: String,
}

impl Permissions {
    /// Everything.
    #[must_use]
    pub fn all() -> Permissions {
        let all = || ".*".to_owned();
        Permissions { configure: all(), write: all(), read: all() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let users = vec![UserOptions::new("someone", "hunter2")];
        let shown = format!("{:?}", Options { users, ..Options::default() });
        assert!(shown.contains("someone") && !shown.contains("hunter2"), "{shown}");
        assert!(!format!("{:?}", Options::default()).contains("password"));
    }
}
