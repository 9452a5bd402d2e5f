//! The flags of `warren broker`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

/// Run the embedded broker alone, until Ctrl-C or SIGTERM. It keeps everything in memory: for development and tests.
///
/// Its address goes to standard output, and is left for the other commands.
#[derive(Args, Debug)]
pub(crate) struct Broker {
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, value_parser = address, value_name = "ADDRESS")]
    #[arg(default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 5672)))]
    pub(crate) listen: SocketAddr,
    /// Answer HTTP here: a page for people, RabbitMQ's management API for listing, Prometheus' metrics.
    #[arg(long, value_parser = address, value_name = "ADDRESS")]
    pub(crate) http: Option<SocketAddr>,
    /// Listen for TLS here too.
    #[arg(long, value_parser = address, value_name = "ADDRESS", requires = "tls_certificate", requires = "tls_key")]
    pub(crate) tls_listen: Option<SocketAddr>,
    /// The broker's certificate and what leads from it to a root, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Who signs clients' certificates, PEM: a client may then log in by the mechanism EXTERNAL.
    #[arg(long, value_name = "FILE", requires = "tls_listen")]
    pub(crate) tls_client_roots: Option<PathBuf>,
    /// Who may connect, and do everything; may be given several times. [default: guest:guest]
    #[arg(long = "user", value_parser = new_user, value_name = "NAME:PASSWORD")]
    pub(crate) users: Vec<NewUser>,
    /// A virtual host beside `/`; may be given several times.
    #[arg(long = "vhost", value_parser = vhost, value_name = "NAME")]
    pub(crate) vhosts: Vec<String>,
    /// Refuse transient queues that are not exclusive, as a RabbitMQ 4 that permits no deprecated feature.
    #[arg(long)]
    pub(crate) strict: bool,
    /// The largest message body, in bytes. [default: 134217728]
    #[arg(long, value_name = "BYTES")]
    pub(crate) body_bytes_max: Option<u64>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) password: String,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| "an address is like 127.0.0.1:5672 or [::1]:5672".to_owned())
}

fn new_user(text: &str) -> Result<NewUser, String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() => {
            Ok(NewUser { name: name.to_owned(), password: password.to_owned() })
        }
        // Without the text: it may hold a password.
        _ => Err("a name, a colon, and a password".to_owned()),
    }
}

/// A vhost's name is a short string on the wire.
fn vhost(text: &str) -> Result<String, String> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        length => Err(format!("a name has 1 to 255 bytes, not {length}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_users_are_read_or_refused() {
        assert_eq!(address("localhost:1").unwrap(), "127.0.0.1:1".parse().unwrap());
        assert_eq!(address("[::1]:2").unwrap(), "[::1]:2".parse().unwrap());
        assert!(address("5672").is_err() && address("127.0.0.1").is_err() && address("localhost:x").is_err());
        let user = |name: &str, password: &str| NewUser { name: name.to_owned(), password: password.to_owned() };
        assert_eq!(new_user("ana:a:b").unwrap(), user("ana", "a:b"));
        assert_eq!(new_user("ana:").unwrap(), user("ana", ""));
        assert!(new_user("ana").is_err() && new_user(":x").is_err());
        assert!(vhost("").is_err());
    }
}
