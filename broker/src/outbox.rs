//! What a connection still has to be sent. Anyone who delivers to the connection writes here; its task takes from it.
//!
//! Lock order: a vhost's state before an outbox. An outbox's lock is held for a copy at most.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::message::Message;
use crate::wire::{encode, frame};

/// A body of so many bytes is not copied but shared until it is written.
const SHARED_BODY_BYTES: usize = 16 * 1024;
/// More than this in one piece is not collected: a new piece begins.
const PIECE_BYTES: usize = 256 * 1024;

/// A piece of output.
#[derive(Debug)]
enum Piece {
    Owned(Vec<u8>),
    /// A part of a message's body.
    Body {
        message: Arc<Message>,
        start: usize,
        end: usize,
    },
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Owned(bytes) => bytes,
            Piece::Body { message, start, end } => &message.body()[*start..*end],
        }
    }
}

/// The outbox of one connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    inner: Mutex<Inner>,
    /// Bytes that are here or taken and not yet written.
    unwritten: AtomicUsize,
    /// Over this, no consumer of the connection is given anything: a client that does not read must not fill the memory.
    limit: usize,
    /// A consumer was passed over because of the limit: the task has to call for deliveries when it has written enough.
    starved: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    waker: Option<Waker>,
    /// Nothing more is taken in: the connection is gone.
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Outbox {
        let unwritten = AtomicUsize::new(0);
        Outbox { inner: Mutex::default(), unwritten, limit, starved: AtomicBool::new(false) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more should be delivered for now. Says so once more to the task when there is room again ([`Outbox::take_starved`]).
    pub(crate) fn is_full(&self) -> bool {
        let full = self.unwritten.load(Ordering::Relaxed) >= self.limit;
        if full {
            self.starved.store(true, Ordering::Relaxed);
        }
        full
    }

    /// Whether someone found the outbox full, and it is less than half full now.
    pub(crate) fn take_starved(&self) -> bool {
        self.unwritten.load(Ordering::Relaxed) < self.limit / 2
            && self.starved.load(Ordering::Relaxed)
            && self.starved.swap(false, Ordering::Relaxed)
    }

    /// Bytes that are not written yet.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Appends what `write` writes. Nothing wakes the task: see [`Outbox::wake`].
    pub(crate) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        if inner.closed {
            return;
        }
        let before = inner.tail.len();
        write(&mut inner.tail);
        let added = inner.tail.len() - before;
        inner.split_when_long();
        self.unwritten.fetch_add(added, Ordering::Relaxed);
    }

    /// Appends a method by `write`, and the content of `message` after it, in frames of `frame_max` bytes.
    pub(crate) fn append_content(
        &self,
        channel: u16,
        frame_max: usize,
        message: &Arc<Message>,
        properties: Option<&[u8]>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let mut inner = self.inner();
        if inner.closed {
            return;
        }
        let before = inner.tail.len();
        write(&mut inner.tail);
        let body = message.body();
        encode::content_header(&mut inner.tail, channel, properties.unwrap_or(message.properties()), body.len());
        let mut added = 0;
        let share = body.len() >= SHARED_BODY_BYTES;
        let frame_payload = frame_max - frame::OVERHEAD;
        let mut start = 0;
        while start < body.len() {
            let end = body.len().min(start + frame_payload);
            encode::body_head(&mut inner.tail, channel, end - start);
            if share {
                inner.cut_tail();
                inner.pieces.push_back(Piece::Body { message: Arc::clone(message), start, end });
                added += end - start;
            } else {
                inner.tail.extend_from_slice(&body[start..end]);
            }
            inner.tail.push(frame::END);
            start = end;
        }
        // A shared body cuts the tail: what was before it is then counted by its pieces.
        let added = if share { added + message.content_bytes() - body.len() + 64 } else { inner.tail.len() - before };
        inner.split_when_long();
        drop(inner);
        self.unwritten.fetch_add(added, Ordering::Relaxed);
    }

    /// Wakes the task that writes.
    pub(crate) fn wake(&self) {
        let waker = self.inner().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Who is to be woken by the next [`Outbox::wake`].
    pub(crate) fn register(&self, waker: &Waker) {
        let mut inner = self.inner();
        if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
    }

    /// Nobody is to be woken: the task runs, and will look by itself.
    pub(crate) fn unregister(&self) {
        self.inner().waker = None;
    }

    /// Whether there is anything that was not taken.
    pub(crate) fn has_more(&self) -> bool {
        !self.inner().is_empty()
    }

    /// Moves everything to `batch`. Says whether there is anything to write.
    pub(crate) fn take(&self, batch: &mut Batch) -> bool {
        let mut inner = self.inner();
        inner.cut_tail();
        if batch.pieces.is_empty() {
            std::mem::swap(&mut batch.pieces, &mut inner.pieces);
        } else {
            batch.pieces.append(&mut inner.pieces);
        }
        !batch.pieces.is_empty()
    }

    /// Takes `batch`'s first `written` bytes away.
    pub(crate) fn written(&self, batch: &mut Batch, written: usize) {
        batch.advance(written);
        // The count of shared bodies is an estimate: it is set right whenever nothing is left.
        if batch.pieces.is_empty() && self.inner().is_empty() {
            self.unwritten.store(0, Ordering::Relaxed);
        } else {
            let _ = self.unwritten.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |unwritten| {
                Some(unwritten.saturating_sub(written))
            });
        }
    }

    /// Takes nothing in any more.
    pub(crate) fn close(&self) {
        let mut inner = self.inner();
        *inner = Inner { closed: true, ..Inner::default() };
    }
}

