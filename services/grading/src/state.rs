//! What the handlers and the background tasks of a process share.

use std::{path::Path, sync::atomic::AtomicI64};

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
