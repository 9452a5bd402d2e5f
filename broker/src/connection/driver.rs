//! Moves a connection's bytes: one task, which reads into a buffer that all connections of a thread share.
//!
//! An idle connection holds no buffer: it is only read when there is something to read.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::control::Control;
use super::delayed::Delayed;
use super::phase::Phase;
use super::session::Session;
use crate::error::Refusal;
use crate::outbox::Batch;

const READ_BYTES: usize = 64 * 1024;
/// Pieces of output that one write takes.
const SLICES: usize = 32;
/// Reads before other tasks have their turn.
const READS_A_TURN: usize = 8;
/// A client that does not take the end of its connection is not waited for longer.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// As RabbitMQ's `handshake_timeout`.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// So much unread output, and the client is not read either: what it asks for would only add to it.
const UNREAD_BYTES_MAX: usize = 4 << 20;
/// So much input is held back at most; a delayed client that says more is not read for a while.
const HELD_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A connection's task.
///
/// # Drop behaviour
///
/// What the connection held is given back, however its task ends.
pub(crate) struct Driver<S> {
    stream: S,
    session: Session,
    control: Arc<Control>,
    batch: Batch,
    /// Something was written that the stream may still hold: TLS does.
    unflushed: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    began: Instant,
    last_read: Instant,
    last_write: Instant,
    /// The client was not read when it was last looked for: the time until then says nothing about it.
    was_paused: bool,
    /// Since when the connection is to end.
    ending: Option<Instant>,
    /// What was read and is held back, and then how the reading ended: a fault.
    held_input: Delayed<io::Result<Vec<u8>>>,
    held_input_bytes: usize,
    /// What is to be written and is held back: a fault.
    held_output: Delayed<Batch>,
    /// What the connection held is given back.
    finished: bool,
}