impl Inner {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.is_empty()
    }

    fn cut_tail(&mut self) {
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail);
            self.pieces.push_back(Piece::Owned(tail));
        }
    }

    fn split_when_long(&mut self) {
        if self.tail.len() >= PIECE_BYTES {
            self.cut_tail();
        }
    }
}

/// What is being written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pieces: VecDeque<Piece>,
    /// How much of the first piece is written.
    offset: usize,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The unwritten rest, as far as `slices` has room. Returns how many it filled.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            let skip = if filled == 0 { self.offset } else { 0 };
            *slot = IoSlice::new(&piece.bytes()[skip..]);
            filled += 1;
        }
        filled
    }

    fn advance(&mut self, written: usize) {
        let mut at = self.offset + written;
        while let Some(first) = self.pieces.front() {
            let length = first.bytes().len();
            if at < length {
                break;
            }
            at -= length;
            self.pieces.pop_front();
        }
        self.offset = at;
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &Outbox, step: usize) -> Vec<u8> {
        let (mut batch, mut all) = (Batch::default(), Vec::new());
        while outbox.take(&mut batch) {
            let mut slices = [IoSlice::new(&[]); 4];
            let filled = batch.fill(&mut slices);
            let joined: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
            let written = joined.len().min(step);
            all.extend(&joined[..written]);
            outbox.written(&mut batch, written);
        }
        all
    }

    #[test]
    fn a_large_body_is_shared_and_written_in_frames() {
        let body: Vec<u8> = (0..40_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let message = Arc::new(Message::new("e".into(), b"k", &[0, 0], &body));
        for step in [1_000, 7, 100_000] {
            let outbox = Outbox::new(1 << 20);
            outbox.append_content(1, 16_384, &message, None, |out| out.extend_from_slice(b"method"));
            let bytes = drain(&outbox, step);
            let bytes = bytes.strip_prefix(b"method").unwrap();
            let (mut at, mut collected, mut kinds) = (0, Vec::new(), Vec::new());
            while let frame::Next::Frame(frame, length) = frame::next(&bytes[at..], 16_384) {
                kinds.push(frame.kind);
                if frame.kind == frame::BODY {
                    collected.extend_from_slice(frame.payload);
                }
                at += length;
            }
            assert_eq!(at, bytes.len());
            assert_eq!(kinds, [2, 3, 3, 3]);
            assert!(collected == body);
            assert_eq!(outbox.unwritten_bytes(), 0);
        }
    }

    #[test]
    fn a_full_outbox_says_when_there_is_room_again() {
        let outbox = Outbox::new(100);
        outbox.append(|out| out.extend_from_slice(&[0; 120]));
        assert!(outbox.is_full());
        assert!(!outbox.take_starved());
        drain(&outbox, 10);
        assert!(!outbox.is_full());
        assert!(outbox.take_starved());
        assert!(!outbox.take_starved());
    }

    #[test]
    fn a_closed_outbox_takes_nothing() {
        let outbox = Outbox::new(100);
        outbox.close();
        outbox.append(|out| out.push(1));
        assert_eq!(outbox.unwritten_bytes(), 0);
    }
}
