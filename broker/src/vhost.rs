//! A virtual host: one lock around a state machine without I/O.
//!
//! A connection hands over the commands of one read under one lock ([`Vhost::with`]); what they lead to is written into
//! outboxes at once, and the tasks of those connections are woken when the lock is free again.
//!
//! - [`state`]: what there is, and what holds after every command;
//! - [`declare`], [`bind`], [`delete`]: topology;
//! - [`publish`], [`copies`], [`route`], [`dispatch`], [`get`]: messages on their way;
//! - [`consume`], [`settle`]: consumers and what they answer;
//! - [`dead_letter`], [`expiry`]: what ends otherwise;
//! - [`replies`]: direct reply-to;
//! - [`methods`]: which method leads where;
//! - `snapshot`: what there is, for those who look.

mod bind;
mod consume;
mod copies;
mod dead_letter;
mod declare;
mod delete;
mod dispatch;
mod expiry;
mod get;
mod methods;
mod publish;
mod replies;
mod route;
mod settle;
#[cfg(feature = "http")]
pub(crate) mod snapshot;
mod state;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Tick};
use crate::fault::Faults;
use crate::outbox::Outbox;
pub(crate) use state::State;

/// Timers rest for so long after a panic: one that came again and again must not fill a log.
const AFTER_A_PANIC: Duration = Duration::from_millis(10);

/// A virtual host.
#[derive(Debug)]
pub(crate) struct Vhost {
    state: Mutex<State>,
    /// A timer is due earlier than the timer task sleeps.
    timers_changed: Notify,
    clock: Clock,
}

impl Vhost {
    pub(crate) fn new(name: &str, clock: Clock, settings: state::VhostSettings, faults: Arc<Faults>) -> Vhost {
        let state = Mutex::new(State::new(name, clock.now(), settings, faults));
        Vhost { state, timers_changed: Notify::new(), clock }
    }

    /// Runs `work` on the state, brings what it led to to an end, and wakes the connections that have something to
    /// write.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.now = self.clock.now();
        let result = work(&mut state);
        state.finish();
        let wake = state.take_woken();
        let timers_changed = std::mem::take(&mut state.timers_changed);
        drop(state);
        wake.iter().for_each(|outbox: &Arc<Outbox>| outbox.wake());
        if timers_changed {
            self.timers_changed.notify_one();
        }
        result
    }

    /// Lets messages and queues expire, for ever.
    pub(crate) async fn run_timers(&self) {
        self.fire_for_ever(State::fire_timers).await;
    }

    /// Calls `fire` whenever a timer is due. A panic in there would be a mistake of ours: it costs the timer that it
    /// came from, which is taken out before it is fired, and not all those after it.
    async fn fire_for_ever(&self, mut fire: impl FnMut(&mut State) -> Option<Tick>) {
        loop {
            let changed = self.timers_changed.notified();
            match panic::catch_unwind(AssertUnwindSafe(|| self.with(&mut fire))) {
                Err(_) => {
                    tracing::error!("a timer's work panicked: it is left out");
                    tokio::time::sleep(AFTER_A_PANIC).await;
                }
                Ok(None) => changed.await,
                Ok(Some(next)) => {
                    let next = tokio::time::Instant::from_std(self.clock.instant(next));
                    tokio::select! {
                        () = tokio::time::sleep_until(next) => {}
                        () = changed => {}
                    }
                }
            }
        }
    }
}

pub(crate) use state::VhostSettings;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn timers_outlive_a_panic() {
        let settings = VhostSettings { strict: false, body_bytes_max: 1 << 20 };
        let vhost = Vhost::new("/", Clock::start(), settings, Arc::new(Faults::default()));
        let mut fired = 0;
        let (again, mut fired_again) = tokio::sync::mpsc::unbounded_channel();
        let work = |_: &mut State| {
            fired += 1;
            assert_ne!(fired, 1, "the first timer panics, as this test wants");
            again.send(()).unwrap();
            None
        };
        tokio::select! {
            () = vhost.fire_for_ever(work) => {}
            heard = fired_again.recv() => assert!(heard.is_some()),
        }
    }
}
