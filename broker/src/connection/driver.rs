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
use super::session::{Phase, Session};
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

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A connection's task.
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
    /// Since when the connection is to end.
    ending: Option<Instant>,
    /// What was read and is held back, and until when: a fault.
    held_input: Option<(Instant, Vec<u8>)>,
    /// Until when output is held back: a fault.
    held_output: Option<Instant>,
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
            ending: None,
            held_input: None,
            held_output: None,
        }
    }

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        loop {
            if self.batch.is_empty() && !(self.may_take_output() && self.control.outbox.take(&mut self.batch)) {
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

    /// Output waits for as long as the connection is delayed.
    fn may_take_output(&mut self) -> bool {
        let delay = self.control.delay();
        if delay.is_zero() && self.held_output.is_none() {
            return true;
        }
        if self.control.outbox.unwritten_bytes() == 0 {
            return false;
        }
        let due = *self.held_output.get_or_insert_with(|| Instant::now() + delay);
        if Instant::now() < due {
            return false;
        }
        self.held_output = None;
        true
    }

    /// Reads once, and does what was said.
    fn read(&mut self, context: &mut Context<'_>) -> io::Result<Step> {
        if let Some((due, _)) = &self.held_input {
            if Instant::now() < *due {
                return Ok(Step::Waits);
            }
            if let Some((_, bytes)) = self.held_input.take() {
                self.session.receive(&bytes);
                return Ok(Step::Done);
            }
        }
        if self.session.is_parked() || self.control.outbox.unwritten_bytes() > UNREAD_BYTES_MAX {
            return Ok(Step::Waits);
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(Ok(())) => {
                    self.last_read = Instant::now();
                    self.control.received.add(buffer.filled().len());
                    let delay = self.control.delay();
                    if delay.is_zero() {
                        self.session.receive(buffer.filled());
                    } else {
                        self.held_input = Some((Instant::now() + delay, buffer.filled().to_vec()));
                    }
                    Ok(Step::Done)
                }
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => Ok(Step::Waits),
            }
        })
    }

    /// When something is to be done without a word from anyone.
    fn next_due(&self) -> Option<Instant> {
        let heartbeat = self.session.heartbeat;
        let beats =
            (!heartbeat.is_zero()).then(|| (self.last_write + heartbeat / 2).min(self.last_read + heartbeat * 2));
        let opening = self.session.phase.is_opening();
        [
            beats.filter(|_| self.session.phase == Phase::Running),
            opening.then(|| self.began + HANDSHAKE_TIMEOUT),
            self.ending.map(|since| since + END_TIMEOUT),
            self.held_input.as_ref().map(|(due, _)| *due),
            self.held_output,
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
            if now >= self.last_read + heartbeat * 2 && !self.session.is_parked() {
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
        if !self.session.phase.is_opening() && self.session.phase != Phase::Running && self.ending.is_none() {
            self.ending = Some(Instant::now());
        }
        if self.control.take_forced_out() {
            let text = "broker forced connection closure with reason 'shutdown'";
            self.session.close(&Refusal::hard(amq_protocol::protocol::AMQPHardError::CONNECTIONFORCED, text), 0, 0);
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
            let can_write = matches!(written, Step::Done) && self.held_output.is_none();
            let more = can_write && self.control.outbox.has_more();
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
    fn finish(&mut self) {
        self.session.end();
        self.control.set_ended();
    }
}