/// Whether a step came further, or why it cannot.
enum Step {
    Done,
    Waits,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    pub(crate) fn new(stream: S, session: Session, control: Arc<Control>) -> Driver<S> {
        let now = Instant::now();
        Driver {
            stream,
            session,
            control,
            batch: Batch::default(),
            unflushed: false,
            sleep: None,
            began: now,
            last_read: now,
            last_write: now,
            was_paused: false,
            ending: None,
            held_input: Delayed::new(),
            held_input_bytes: 0,
            held_output: Delayed::new(),
            finished: false,
        }
    }

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        loop {
            self.take_output();
            if self.batch.is_empty() {
                return self.flush(context);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = self.batch.fill(&mut slices);
            match Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..filled]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(written)) => {
                    self.last_write = Instant::now();
                    self.unflushed = true;
                    self.control.sent.add(written);
                    self.control.outbox.written(&mut self.batch, written);
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Step::Waits),
            }
        }
    }

    fn flush(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(context)? {
                Poll::Ready(()) => self.unflushed = false,
                Poll::Pending => return Ok(Step::Waits),
            }
        }
        Ok(Step::Done)
    }

    /// Takes what there is to write. A delay makes it wait from now on, whether the client reads or not.
    fn take_output(&mut self) {
        let delay = self.control.delay();
        if delay.is_zero() && self.held_output.is_empty() {
            if self.batch.is_empty() {
                self.control.outbox.take(&mut self.batch);
            }
            return;
        }
        let mut fresh = Batch::default();
        if self.control.outbox.take(&mut fresh) {
            self.held_output.push(fresh);
        }
        if self.batch.is_empty() {
            self.batch = self.held_output.take_due(delay).unwrap_or_default();
        }
    }

    /// Whether nothing more of what the client says is heard for now: it published while publishers are blocked, or
    /// leaves too much unread.
    fn hearing_paused(&self) -> bool {
        self.session.is_parked() || self.control.outbox.unwritten_bytes() > UNREAD_BYTES_MAX
    }

    /// Whether the client is not read for now. Its heartbeats wait in the socket meanwhile, and are not missed.
    fn reading_paused(&self) -> bool {
        let at_end = matches!(self.held_input.last(), Some(Err(_)));
        at_end || self.held_input_bytes > HELD_BYTES_MAX || self.hearing_paused()
    }

    /// Hears what is due, or reads once, and does what was said.
    fn read(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        let paused = self.reading_paused();
        if std::mem::replace(&mut self.was_paused, paused) && !paused {
            self.last_read = Instant::now();
        }
        if !self.held_input.is_empty()
            && !self.hearing_paused()
            && let Some(input) = self.held_input.take_due(self.control.delay())
        {
            let bytes = input?;
            self.held_input_bytes -= bytes.len();
            self.session.receive(&bytes);
            return Ok(Step::Done);
        }
        if paused {
            return Ok(Step::Waits);
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let end = match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(end) => end,
                Poll::Pending => return Ok(Step::Waits),
            };
            self.last_read = Instant::now();
            self.control.received.add(buffer.filled().len());
            if self.control.delay().is_zero() && self.held_input.is_empty() {
                end?;
                self.session.receive(buffer.filled());
            } else {
                self.held_input_bytes += buffer.filled().len();
                self.held_input.push(end.map(|()| buffer.filled().to_vec()));
            }
            Ok(Step::Done)
        })
    }

    /// When something is to be done without a word from anyone.
    fn next_due(&self) -> Option<Instant> {
        let (heartbeat, delay) = (self.session.heartbeat, self.control.delay());
        let beats = !heartbeat.is_zero() && self.session.phase == Phase::Running;
        let opening = self.session.phase.is_opening();
        [
            beats.then(|| self.last_write + heartbeat / 2),
            (beats && !self.reading_paused()).then(|| self.last_read + heartbeat * 2),
            opening.then(|| self.began + HANDSHAKE_TIMEOUT),
            self.ending.map(|since| since + END_TIMEOUT),
            self.held_input.due(delay).filter(|_| !self.hearing_paused()),
            self.held_output.due(delay).filter(|_| self.batch.is_empty()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due by the clock, and sets the timer for the next time. Ready if something was done.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(due) = self.next_due() else {
            self.sleep = None;
            return Poll::Pending;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        // A timer that is set too early only fires once for nothing; moving it at every frame would cost more.
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        ready!(sleep.as_mut().poll(context));
        self.sleep = None;
        let now = Instant::now();
        if self.ending.is_some_and(|since| now >= since + END_TIMEOUT) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let opening = self.session.phase.is_opening();
        if opening && now >= self.began + HANDSHAKE_TIMEOUT {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let heartbeat = self.session.heartbeat;
        if !heartbeat.is_zero() && self.session.phase == Phase::Running {
            if now >= self.last_read + heartbeat * 2 && !self.reading_paused() {
                tracing::info!("a client missed its heartbeats: its connection is cut");
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if now >= self.last_write + heartbeat / 2 {
                self.last_write = now;
                self.session.send_heartbeat();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn note_phase(&mut self) {
        if self.control.take_forced_out() {
            let text = "broker forced connection closure with reason 'shutdown'";
            self.session.close(&Refusal::hard(amq_protocol::protocol::AMQPHardError::CONNECTIONFORCED, text), 0, 0);
        }
        if self.session.phase.is_ending() {
            self.ending.get_or_insert_with(Instant::now);
        }
    }

    fn poll_connection(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever writes to the outbox while this runs need not wake it.
        self.control.outbox.unregister();
        let mut reads = 0;
        loop {
            if self.control.is_cut() {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if self.control.is_frozen() {
                self.control.outbox.register(context.waker());
                if self.control.is_frozen() && !self.control.is_cut() {
                    return Poll::Pending;
                }
                continue;
            }
            self.note_phase();
            let written = self.write(context)?;
            let all_written = self.batch.is_empty() && self.control.outbox.unwritten_bytes() == 0;
            if self.session.phase == Phase::Done && all_written {
                // TLS has a last word, for which a client that does not read is not waited for longer than for the
                // rest.
                self.control.outbox.register(context.waker());
                match Pin::new(&mut self.stream).poll_shutdown(context) {
                    Poll::Pending if self.poll_timer(context)?.is_pending() => return Poll::Pending,
                    Poll::Pending => continue,
                    ended => return ended,
                }
            }
            if self.control.outbox.take_starved() {
                self.session.resume_consumers();
            }
            if self.session.unpark() {
                continue;
            }
            if let Step::Done = self.read(context)? {
                reads += 1;
                if reads < READS_A_TURN {
                    continue;
                }
                context.waker().wake_by_ref();
                self.write(context)?;
                return Poll::Pending;
            }
            if self.poll_timer(context)?.is_ready() {
                continue;
            }
            self.control.outbox.register(context.waker());
            // What came before the waker was set woke nobody.
            let more = matches!(written, Step::Done) && self.control.outbox.has_more();
            if more || self.control.has_news() || self.session.can_unpark() {
                continue;
            }
            return Poll::Pending;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let driver = self.get_mut();
        let end = ready!(driver.poll_connection(context));
        driver.finish();
        Poll::Ready(end)
    }
}

impl<S> Driver<S> {
    /// Gives everything back, once.
    fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.session.end();
            self.control.set_ended();
        }
    }
}

impl<S> Drop for Driver<S> {
    fn drop(&mut self) {
        self.finish();
    }
}
