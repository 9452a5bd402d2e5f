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

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::fault::Faults;
use crate::outbox::Outbox;
pub(crate) use state::State;

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
        loop {
            let changed = self.timers_changed.notified();
            match self.with(State::fire_timers) {
                None => changed.await,
                Some(next) => {
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
