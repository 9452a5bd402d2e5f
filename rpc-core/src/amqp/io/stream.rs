//! A connection's socket, as lapin's thread reads and writes it.

use std::{
    io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::io::{AsyncRead, AsyncWrite};
use mio::{Events, Interest, Token, net::TcpStream};

use super::{Io, Shared, Tasks, schedule};

const SOCKET: Token = Token(0);
const ALARM: Token = Token(1);

/// Longest wait without a look around. Everything that has something for the thread wakes it; this is for what is not
/// known to.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Most bytes that are read before they are parsed and taken. lapin would read 4 MiB, and queue thousands of
/// deliveries.
const READ_BYTES_MAX: usize = 64 * 1024;

/// A socket that is waited for by whoever reads it: a read that finds nothing runs the thread's tasks, and sleeps.
pub(in crate::amqp) struct IoStream {
    socket: TcpStream,
    poll: mio::Poll,
    events: Events,
    shared: Arc<Shared>,
    tasks: Tasks,
    waker: Waker,
    turn: Turn,
    /// Whether the socket's taking more ends the wait. Only while somebody writes: it would end each one at once, for a
    /// socket takes more nearly always.
    watches_writable: bool,
}

/// What the next read does first: lapin writes and parses between two of them, and reads on until there is nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nothing, so that what was read is parsed.
    Parse,
    /// Runs tasks if any are due, so that what they send is written.
    Tasks,
    /// Reads: tasks that are always due must not keep the socket from its turn.
    Socket,
}

impl IoStream {
    /// On the thread that will read it.
    pub(in crate::amqp) fn new(socket: std::net::TcpStream, io: &Io, tasks: Tasks) -> io::Result<Self> {
        schedule::wait_for_turns();
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut socket = TcpStream::from_std(socket);
        let poll = mio::Poll::new()?;
        poll.registry().register(&mut socket, SOCKET, Interest::READABLE)?;
        let shared = Arc::clone(&io.0);
        if shared.alarm.set(mio::Waker::new(poll.registry(), ALARM)?).is_err() {
            return Err(io::Error::other("the thread has a socket already"));
        }
        let (events, waker) = (Events::with_capacity(8), Waker::from(Arc::clone(&shared)));
        Ok(Self { socket, poll, events, shared, tasks, waker, turn: Turn::Tasks, watches_writable: false })
    }

    /// Reads; with nothing to read, runs tasks and sleeps.
    fn poll_socket(
        &mut self,
        context: &Context<'_>,
        mut read: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let turn = std::mem::replace(&mut self.turn, Turn::Tasks);
        if turn == Turn::Parse || turn == Turn::Tasks && self.run_tasks() {
            return come_back(context);
        }
        loop {
            match read(&mut self.socket) {
                Ok(bytes) => {
                    self.turn = Turn::Parse;
                    return Poll::Ready(Ok(bytes));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.run_tasks() {
                return come_back(context);
            }
            if self.sleep()? {
                return come_back(context);
            }
        }
    }

    /// Runs tasks if any are due; whether there were.
    fn run_tasks(&mut self) -> bool {
        // After a sleep, and without one: a connection that always has something to do never sleeps.
        self.shared.timers.fire();
        let due = self.shared.due.swap(false, Ordering::SeqCst);
        if due {
            self.tasks.run(&mut Context::from_waker(&self.waker));
            self.turn = Turn::Socket;
        }
        due
    }

    /// Waits for the socket, a task or a timer; whether somebody can write on.
    fn sleep(&mut self) -> io::Result<bool> {
        self.shared.asleep.store(true, Ordering::SeqCst);
        let timeout = if self.shared.due.load(Ordering::SeqCst) {
            Duration::ZERO
        } else {
            self.shared.timers.remaining().unwrap_or(SLEEP_MAX).min(SLEEP_MAX)
        };
        let slept = self.poll.poll(&mut self.events, Some(timeout));
        self.shared.asleep.store(false, Ordering::SeqCst);
        if let Err(error) = slept
            && error.kind() != ErrorKind::Interrupted
        {
            return Err(error);
        }
        let writable = self.events.iter().any(|event| event.token() == SOCKET && event.is_writable());
        if !writable {
            return Ok(false);
        }
        self.watch_writable(false)?;
        Ok(self.shared.take_writer().map(Waker::wake).is_some())
    }

    fn watch_writable(&mut self, watch: bool) -> io::Result<()> {
        if self.watches_writable != watch {
            let interest = if watch { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            self.poll.registry().reregister(&mut self.socket, SOCKET, interest)?;
            self.watches_writable = watch;
        }
        Ok(())
    }

    fn poll_writing(
        &mut self,
        context: &Context<'_>,
        mut write: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut waits = false;
        loop {
            match write(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && waits => return Poll::Pending,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // And once more: it may have been shut down before anybody could be woken.
                    *self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
                    self.watch_writable(true)?;
                    waits = true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

/// Nothing to read now, but ask again.
fn come_back(context: &Context<'_>) -> Poll<io::Result<usize>> {
    context.waker().wake_by_ref();
    Poll::Pending
}

impl AsFd for IoStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for IoStream {
    fn drop(&mut self) {
        self.shared.timers.end();
    }
}

impl AsyncRead for IoStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let most = buffer.len().min(READ_BYTES_MAX);
        self.poll_socket(context, |socket| socket.read(&mut buffer[..most]))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        // The first one alone is the whole of it, but where lapin's ring ends.
        match buffers.iter_mut().find(|buffer| !buffer.is_empty()) {
            Some(buffer) => self.poll_read(context, buffer),
            None => Poll::Ready(Ok(0)),
        }
    }
}

impl AsyncWrite for IoStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_writing(context, |socket| socket.write(buffer))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(context, |socket| socket.write_vectored(buffers))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(std::net::Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        sync::atomic::AtomicBool,
        time::Instant,
    };

    use super::*;

    #[tokio::test]
    async fn a_timer_ends_though_the_thread_always_has_something_to_do_and_never_sleeps() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (io, tasks) = Io::new();
        let mut stream = IoStream::new(socket, &io, tasks).unwrap();
        let (has_slept, slept) = (Arc::new(AtomicBool::new(false)), io.sleep(Duration::from_millis(5)));
        io.spawn({
            let has_slept = Arc::clone(&has_slept);
            async move {
                slept.await;
                has_slept.store(true, Ordering::SeqCst);
            }
        });
        io.spawn(std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        let (until, mut buffer) = (Instant::now() + Duration::from_secs(10), [0]);
        let mut context = Context::from_waker(Waker::noop());
        while !has_slept.load(Ordering::SeqCst) {
            assert!(Pin::new(&mut stream).poll_read(&mut context, &mut buffer).is_pending(), "nothing is sent");
            assert!(Instant::now() < until, "the timer does not end");
        }
    }
}
