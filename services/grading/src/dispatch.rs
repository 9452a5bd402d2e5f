//! Sends submissions to runners, in the order of their turns, and stores what comes of it.
//!
//! Each instance runs one dispatcher. It claims submissions in the store under a lease that it renews, has a bounded
//! number of them in flight, and ends each attempt in one of three ways: a verdict, back in line, or `JE` after the
//! third lost attempt. What it holds when it is killed, and what ended without that being stored, comes back when the
//! lease ends.

mod attempt;
mod in_flight;
mod pace;
mod runner;

#[cfg(test)]
mod tests;

use std::{error::Error, sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;
use warren_host::clock;

pub(crate) use self::runner::Setback;
use self::{attempt::Attempt, in_flight::InFlight, pace::Pace, runner::Runner};
use crate::{
    state::State,
    store::{self, Claim},
    trouble::Trouble,
};

/// How a dispatcher works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DispatchOptions {
    /// Most submissions with runners at a time; the others wait in the store, where they have an order. Runners take
    /// one at a time from the broker's queue, which has none: so more than there are runners, to keep them busy, but
    /// not many more. Default: 64.
    pub(crate) in_flight_max: usize,
    /// How long a request may lie in the broker's queue, on top of what compiling and running may take.
    /// Default: 10 min.
    pub(crate) queue_allowance: Duration,
    /// How long a claim lasts without a renewal; renewed three times as often. Default: 30 s.
    pub(crate) lease: Duration,
    /// How often the store is looked at without being told, for other instances' submissions. Default: 500 ms.
    pub(crate) poll: Duration,
    /// The pause after a lost attempt, times four with each. Default: 1 s.
    pub(crate) lost_pause: Duration,
    /// The first pause after the store refused how an attempt ended, doubled with each. Default: 200 ms.
    pub(crate) store_pause: Duration,
    /// How long a dispatcher that stops waits for verdicts; the rest goes back in line. Default: 10 s.
    pub(crate) drain_timeout: Duration,
}

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            in_flight_max: 64,
            queue_allowance: Duration::from_secs(600),
            lease: Duration::from_secs(30),
            poll: Duration::from_millis(500),
            lost_pause: Duration::from_secs(1),
            store_pause: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// How an attempt ended, as the pace has to know it.
#[derive(Debug)]
enum Ended {
    Answered,
    Overdue,
    NoRunner(String),
}

/// Dispatches until the instance stops.
pub(crate) async fn run<R: Runner>(
    state: Arc<State>,
    runner: R,
    shutdown: CancellationToken,
    options: DispatchOptions,
) {
    let name = format!("grading-{}", Uuid::now_v7().simple());
    let dispatcher = Dispatcher { state, runner, name, in_flight: Arc::default(), options };
    Arc::new(dispatcher).run(shutdown).await;
}

struct Dispatcher<R> {
    state: Arc<State>,
    runner: R,
    /// Whose claims are whose.
    name: String,
    in_flight: Arc<InFlight>,
    options: DispatchOptions,
}

impl<R: Runner> Dispatcher<R> {
    async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut queued = self.state.queued.subscribe();
        let mut pace = Pace::new(self.options.in_flight_max);
        let mut trouble = Trouble::default();
        // Tasks, not futures of this one: a claim that waits for the store must not hold up who writes to it.
        let mut attempts = JoinSet::new();
        let mut poll = ticks(self.options.poll);
        let _leases = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&self).keep_leases()));
        loop {
            for claim in self.claim(pace.room(attempts.len(), Instant::now()), &mut trouble).await {
                attempts.spawn(Attempt::new(Arc::clone(&self), claim).judge());
            }
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(ended) = attempts.join_next() => adapt(&mut pace, ended),
                _ = poll.tick() => {}
                _ = queued.changed() => {}
            }
        }
        let drained = async { while attempts.join_next().await.is_some() {} };
        if timeout(self.options.drain_timeout, drained).await.is_err() {
            tracing::info!(dispatcher = self.name, "submissions that runners still have go back in line");
        }
        attempts.shutdown().await;
        if let Err(error) = self.state.store.release_claims(&self.name).await {
            let error = &error as &dyn Error;
            tracing::warn!(error, "claims are not released: their lease ends by itself");
        }
    }

    /// Claims nothing while the store rests from a failure.
    async fn claim(&self, room: usize, trouble: &mut Trouble) -> Vec<Claim> {
        if room == 0 || !trouble.pause(Instant::now()).is_zero() {
            return Vec::new();
        }
        let now_ms = clock::now_ms();
        match self.state.store.claim(&self.name, room, now_ms, self.lease_until_ms(now_ms)).await {
            Ok(claims) => {
                if trouble.ended() {
                    tracing::info!("submissions can be claimed again");
                }
                claims
            }
            Err(error) => {
                if trouble.failed(Instant::now()) {
                    tracing::warn!(error = &error as &dyn Error, "no submission can be claimed");
                }
                Vec::new()
            }
        }
    }

    /// Keeps the claims that this dispatcher works on, and takes back those that nobody does. Apart from the rest, so
    /// that no slow statement of that costs the lease.
    async fn keep_leases(self: Arc<Self>) {
        let mut renewal = ticks(self.options.lease / 3);
        let mut trouble = Trouble::default();
        loop {
            renewal.tick().await;
            match self.renew_and_take_back().await {
                Ok(taken) => {
                    if trouble.ended() {
                        tracing::info!("claims are renewed again");
                    }
                    if taken > 0 {
                        tracing::warn!(submissions = taken, "taken back: nobody works on them any more");
                    }
                }
                Err(error) => {
                    if trouble.failed(Instant::now()) {
                        tracing::warn!(error = &error as &dyn Error, "claims are not renewed: others may take them");
                    }
                }
            }
        }
    }

    /// How many were taken back.
    async fn renew_and_take_back(&self) -> store::Result<u64> {
        let now_ms = clock::now_ms();
        let attempts = self.in_flight.attempts();
        self.state.store.renew_claims(&self.name, &attempts, self.lease_until_ms(now_ms)).await?;
        self.state.store.take_back_expired(now_ms).await
    }

    fn lease_until_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(millis(self.options.lease))
    }
}

/// One line when the runners go, and one when they are back.
fn adapt(pace: &mut Pace, ended: Result<Ended, JoinError>) {
    match ended {
        Ok(Ended::Answered) => {
            if pace.answered() {
                tracing::info!("a runner is there: submissions are judged again");
            }
        }
        Ok(Ended::Overdue) => pace.overdue(),
        Ok(Ended::NoRunner(reason)) => {
            if pace.unavailable(Instant::now()) {
                tracing::warn!(reason, "no runner: submissions wait");
            }
        }
        Err(error) => tracing::error!(%error, "an attempt at judging failed: it is judged again when its lease ends"),
    }
}

/// Ticks that are not made up for when they were missed.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
