//! The thread of a connection, and what runs on it.
//!
//! lapin reads and writes a connection on a thread of its own. Left as it is, that thread is told of each readable
//! socket by tokio's, and tells tokio's tasks of each frame; what they answer wakes it again: some ten context
//! switches for a call. So the thread waits for its socket itself ([`IoStream`]), and runs the tasks that move frames
//! ([`Io::spawn`]): lapin's own, and ours that publish, take confirms, read replies and settle. Only what is a user's
//! (callers, handlers) is woken in tokio, and wakes the thread at most once while it sleeps. On a busy machine the
//! thread waits for its turn, and finds more to do at once ([`schedule`]).
//!
//! What runs here must never block, nor compute for long: a connection stands still meanwhile.

mod runtime;
mod schedule;
mod stream;
mod timers;

use std::{
    fmt,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

pub(crate) use self::timers::Sleep;
use self::timers::Timers;
pub(super) use self::{runtime::IoRuntime, stream::IoStream};

/// Reaches a connection's thread. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Io(Arc<Shared>);

struct Shared {
    /// What shall run on the thread. Unbounded as a channel: there are a few tasks a channel.
    spawned: mpsc::UnboundedSender<Task>,
    /// Whether there is something to do beside the socket.
    due: AtomicBool,
    /// Whether the thread waits, or is about to.
    asleep: AtomicBool,
    /// Ends that wait; absent until there is a socket.
    alarm: OnceLock<mio::Waker>,
    /// Who waits until the socket takes more.
    writer: Mutex<Option<Waker>>,
    timers: Timers,
    /// Where users' tasks run.
    tokio: Handle,
}

type Task = BoxFuture<'static, ()>;

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

impl Io {
    /// Prepares a thread: the tasks run as soon as there is an [`IoStream`] for them.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(super) fn new() -> (Self, Tasks) {
        let (spawned, spawned_rx) = mpsc::unbounded_channel();
        let shared = Shared {
            spawned,
            due: AtomicBool::new(true),
            asleep: AtomicBool::new(false),
            alarm: OnceLock::new(),
            writer: Mutex::new(None),
            timers: Timers::default(),
            tokio: Handle::current(),
        };
        let running = RunningTasks { tasks: FuturesUnordered::new(), spawned: spawned_rx };
        let abandoned = CancellationToken::new();
        (Self(Arc::new(shared)), Tasks { running: Some(running), after: Handle::current(), abandoned })
    }

    /// Runs a task on the thread; in tokio when the connection is over. It must not use tokio's timers: see
    /// [`sleep`](Self::sleep) and [`spawn_in_tokio`](Self::spawn_in_tokio).
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let guarded = AssertUnwindSafe(task).catch_unwind().map(|ended| {
            if ended.is_err() {
                tracing::error!("a task of a connection panicked");
            }
        });
        // An error means that the runtime is gone, and with it whoever could wait.
        let _ = self.0.spawned.send(Box::pin(guarded));
    }

    /// Runs a task in tokio: one that may take its time.
    pub(crate) fn spawn_in_tokio(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tokio.spawn(task);
    }

    /// Waits, in a task of the thread.
    pub(crate) fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(Instant::now() + duration, Arc::clone(&self.0))
    }

    /// Whether the thread has begun.
    fn has_socket(&self) -> bool {
        self.0.alarm.get().is_some()
    }

    /// Has the thread write what lapin has for it.
    pub(crate) fn wake_up(&self) {
        self.0.wake_up();
    }

    /// Waits for a future that makes lapin write something, and sees to it that it is written.
    pub(super) async fn written<F: Future>(&self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            self.wake_up();
            polled
        })
        .await
    }
}

impl Io {
    /// Lets who writes try again: after the socket was shut down, nobody looks whether it takes more.
    pub(super) fn wake_writer(&self) {
        if let Some(writer) = self.0.take_writer() {
            writer.wake();
        }
    }
}

impl Shared {
    fn take_writer(&self) -> Option<Waker> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Makes the thread look for work.
    fn wake_up(&self) {
        // The order of the two, and of their counterparts in `IoStream::sleep`, is what loses no wake-up.
        self.due.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(alarm) = self.alarm.get()
            && let Err(error) = alarm.wake()
        {
            tracing::error!(%error, "a connection's thread cannot be woken");
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

/// The tasks of a thread. Dropped, they go on in tokio: what waits for the connection is to hear of its end.
pub(super) struct Tasks {
    running: Option<RunningTasks>,
    after: Handle,
    /// Fires when there will be no connection: then nobody waits for its end, and lapin's tasks would not end.
    abandoned: CancellationToken,
}

struct RunningTasks {
    tasks: FuturesUnordered<Task>,
    spawned: mpsc::UnboundedReceiver<Task>,
}

impl Tasks {
    /// Runs what can run.
    fn run(&mut self, context: &mut Context<'_>) {
        if let Some(running) = &mut self.running {
            let _ = running.poll_unpin(context);
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.after.spawn(self.abandoned.clone().run_until_cancelled_owned(running));
        }
    }
}

impl Future for RunningTasks {
    type Output = ();

    /// Ends when nobody can spawn any more, and all tasks have ended.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let all_spawned = loop {
                match self.spawned.poll_recv(context) {
                    Poll::Ready(Some(task)) => self.tasks.push(task),
                    Poll::Ready(None) => break true,
                    Poll::Pending => break false,
                }
            };
            match self.tasks.poll_next_unpin(context) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) if all_spawned => return Poll::Ready(()),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
