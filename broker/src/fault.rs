//! Faults on demand: what goes wrong with deliveries and confirms. What goes wrong with connections stands at
//! [`crate::Broker`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What happens to one delivery or confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// It is never sent. A delivery counts as given out: it comes back when its channel closes, and is lost to a
    /// consumer that does not ack.
    Drop,
    /// It is sent twice, one after the other. A delivery then has two delivery tags, as if it had been published twice.
    Repeat,
}

/// A plan for deliveries and confirms. Shared by all vhosts of a broker.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Whether there is any plan: the only thing that is looked at for every message.
    armed: AtomicBool,
    plans: Mutex<Plans>,
}

#[derive(Debug, Default)]
struct Plans {
    deliveries: Vec<Plan>,
    confirms: Vec<Plan>,
    random: Option<Random>,
}

#[derive(Debug)]
struct Plan {
    /// None: any queue.
    queue: Option<String>,
    /// How many are let through before.
    remaining: u64,
    tampering: Tampering,
}

#[derive(Debug)]
struct Random {
    state: u64,
    /// Of 2^32.
    drop_below: u64,
    repeat_below: u64,
}

impl Faults {
    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans for the `nth` delivery from now, of one queue.
    pub(crate) fn plan_delivery(&self, queue: &str, nth: u64, tampering: Tampering) {
        let plan = Plan { queue: Some(queue.to_owned()), remaining: nth.saturating_sub(1), tampering };
        self.plans().deliveries.push(plan);
        self.armed.store(true, Ordering::Release);
    }

    /// Plans for the `nth` confirm from now.
    pub(crate) fn plan_confirm(&self, nth: u64, tampering: Tampering) {
        self.plans().confirms.push(Plan { queue: None, remaining: nth.saturating_sub(1), tampering });
        self.armed.store(true, Ordering::Release);
    }

    /// Drops and repeats deliveries and confirms at random, in shares of one, the same for the same seed and order.
    pub(crate) fn randomize(&self, seed: u64, drop_share: f64, repeat_share: f64) {
        let scaled = |share: f64| (share.clamp(0.0, 1.0) * f64::from(u32::MAX)) as u64;
        let random = Random {
            state: seed,
            drop_below: scaled(drop_share),
            repeat_below: scaled(drop_share) + scaled(repeat_share),
        };
        self.plans().random = Some(random);
        self.armed.store(true, Ordering::Release);
    }

    /// Forgets every plan.
    pub(crate) fn clear(&self) {
        *self.plans() = Plans::default();
        self.armed.store(false, Ordering::Release);
    }

    pub(crate) fn on_delivery(&self, queue: &str) -> Option<Tampering> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut plans = self.plans();
        let planned = next(&mut plans.deliveries, |plan| plan.queue.as_deref().is_none_or(|name| name == queue));
        planned.or_else(|| plans.at_random())
    }

    pub(crate) fn on_confirm(&self) -> Option<Tampering> {
        if !self.armed.load(Ordering::Relaxed) {
            return None;
        }
        let mut plans = self.plans();
        next(&mut plans.confirms, |_| true).or_else(|| plans.at_random())
    }
}

impl Plans {
    fn at_random(&mut self) -> Option<Tampering> {
        let Some(random) = &mut self.random else { return None };
        let drawn = random.next() >> 32;
        if drawn < random.drop_below {
            Some(Tampering::Drop)
        } else if drawn < random.repeat_below {
            Some(Tampering::Repeat)
        } else {
            None
        }
    }
}

impl Random {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Counts one event down in every plan that it concerns, and takes the plan that is due.
fn next(plans: &mut Vec<Plan>, concerned: impl Fn(&Plan) -> bool) -> Option<Tampering> {
    let mut due = None;
    plans.retain_mut(|plan| {
        if !concerned(plan) {
            return true;
        }
        if plan.remaining == 0 && due.is_none() {
            due = Some(plan.tampering);
            return false;
        }
        plan.remaining = plan.remaining.saturating_sub(1);
        true
    });
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nth_delivery_of_a_queue_is_hit_and_no_other() {
        let faults = Faults::default();
        faults.plan_delivery("q", 3, Tampering::Drop);
        let hits: Vec<_> = (0..4).map(|_| faults.on_delivery("q")).collect();
        assert_eq!(hits, [None, None, Some(Tampering::Drop), None]);
        assert_eq!(faults.on_delivery("other"), None);
    }

    #[test]
    fn a_seed_gives_the_same_faults_again() {
        let draw = |seed| {
            let faults = Faults::default();
            faults.randomize(seed, 0.2, 0.2);
            (0..1000).map(|_| faults.on_confirm()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let dropped = draw(7).iter().filter(|it| **it == Some(Tampering::Drop)).count();
        assert!((150..250).contains(&dropped), "{dropped}");
    }
}
