use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A broker with requests for ever, and the consumers of one instance.
struct Played {
    relay: Relay<u64>,
    consumers: [bool; SEATS],
    /// Whose delivery is not told of.
    unsettled: BTreeMap<u64, usize>,
    unanswered: Vec<u64>,
    unconfirmed: Vec<u64>,
    told: Vec<u64>,
    tag: u64,
    now: Instant,
}

impl Played {
    fn new() -> Self {
        Self {
            relay: Relay::default(),
            consumers: [true, false],
            unsettled: BTreeMap::new(),
            unanswered: Vec::new(),
            unconfirmed: Vec::new(),
            told: Vec::new(),
            tag: 0,
            now: Instant::now(),
        }
    }

    /// The seats whose consumers the broker gives a request.
    fn invited(&self) -> Vec<usize> {
        (0..SEATS).filter(|seat| self.consumers[*seat] && self.unsettled.values().all(|other| other != seat)).collect()
    }

    fn tell(&mut self, tag: u64) {
        assert!(self.unsettled.remove(&tag).is_some(), "{tag} is told of twice");
        self.told.push(tag);
    }

    fn deliver(&mut self) {
        if let Some(seat) = self.invited().first().copied() {
            self.tag += 1;
            self.unsettled.insert(self.tag, seat);
            self.unanswered.push(self.tag);
            self.relay.arrived(seat, self.tag);
        }
    }

    /// The handler ends; whether its caller wants a reply.
    fn end(&mut self, wants_reply: bool) {
        let Some(tag) = self.unanswered.pop() else { return };
        if !wants_reply {
            return self.settle(tag);
        }
        self.unconfirmed.push(tag);
        match self.relay.answered(tag, self.now) {
            Some(Step::Settle(tag)) => self.tell(tag),
            Some(Step::Open(seat)) => {
                assert!(!self.consumers[seat], "a consumer is opened twice");
                self.consumers[seat] = true;
            }
            None => {}
        }
    }

    fn settle(&mut self, tag: u64) {
        if let Some(tag) = self.relay.settled(tag, tag) {
            self.tell(tag);
        }
    }

    fn confirm(&mut self, which: usize) {
        if !self.unconfirmed.is_empty() {
            let tag = self.unconfirmed.remove(which % self.unconfirmed.len());
            self.settle(tag);
        }
    }

    fn let_go(&mut self) {
        if let Some((seat, tag)) = self.relay.let_go() {
            self.consumers[seat] = false;
            self.tell(tag);
        }
    }

    fn check(&self) {
        let unanswered = self.unanswered.len() + self.invited().len();
        assert!(unanswered <= 1, "{unanswered} requests are not answered, here or to come");
        assert!(self.consumers.contains(&true), "nobody consumes");
        let is_waited_for = unanswered + self.unconfirmed.len() > 0;
        assert!(is_waited_for, "nothing is to come");
    }

    /// Requests that are answered, and confirmed before the next one is.
    fn hurry(&mut self, requests: u8) {
        for _ in 0..requests {
            self.deliver();
            self.end(true);
            self.confirm(0);
            self.check();
        }
    }
}

#[test]
fn one_consumer_is_enough_while_requests_come_slowly() {
    let mut played = Played::new();
    for _ in 0..100 {
        played.now += FAST * 2;
        played.hurry(1);
        assert_eq!((played.consumers, played.relay.held()), ([true, false], None));
    }
    assert_eq!(played.told.len(), 100);
}

#[test]
fn while_they_come_fast_the_next_one_comes_before_the_last_reply_is_confirmed() {
    let mut played = Played::new();
    played.hurry(FAST_RUN + 1);
    assert_eq!(played.consumers, [true, true]);
    for _ in 0..10 {
        played.deliver();
        assert_eq!(played.unanswered.len(), 1, "it has come");
        played.end(true);
        assert_eq!(played.invited().len(), 1, "and so may the next one");
        played.confirm(0);
        played.check();
        assert_eq!(played.relay.held(), Some(played.tag));
    }
}

#[test]
fn while_a_request_is_handled_for_long_the_one_before_it_is_acked_and_no_other_comes() {
    let mut played = Played::new();
    played.hurry(FAST_RUN + 1);
    played.deliver();
    let [held] = played.unsettled.keys().filter(|tag| !played.unanswered.contains(tag)).collect::<Vec<_>>()[..] else {
        panic!("one is held")
    };
    assert_eq!(played.relay.held(), Some(*held));
    played.let_go();
    assert_eq!(played.unsettled.len(), 1);
    assert!(played.invited().is_empty());
    played.end(true);
    played.confirm(0);
    assert_eq!(played.unsettled.len(), 0);
    assert_eq!(played.invited().len(), 1);
}

#[test]
fn what_wants_no_reply_is_not_held() {
    let mut played = Played::new();
    played.hurry(FAST_RUN + 1);
    let held = played.relay.held();
    assert!(held.is_some());
    for _ in 0..10 {
        played.deliver();
        played.end(false);
        played.check();
        assert_eq!((played.unsettled.len(), played.relay.held()), (1, held), "it is settled at once");
    }
}

#[test]
fn a_reply_that_is_never_confirmed_keeps_one_consumer_and_not_the_other() {
    let mut played = Played::new();
    played.hurry(FAST_RUN + 1);
    played.deliver();
    played.end(true);
    let stuck = played.unconfirmed.pop().unwrap();
    for _ in 0..10 {
        played.deliver();
        played.end(true);
        played.confirm(0);
    }
    assert!(played.unsettled.contains_key(&stuck));
    assert_eq!(played.invited().len(), 1);
}

proptest! {
    #[test]
    fn never_are_two_not_answered_and_each_is_told_of_once(
        steps in proptest::collection::vec((0..6_u8, any::<usize>()), 1..400),
    ) {
        let mut played = Played::new();
        for (step, which) in steps {
            match step {
                0 | 1 => played.deliver(),
                2 => played.end(which % 8 != 0),
                3 => played.confirm(which),
                4 if which % 16 == 0 => played.let_go(),
                _ => played.now += FAST / 8,
            }
            played.check();
        }
        while !played.unsettled.is_empty() {
            played.end(true);
            played.confirm(0);
            played.let_go();
            played.check();
        }
        let mut told = played.told.clone();
        told.sort_unstable();
        prop_assert_eq!(told, (1..=played.tag).collect::<Vec<_>>());
    }
}
