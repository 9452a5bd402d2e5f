//! The runtime that lapin is given: its tasks run on its own thread.

use std::{
    fmt,
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_rs::{
    Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::{Task, TaskImpl},
};
use futures::{
    FutureExt, Stream,
    future::Either,
    io::{AsyncRead, AsyncWrite},
};
use tokio::{net::TcpStream, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::{Io, IoStream, Tasks, timers::Sleep};

/// Spawns on a connection's thread, and makes its one socket. Everything else is tokio's.
#[derive(Clone)]
pub(in crate::amqp) struct IoRuntime {
    io: Io,
    /// Until there is a socket for them.
    tasks: Arc<Mutex<Option<Tasks>>>,
    abandoned: CancellationToken,
    tokio: Tokio,
}

impl fmt::Debug for IoRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IoRuntime")
    }
}

impl IoRuntime {
    /// For one connection.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub(in crate::amqp) fn new() -> (Self, Io) {
        let (io, tasks) = Io::new();
        let abandoned = tasks.abandoned.clone();
        let tasks = Arc::new(Mutex::new(Some(tasks)));
        let runtime = Self { io: io.clone(), tasks, abandoned, tokio: Tokio::current() };
        (runtime, io)
    }
}

impl IoRuntime {
    /// There will be no connection: its tasks are dropped, wherever they are.
    pub(in crate::amqp) fn abandon(&self) {
        self.abandoned.cancel();
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(tasks);
    }
}

impl RuntimeKit for IoRuntime {}

impl Executor for IoRuntime {
    type Task<T: Send + 'static> = IoTask<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.tokio.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<IoTask<T>> {
        let (ended, ended_rx) = oneshot::channel();
        self.io.spawn(future.map(|output| {
            // An error means that nobody waits.
            let _ = ended.send(output);
        }));
        IoTask(ended_rx).into()
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> Task<IoTask<T>> {
        let (ended, ended_rx) = oneshot::channel();
        drop(self.tokio.spawn_blocking(|| {
            let _ = ended.send(work());
        }));
        IoTask(ended_rx).into()
    }
}

/// What was spawned.
pub(in crate::amqp) struct IoTask<T>(oneshot::Receiver<T>);

impl<T> Future for IoTask<T> {
    type Output = T;

    /// # Panics
    ///
    /// If the task did: that is what its callers count with.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(ready!(self.0.poll_unpin(context)).expect("the task ends without a panic"))
    }
}

impl<T: Send + 'static> TaskImpl for IoTask<T> {}

impl Reactor for IoRuntime {
    type TcpStream = IoStream;
    type Sleep = Either<Sleep, <Tokio as Reactor>::Sleep>;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        match Instant::now().checked_add(duration) {
            Some(until) if self.io.has_socket() => Either::Left(Sleep::new(until, Arc::clone(&self.io.0))),
            _ => Either::Right(self.tokio.sleep(duration)),
        }
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(&self, address: SocketAddr) -> impl Future<Output = io::Result<IoStream>> + Send + 'static {
        let (io, tasks) = (self.io.clone(), Arc::clone(&self.tasks));
        async move {
            let socket = TcpStream::connect(address).await?.into_std()?;
            let tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
            // lapin would connect again by itself; a supervisor of ours does, with a new runtime.
            let tasks = tasks.ok_or_else(|| io::Error::other("a connection is made once"))?;
            IoStream::new(socket, &io, tasks)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_abandoned_is_freed_though_its_tasks_would_never_end() {
        // Before there is a socket, and after the one that there was is gone.
        for has_run in [false, true] {
            let (runtime, io) = IoRuntime::new();
            let kept = runtime.clone();
            drop(runtime.spawn(async move {
                let _kept = kept;
                std::future::pending::<()>().await;
            }));
            let tasks = runtime.tasks.lock().unwrap().take();
            if has_run {
                drop(tasks);
            } else {
                *runtime.tasks.lock().unwrap() = tasks;
            }
            runtime.abandon();
            let shared = Arc::downgrade(&io.0);
            drop((runtime, io));
            tokio::time::timeout(Duration::from_secs(10), async {
                while shared.upgrade().is_some() {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("nothing holds it");
        }
    }
}
