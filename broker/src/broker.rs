//! The broker: a listener, its vhosts, and its connections.

mod faults;
#[cfg(all(test, feature = "http"))]
mod fuzz;
#[cfg(feature = "http")]
mod http;
mod listening;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rustc_hash::FxHashMap;
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinHandle};

pub use faults::Survives;

pub(crate) use listening::Addresses;
use listening::Listeners;

use crate::auth::User;
use crate::clock::Clock;
use crate::connection::ConnectionId;
use crate::connection::control::Control;
use crate::connection::driver::Driver;
use crate::connection::handshake::FRAME_MIN;
use crate::connection::session::Session;
use crate::fault::Faults;
use crate::outbox::Outbox;
use crate::tls::{Tls, Transport};
use crate::vhost::{Vhost, VhostSettings};
use crate::{ConnectionInfo, Options, StartError};

/// A broker that runs in this process.
///
/// # Drop behaviour
///
/// Dropping it ends it: the port is free, and clients see their connections closed. [`Broker::stop`] tells them first.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    addresses: Addresses,
    listening: Mutex<Vec<JoinHandle<()>>>,
    timers: Vec<AbortHandle>,
    #[cfg(feature = "http")]
    http: Option<crate::http::Server>,
}

/// What the broker and its connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) users: Vec<Arc<User>>,
    tls: Option<Tls>,
    vhosts: FxHashMap<String, Arc<Vhost>>,
    faults: Arc<Faults>,
    connections: Mutex<FxHashMap<ConnectionId, (Arc<Control>, AbortHandle)>>,
    /// The broker is gone: nobody is served any more. Looked at under the lock of `connections`.
    stopped: AtomicBool,
    next_connection: AtomicU64,
    blocked: AtomicBool,
    blocked_reason: RwLock<String>,
}

impl Shared {
    pub(crate) fn vhost(&self, name: &str) -> Option<Arc<Vhost>> {
        self.vhosts.get(name).cloned()
    }

    /// Name and password; empty if there is no user.
    fn first_user(&self) -> (&str, &str) {
        self.options.users.first().map_or(("", ""), |user| (user.name.as_str(), user.password.as_str()))
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    pub(crate) fn blocked_reason(&self) -> String {
        self.blocked_reason.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn connections(&self) -> MutexGuard<'_, FxHashMap<ConnectionId, (Arc<Control>, AbortHandle)>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a connection's task. With `is_tls`, the connection begins with TLS's handshake.
    fn serve(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, is_tls: bool) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, "a connection is gone already: {error}");
            return;
        }
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let outbox = Arc::new(Outbox::new(self.options.outbox_bytes_max));
        let control = Arc::new(Control::new(id, Some(peer), stream.local_addr().ok(), outbox));
        // The lock is held until the task is known: it cannot take itself out before it is in.
        let mut connections = self.connections();
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let task = match self.tls.clone().filter(|_| is_tls) {
            None => {
                let session = Session::new(Arc::clone(self), id, Arc::clone(&control), Transport::default());
                self.run(&control, id, Driver::new(stream, session, Arc::clone(&control)))
            }
            Some(tls) => self.run(&control, id, self.clone().serve_tls(stream, tls, id, Arc::clone(&control))),
        };
        connections.insert(id, (control, task));
    }

    async fn serve_tls(
        self: Arc<Self>,
        stream: TcpStream,
        tls: Tls,
        id: ConnectionId,
        control: Arc<Control>,
    ) -> io::Result<()> {
        let (stream, transport) = tls.accept(stream, &control).await?;
        control.update_info(|info| info.tls = true);
        let session = Session::new(self, id, Arc::clone(&control), transport);
        Driver::new(stream, session, control).await
    }

    fn run(
        self: &Arc<Self>,
        control: &Arc<Control>,
        id: ConnectionId,
        connection: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> AbortHandle {
        let (shared, control) = (Arc::clone(self), Arc::clone(control));
        let task = tokio::spawn(async move {
            // Made here and not before: a task that never runs is dropped while the connections are locked.
            let _listed = Listed { shared, control, id };
            let end = connection.await;
            tracing::debug!(connection = id.0, ?end, "a connection ended");
        });
        task.abort_handle()
    }

    /// Gives out nothing to consumers, or does again, in every vhost.
    fn set_halted(&self, halted: bool) {
        self.vhosts.values().for_each(|vhost| vhost.with(|state| state.set_halted(halted)));
    }
}

/// A connection's place among the others. It is given up however the connection's task ends, by a panic too.
struct Listed {
    shared: Arc<Shared>,
    control: Arc<Control>,
    id: ConnectionId,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.id);
        self.control.set_ended();
    }
}

