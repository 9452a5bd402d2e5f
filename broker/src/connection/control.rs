//! What the broker's owner sees of a connection, and can do to it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use amq_protocol::types::FieldTable;
use tokio::sync::Notify;

use super::ConnectionId;
use crate::outbox::Outbox;

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its number.
    pub id: ConnectionId,
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The user, once it is known.
    pub user: Option<String>,
    /// The vhost, once it is open.
    pub vhost: Option<String>,
    /// Whether it is encrypted.
    pub tls: bool,
    /// What the client calls the connection: `connection_name` in its properties.
    pub name: Option<String>,
}

/// What a client said when it came, and what was agreed on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    pub(crate) mechanism: String,
    pub(crate) client_properties: FieldTable,
    pub(crate) channel_max: u16,
    pub(crate) frame_max: u32,
    pub(crate) heartbeat_s: u16,
}

/// What went one way.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    bytes: AtomicU64,
    /// Reads or writes.
    calls: AtomicU64,
}

impl Traffic {
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes, and the reads or writes that they took.
    #[cfg(feature = "http")]
    pub(crate) fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed))
    }
}

/// The handle of one connection.
#[derive(Debug)]
pub(crate) struct Control {
    #[cfg(feature = "http")]
    id: ConnectionId,
    pub(crate) outbox: Arc<Outbox>,
    info: Mutex<ConnectionInfo>,
    /// Kept for those who look: nothing else reads it.
    terms: Mutex<Terms>,
    /// Where the client reached the broker.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only who looks over HTTP reads it"))]
    pub(crate) local: Option<SocketAddr>,
    cut: AtomicBool,
    frozen: AtomicBool,
    forced_out: AtomicBool,
    delay_us: AtomicU64,
    /// What came from the client, and what went to it.
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only who looks over HTTP reads it"))]
    pub(crate) connected_at: SystemTime,
    /// The client published while publishers are blocked, and is read no further.
    pub(crate) parked: AtomicBool,
    /// The task has ended, and what it held is given back.
    ended: Notify,
    has_ended: AtomicBool,
}

impl Control {
    pub(crate) fn new(
        id: ConnectionId,
        peer: Option<SocketAddr>,
        local: Option<SocketAddr>,
        outbox: Arc<Outbox>,
    ) -> Control {
        let info = ConnectionInfo { id, peer, user: None, vhost: None, tls: false, name: None };
        Control {
            #[cfg(feature = "http")]
            id,
            outbox,
            info: Mutex::new(info),
            terms: Mutex::default(),
            local,
            cut: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            forced_out: AtomicBool::new(false),
            delay_us: AtomicU64::new(0),
            received: Traffic::default(),
            sent: Traffic::default(),
            connected_at: SystemTime::now(),
            parked: AtomicBool::new(false),
            ended: Notify::new(),
            has_ended: AtomicBool::new(false),
        }
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        self.info.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update_info(&self, update: impl FnOnce(&mut ConnectionInfo)) {
        update(&mut self.info.lock().unwrap_or_else(PoisonError::into_inner));
    }

    #[cfg(feature = "http")]
    pub(crate) fn terms(&self) -> Terms {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update_terms(&self, update: impl FnOnce(&mut Terms)) {
        update(&mut self.terms.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.outbox.wake();
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn set_frozen(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Release);
        self.outbox.wake();
    }

    #[cfg(feature = "http")]
    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    #[cfg(feature = "http")]
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Acquire)
    }

    /// Asks the client to go: `connection.close` with 320.
    pub(crate) fn force_out(&self) {
        self.forced_out.store(true, Ordering::Release);
        self.outbox.wake();
    }

    /// Says once whether [`Control::force_out`] was called.
    pub(crate) fn take_forced_out(&self) -> bool {
        self.forced_out.load(Ordering::Relaxed) && self.forced_out.swap(false, Ordering::AcqRel)
    }

    /// Waits until the client has to go, before the connection's task looks for it by itself.
    pub(crate) async fn told_to_go(&self) {
        std::future::poll_fn(|context| {
            self.outbox.register(context.waker());
            match self.is_cut() || self.forced_out.load(Ordering::Relaxed) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether the task has to look again: something was set while it ran.
    pub(crate) fn has_news(&self) -> bool {
        self.is_cut() || self.is_frozen() || self.forced_out.load(Ordering::Relaxed)
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay_us.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Release);
        self.outbox.wake();
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_us.load(Ordering::Acquire))
    }

    pub(crate) fn set_ended(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.ended.notify_waiters();
    }

    pub(crate) async fn ended(&self) {
        let ended = self.ended.notified();
        tokio::pin!(ended);
        ended.as_mut().enable();
        if !self.has_ended.load(Ordering::Acquire) {
            ended.await;
        }
    }
}
