//! Listening: on one address for plain connections, and on another for TLS where that is asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::Shared;
use crate::StartError;

const BACKLOG: u32 = 4096;

/// Where a broker listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
}

/// What listens, and accepts nobody yet.
#[derive(Debug)]
pub(super) struct Listeners {
    plain: TcpListener,
    tls: Option<TcpListener>,
    /// With the ports that were taken for 0.
    pub(super) addresses: Addresses,
}

impl Listeners {
    /// Listens.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`].
    pub(super) fn open(addresses: Addresses) -> Result<Listeners, StartError> {
        let (plain, plain_address) = listen(addresses.plain)?;
        let (tls, tls_address) = addresses.tls.map(listen).transpose()?.unzip();
        Ok(Listeners { plain, tls, addresses: Addresses { plain: plain_address, tls: tls_address } })
    }

    /// Accepts connections until the tasks are aborted.
    pub(super) fn accept(self, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
        let tls = self.tls.map(|listener| tokio::spawn(accept(listener, Arc::clone(shared), true)));
        let plain = tokio::spawn(accept(self.plain, Arc::clone(shared), false));
        tls.into_iter().chain([plain]).collect()
    }
}

pub(super) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A restart comes back to its port while old connections linger there.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listen().map_err(|source| StartError::Listen { address, source })
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, is_tls: bool) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => shared.serve(stream, peer, is_tls),
            Err(error) => {
                // Out of file descriptors, most likely: it passes when some connection ends.
                tracing::warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