impl Broker {
    /// Starts a broker, in about a millisecond.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn start(mut options: Options) -> Result<Broker, StartError> {
        options.frame_max = options.frame_max.max(FRAME_MIN);
        options.channel_max = options.channel_max.max(1);
        options.outbox_bytes_max = options.outbox_bytes_max.max(1);
        let users = options.users.iter().map(|user| User::new(user).map(Arc::new)).collect::<Result<_, _>>()?;
        let (clock, faults) = (Clock::start(), Arc::new(Faults::default()));
        let settings = VhostSettings { strict: options.strict, body_bytes_max: options.body_bytes_max };
        let vhosts: FxHashMap<String, Arc<Vhost>> = options
            .vhosts
            .iter()
            .map(|name| (name.clone(), Arc::new(Vhost::new(name, clock, settings, Arc::clone(&faults)))))
            .collect();
        let tls = options.tls.as_ref().map(Tls::new).transpose()?;
        let tls_address = options.tls.as_ref().map(|tls| tls.listen);
        let listeners = Listeners::open(Addresses { plain: options.listen, tls: tls_address })?;
        let addresses = listeners.addresses;
        #[cfg(feature = "http")]
        let http = options.http.map(listening::listen).transpose()?;
        let timers = vhosts
            .values()
            .map(|vhost| {
                let vhost = Arc::clone(vhost);
                tokio::spawn(async move { vhost.run_timers().await }).abort_handle()
            })
            .collect();
        let shared = Arc::new(Shared {
            options,
            users,
            tls,
            vhosts,
            faults,
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
            next_connection: AtomicU64::new(1),
            blocked: AtomicBool::new(false),
            blocked_reason: RwLock::default(),
        });
        let listening = Mutex::new(listeners.accept(&shared));
        #[cfg(feature = "http")]
        let http = http.map(|(listener, address)| crate::http::Server::start(listener, address, &shared, addresses));
        Ok(Broker {
            shared,
            addresses,
            listening,
            timers,
            #[cfg(feature = "http")]
            http,
        })
    }

    /// The address of the vhost `/`, or of the first one if there is no such, for the first user:
    /// `amqp://guest:guest@127.0.0.1:24817/%2f`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of_vhost(self.main_vhost())
    }

    fn main_vhost(&self) -> &str {
        let vhosts = &self.shared.options.vhosts;
        vhosts.iter().find(|name| *name == "/").or(vhosts.first()).map_or("/", String::as_str)
    }

    /// The address of a vhost, for the first user; on this machine, if the broker listens on every address.
    #[must_use]
    pub fn url_of_vhost(&self, vhost: &str) -> String {
        self.url_with("amqp", self.addresses.plain, vhost)
    }

    /// The address of the same vhost as [`Broker::url`]'s over TLS, for the first user, if [`Options::tls`] is set:
    /// `amqps://guest:guest@127.0.0.1:24818/%2f`.
    #[must_use]
    pub fn tls_url(&self) -> Option<String> {
        self.addresses.tls.map(|address| self.url_with("amqps", address, self.main_vhost()))
    }

    fn url_with(&self, scheme: &str, address: SocketAddr, vhost: &str) -> String {
        let (name, password) = self.shared.first_user();
        let address = reachable(address);
        format!("{scheme}://{}:{}@{address}/{}", escaped(name), escaped(password), escaped(vhost))
    }

    /// Where the broker listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses.plain
    }

    /// Where the broker listens for TLS, if it does.
    #[must_use]
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.addresses.tls
    }

    fn listening(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops in order: nobody can connect any more, and clients are told to go (320). One that does not answer is cut
    /// off after a second.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the broker.
    pub async fn stop(self) {
        self.close_all().await;
    }

    /// The connections that are open, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionInfo> {
        let mut list: Vec<ConnectionInfo> =
            self.shared.connections().values().map(|(control, _)| control.info()).collect();
        list.sort_by_key(|info| info.id);
        list
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.listening().iter().for_each(JoinHandle::abort);
        self.timers.iter().for_each(AbortHandle::abort);
        self.shared.set_halted(true);
        let mut connections = self.shared.connections();
        self.shared.stopped.store(true, Ordering::Relaxed);
        let tasks: Vec<AbortHandle> = connections.drain().map(|(_, (_, task))| task).collect();
        drop(connections);
        tasks.iter().for_each(AbortHandle::abort);
    }
}

/// An address to connect to, of one to listen on.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

/// Percent-encoding of what is not unreserved in a URL (RFC 3986, 2.3).
fn escaped(text: &str) -> String {
    let escape = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    text.as_bytes().iter().map(escape).collect()
}
