//! Opening and closing a connection: where brokers are, how they are greeted, and the socket below, so that what does
//! not end by itself can be ended.

use std::{
    fmt, io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_rs::traits::Reactor;
use futures::Stream;
use lapin::{
    ConnectionProperties, ErrorKind,
    options::ConfirmSelectOptions,
    tcp::{AsyncTcpStream, OwnedIdentity, OwnedTLSConfig},
    types::ShortString,
    uri::{AMQPScheme, AMQPUri, SASLMechanism},
};

use super::{
    CLOSE_TIMEOUT, Channel,
    io::{Io, IoRuntime},
};
use crate::{
    client::TlsOptions,
    error::{BrokerError, ConnectError},
};

/// Where a broker is.
#[derive(Clone)]
pub(crate) struct Address {
    uri: AMQPUri,
    /// Whether it says by which password to log in; lapin puts one in, if not.
    has_password: bool,
}

/// Without the password.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_and_port())
    }
}

impl Address {
    /// Reads addresses that are separated by commas: the nodes of one cluster.
    pub(crate) fn parse_all(urls: &str) -> Result<Vec<Self>, ConnectError> {
        urls.split(',').map(|url| Self::parse(url.trim())).collect()
    }

    fn parse(url: &str) -> Result<Self, ConnectError> {
        // lapin's parser may repeat the whole address, and the password is in there.
        // An empty one holds nothing, and stands between all letters.
        let refused = |problem: String| ConnectError::Address {
            problem: if url.is_empty() { problem } else { problem.replace(url, "...") },
        };
        let uri: AMQPUri = url.parse().map_err(refused)?;
        match ShortString::try_new(uri.vhost.as_str()) {
            Ok(_) => Ok(Self { has_password: has_password(url), uri }),
            Err(_) => Err(refused("the name of the virtual host has over 255 bytes".to_owned())),
        }
    }

    /// For people: without the password.
    pub(crate) fn host_and_port(&self) -> String {
        format!("{}:{}", self.uri.authority.host, self.uri.authority.port)
    }
}

/// Whether an address has a password: `SCHEME://USER:PASSWORD@HOST`.
fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
    authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(login, _)| login.contains(':'))
}

/// A connection, with what is below it.
#[derive(Debug)]
pub(crate) struct Connection {
    lapin: lapin::Connection,
    io: Io,
    socket: Socket,
}

/// How a connection is opened.
#[derive(Clone, Debug)]
pub(crate) struct Greeting {
    /// Shown by the broker beside the connection.
    pub(crate) name: String,
    /// Sent with each message.
    pub(crate) app_id: ShortString,
    pub(crate) heartbeat: Duration,
    pub(crate) tls: TlsOptions,
}

