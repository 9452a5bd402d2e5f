//! Two consumers of one endpoint that relieve each other, for an instance that takes one request at a time.
//!
//! A request is acked once its reply is confirmed, and its ack invites the next one: with one consumer and a prefetch
//! of 1 nothing is handled for a whole journey to the broker and back. So while requests come fast there is a second
//! consumer, with a prefetch of 1 as well: it gets the next request while the reply to the last one is confirmed.
//!
//! Never are there two requests that are not answered, here or on their way: another instance could have handled the
//! second. So the ack of an answered request is held while the other consumer has one that is not, or waits for one;
//! and if that takes long, the consumer whose ack is held is cancelled, and the request acked. No I/O.

use std::time::{Duration, Instant};

/// How many consumers there are at most.
pub(super) const SEATS: usize = 2;

/// How long the ack of an answered request is held before its consumer is cancelled: 10 ms at least and 20 ms at most,
/// for one wait may begin with the ack that was held before it.
pub(super) const HELD_MAX: Duration = Duration::from_millis(10);

/// Longest between two answers for requests to come fast: a journey to the broker and back is short against it.
const FAST: Duration = Duration::from_millis(5);

/// How many have to be answered one soon after another before a second consumer is worth what it costs.
const FAST_RUN: u8 = 8;

/// Where a consumer is with its one request. `O` says how that is settled.
#[derive(Debug, PartialEq, Eq)]
enum Seat<O> {
    /// There is no consumer.
    Vacant,
    /// It waits for a request.
    Free,
    /// It has a request that is not answered.
    Taken(u64),
    /// The reply to its request is on its way.
    Answered(u64),
    /// Its request is answered; how it is settled is known, and not told to the broker.
    Held(u64, O),
}

impl<O> Seat<O> {
    /// Whether it has a request that is not answered, or will have.
    fn may_have_one(&self) -> bool {
        matches!(self, Self::Free | Self::Taken(_))
    }

    fn is_of(&self, tag: u64) -> bool {
        matches!(self, Self::Taken(own) | Self::Answered(own) if *own == tag)
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<O> {
    /// The broker is told of a delivery.
    Settle(O),
    /// A consumer is opened for a seat.
    Open(usize),
}

/// The consumers, each with its seat; the first one is there from the beginning.
#[derive(Debug)]
pub(super) struct Relay<O> {
    seats: [Seat<O>; SEATS],
    pace: Pace,
}

impl<O> Default for Relay<O> {
    fn default() -> Self {
        Self { seats: [Seat::Free, Seat::Vacant], pace: Pace::default() }
    }
}

impl<O> Relay<O> {
    /// A consumer got a request.
    pub(super) fn arrived(&mut self, seat: usize, tag: u64) {
        self.seats[seat] = Seat::Taken(tag);
    }

    /// A reply is about to be written: the other consumer may get the next request.
    pub(super) fn answered(&mut self, tag: u64, now: Instant) -> Option<Step<O>> {
        let is_fast = self.pace.answered(now);
        let seat = self.seat_of(tag)?;
        self.seats[seat] = Seat::Answered(tag);
        if let Some((_, held)) = self.free_held() {
            return Some(Step::Settle(held));
        }
        let other = other(seat);
        if is_fast && matches!(self.seats[other], Seat::Vacant) {
            self.seats[other] = Seat::Free;
            return Some(Step::Open(other));
        }
        None
    }

    /// It is known how a delivery is settled: given back if the broker may be told now.
    ///
    /// Only what is answered is held. What wanted no reply must not be handed out again for the sake of the next one.
    pub(super) fn settled(&mut self, tag: u64, order: O) -> Option<O> {
        let Some(seat) = self.seat_of(tag) else { return Some(order) };
        let is_answered = matches!(self.seats[seat], Seat::Answered(_));
        if is_answered && self.seats[other(seat)].may_have_one() {
            self.seats[seat] = Seat::Held(tag, order);
            return None;
        }
        self.seats[seat] = Seat::Free;
        Some(order)
    }

    fn seat_of(&self, tag: u64) -> Option<usize> {
        self.seats.iter().position(|seat| seat.is_of(tag))
    }

    /// The delivery that is held, if one is.
    pub(super) fn held(&self) -> Option<u64> {
        self.held_at().map(|(_, tag)| tag)
    }

    fn held_at(&self) -> Option<(usize, u64)> {
        self.seats.iter().enumerate().find_map(|(index, seat)| match seat {
            Seat::Held(tag, _) => Some((index, *tag)),
            _ => None,
        })
    }

    /// Holds nothing any longer: the seat whose consumer is cancelled first, so that it gets no other request for that,
    /// and what is told then.
    pub(super) fn let_go(&mut self) -> Option<(usize, O)> {
        let (seat, order) = self.free_held()?;
        self.seats[seat] = Seat::Vacant;
        // So its seat is not filled before it has ended: the broker reads the cancel before the acks that bring what
        // makes the pace.
        self.pace = Pace::default();
        Some((seat, order))
    }

    /// Lets the consumer of the one that is held have the next request.
    fn free_held(&mut self) -> Option<(usize, O)> {
        let (held, _) = self.held_at()?;
        match std::mem::replace(&mut self.seats[held], Seat::Free) {
            Seat::Held(_, order) => Some((held, order)),
            _ => None,
        }
    }
}

fn other(seat: usize) -> usize {
    SEATS - 1 - seat
}

/// Whether requests come fast.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
    fast: u8,
}

impl Pace {
    fn answered(&mut self, now: Instant) -> bool {
        let is_fast = self.last.is_some_and(|last| now.saturating_duration_since(last) <= FAST);
        self.fast = if is_fast { self.fast.saturating_add(1) } else { 0 };
        self.last = Some(now);
        self.fast >= FAST_RUN
    }
}

#[cfg(test)]
mod tests;
