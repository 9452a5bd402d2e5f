//! What the handlers and the background tasks of a process share.

use std::{fmt::Write as _, path::Path, sync::atomic::AtomicI64};

use sha2::{Digest, Sha256};
use tokio::sync::watch;
use warren_host::sqlite::OpenError;

use crate::{store::Store, waiters::Waiters};

/// What the handlers and the background tasks of a process share.
#[derive(Debug)]
pub struct State {
    pub(crate) store: Store,
    pub(crate) waiters: Waiters,
    /// The place of the latest verdict that waiters were woken for.
    pub(crate) woken_up_to: AtomicI64,
    /// A submission was put in line.
    pub(crate) queued: Signal,
    /// An event was put in the outbox.
    pub(crate) committed: Signal,
}

impl State {
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let store = Store::open(path).await?;
        Ok(Self {
            store,
            waiters: Waiters::default(),
            woken_up_to: AtomicI64::new(0),
            queued: Signal::default(),
            committed: Signal::default(),
        })
    }
}

/// Tells this process's tasks to look at the store. A subscriber that is busy finds it when it looks next.
#[derive(Debug)]
pub(crate) struct Signal(watch::Sender<()>);

impl Default for Signal {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Signal {
    pub(crate) fn raise(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("writing to a String does not fail");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256_in_hexadecimal() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
