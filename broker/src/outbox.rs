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
    /// Bytes that are here or taken and not yet written. They are added under the lock, so that nobody takes what is
    /// not counted yet.
    unwritten: AtomicUsize,
    /// Over this, no consumer of the connection is given anything: a client that does not read must not fill the
    /// memory.
    limit: usize,
    /// A consumer was passed over because of the limit: the task has to call for deliveries when it has written enough.
    starved: AtomicBool,
    /// Nothing more is taken in: the connection is gone.
    closed: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    waker: Option<Waker>,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Outbox {
        let (starved, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Outbox { inner: Mutex::default(), unwritten: AtomicUsize::new(0), limit, starved, closed }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more should be delivered for now. The task is told to ask again when there is room
    /// ([`Outbox::take_starved`]).
    pub(crate) fn is_full(&self) -> bool {
        if self.unwritten.load(Ordering::Relaxed) < self.limit {
            return false;
        }
        self.starved.store(true, Ordering::SeqCst);
        // The task may have written everything, and looked, just before it could see this: then nobody would ask again.
        self.unwritten.load(Ordering::SeqCst) >= self.limit
    }

    /// Whether nothing is taken in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether someone found the outbox full, and it is at most half full now.
    pub(crate) fn take_starved(&self) -> bool {
        self.unwritten.load(Ordering::SeqCst) <= self.limit / 2
            && self.starved.load(Ordering::SeqCst)
            && self.starved.swap(false, Ordering::SeqCst)
    }

    /// Bytes that are not written yet.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// Appends what `write` writes. Nothing wakes the task: see [`Outbox::wake`].
    pub(crate) fn append(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.inner();
        if self.is_closed() {
            return;
        }
        let before = inner.tail.len();
        write(&mut inner.tail);
        self.unwritten.fetch_add(inner.tail.len() - before, Ordering::SeqCst);
        inner.split_when_long();
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
        if self.is_closed() {
            return;
        }
        let before = inner.tail.len();
        write(&mut inner.tail);
        let body = message.body();
        encode::content_header(&mut inner.tail, channel, properties.unwrap_or(message.properties()), body.len());
        let mut added = inner.tail.len() - before;
        let share = body.len() >= SHARED_BODY_BYTES;
        let frame_payload = frame_max - frame::OVERHEAD;
        let mut start = 0;
        while start < body.len() {
            let end = body.len().min(start + frame_payload);
            added += frame::OVERHEAD + end - start;
            encode::body_head(&mut inner.tail, channel, end - start);
            if share {
                inner.cut_tail();
                inner.pieces.push_back(Piece::Body { message: Arc::clone(message), start, end });
            } else {
                inner.tail.extend_from_slice(&body[start..end]);
            }
            inner.tail.push(frame::END);
            start = end;
        }
        self.unwritten.fetch_add(added, Ordering::SeqCst);
        inner.split_when_long();
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
        self.unwritten.fetch_sub(written, Ordering::SeqCst);
    }

    /// Takes nothing in any more.
    pub(crate) fn close(&self) {
        let mut inner = self.inner();
        self.closed.store(true, Ordering::Release);
        *inner = Inner::default();
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
            assert_eq!(outbox.unwritten_bytes(), 0);
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
        }
    }

    #[test]
    fn what_waits_is_counted_to_the_byte() {
        let outbox = Outbox::new(1 << 20);
        for body_bytes in [0, 1, 16_383, 16_384, 40_000, 16_376 * 3] {
            let message = Arc::new(Message::new("e".into(), b"key", &[0, 0], &vec![7; body_bytes]));
            outbox.append(|out| out.extend_from_slice(b"before"));
            outbox.append_content(1, 16_384, &message, None, |out| out.extend_from_slice(b"method"));
            let counted = outbox.unwritten_bytes();
            assert_eq!(drain(&outbox, usize::MAX).len(), counted, "{body_bytes}");
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
    fn the_smallest_outbox_has_room_when_it_is_empty() {
        let outbox = Outbox::new(1);
        outbox.append(|out| out.push(0));
        assert!(outbox.is_full());
        drain(&outbox, 1);
        assert!(outbox.take_starved());
    }

    #[test]
    fn who_finds_it_full_is_seen_by_who_empties_it() {
        for _ in 0..2_000 {
            let outbox = Outbox::new(1);
            outbox.append(|out| out.push(0));
            let barrier = std::sync::Barrier::new(2);
            let (found_full, told) = std::thread::scope(|scope| {
                let emptying = scope.spawn(|| {
                    barrier.wait();
                    drain(&outbox, 1);
                    outbox.take_starved()
                });
                barrier.wait();
                (outbox.is_full(), emptying.join().unwrap())
            });
            assert!(told || !found_full, "nobody would be told that there is room");
        }
    }

    #[test]
    fn a_closed_outbox_takes_nothing() {
        let outbox = Outbox::new(100);
        outbox.close();
        outbox.append(|out| out.push(1));
        assert_eq!(outbox.unwritten_bytes(), 0);
    }
}