/// The socket below a connection: lapin waits for ever for a broker that says nothing, on a thread of its own.
#[derive(Clone, Default)]
struct Socket(Arc<Mutex<Option<TcpStream>>>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

impl Socket {
    fn set(&self, stream: &impl AsFd) -> io::Result<()> {
        let stream = stream.as_fd().try_clone_to_owned()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.into());
        Ok(())
    }

    fn is_shut_down(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Ends what is read from it and written to it: lapin's thread sees the end and stops.
    fn shut_down(&self) {
        if let Some(stream) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // An error means that the other side was faster.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Leaves nothing of a connection unless its opening has ended well: dropped on a timeout, too.
struct Opening {
    socket: Socket,
    runtime: IoRuntime,
    is_open: bool,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if !self.is_open {
            self.socket.shut_down();
            self.runtime.abandon();
        }
    }
}

/// Opens a connection. lapin's own recovery stays off: it does not recover channel errors and gives up silently.
///
/// Cancel safe: dropped before it returns, the socket is shut down.
pub(crate) async fn connect(address: &Address, greeting: &Greeting) -> Result<Connection, BrokerError> {
    let mut uri = address.uri.clone();
    // Whole seconds on the wire, and 0 would turn heartbeats off.
    let seconds = greeting.heartbeat.as_millis().div_ceil(1000).clamp(1, u16::MAX.into());
    uri.query.heartbeat = uri.query.heartbeat.or(u16::try_from(seconds).ok());
    let tls = tls_config(&greeting.tls);
    if tls.identity.is_some() && uri.query.auth_mechanism.is_none() && !address.has_password {
        // Who shows a certificate and names no password means to be known by it.
        uri.query.auth_mechanism = Some(SASLMechanism::External);
    }
    let socket = Socket::default();
    let (runtime, io) = IoRuntime::new();
    let mut opening = Opening { socket: socket.clone(), runtime: runtime.clone(), is_open: false };
    let connect = {
        let socket = socket.clone();
        async move |uri: AMQPUri, runtime: async_rs::Runtime<IoRuntime>| {
            let connected = async {
                let resolved = tokio::net::lookup_host((uri.authority.host.as_str(), uri.authority.port)).await?;
                let stream = runtime.tcp_connect(resolved.collect::<Vec<_>>()).await?;
                socket.set(&stream)?;
                let stream = AsyncTcpStream::Plain(stream);
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => stream.into_tls(&uri.authority.host, tls.as_ref()).await,
                }
            };
            connected.await.map_err(|error: io::Error| ErrorKind::IOError(Arc::new(error)).into())
        }
    };
    let properties = ConnectionProperties::default().with_connection_name(greeting.name.as_str().into());
    let connecting = lapin::Connection::connector(uri, runtime.into(), connect, properties);
    let lapin = io.written(connecting).await?;
    opening.is_open = true;
    Ok(Connection { lapin, io, socket })
}

fn tls_config(tls: &TlsOptions) -> OwnedTLSConfig {
    let identity = tls.identity.as_ref();
    OwnedTLSConfig {
        identity: identity.map(|identity| OwnedIdentity::PKCS8 {
            pem: identity.certificates_pem.clone().into_bytes(),
            key: identity.key_pem.clone().into_bytes(),
        }),
        cert_chain: tls.roots_pem.clone(),
    }
}

impl Connection {
    /// Opens a channel.
    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        let lapin = self.io.written(self.lapin.create_channel()).await?;
        Ok(Channel { lapin, io: self.io.clone() })
    }

    /// Opens a channel whose publishes are confirmed by the broker.
    pub(crate) async fn confirming_channel(&self) -> Result<Channel, BrokerError> {
        let channel = self.channel().await?;
        channel.written(channel.lapin.confirm_select(ConfirmSelectOptions { nowait: false })).await?;
        Ok(channel)
    }

    /// What happens to the connection.
    pub(crate) fn events(&self) -> impl Stream<Item = lapin::Event> + Send + 'static {
        self.lapin.events_listener()
    }

    /// Its thread.
    pub(crate) fn io(&self) -> &Io {
        &self.io
    }

    /// Closes it in order, if the broker answers in time; else its socket is shut down. An error means that it is
    /// closed already.
    pub(crate) async fn close(&self) {
        let closing = self.io.written(self.lapin.close(200, "bye".into()));
        match tokio::time::timeout(CLOSE_TIMEOUT, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection was closed already"),
            Err(_) => tracing::warn!("the broker did not answer that the connection closes"),
        }
        self.socket.shut_down();
        self.io.wake_writer();
    }
}

/// Without [`close`](Connection::close), what else was to be opened on it was not: nobody has it.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.socket.is_shut_down() {
            return;
        }
        // lapin closes it in order, unless a consumer is left, and would wait for ever for a broker that is silent.
        let (socket, io) = (self.socket.clone(), self.io.clone());
        self.io.spawn_in_tokio(async move {
            tokio::time::sleep(CLOSE_TIMEOUT).await;
            socket.shut_down();
            io.wake_writer();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let addresses = Address::parse_all("amqp://guest:s3cret@one:1/x, amqps://two").unwrap();
        assert_eq!(format!("{addresses:?}"), "[one:1, two:5671]");
    }

    #[test]
    fn an_address_has_a_password_if_it_says_one() {
        let has = |url: &str| Address::parse_all(url).unwrap()[0].has_password;
        assert!(has("amqp://user:password@host/vhost") && has("amqps://user:@host"));
        assert!(!has("amqps://host:5671/a:b@c") && !has("amqps://user@host") && !has("amqp://host?heartbeat=5"));
    }
}
