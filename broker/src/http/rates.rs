//! How fast what grows: two looks at all the numbers, some seconds apart. Older ones are forgotten: nothing piles up.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::App;
use crate::channel::ChannelId;
use crate::connection::ConnectionId;
use crate::counters::{Churn, Counters};
use crate::queue::QueueId;
use crate::vhost::snapshot::{Depth, Numbers};

/// How often the numbers are looked at. RabbitMQ does it every 5 s; who tries something out wants to see it sooner.
const INTERVAL: Duration = Duration::from_secs(2);

/// One look.
#[derive(Debug)]
struct Sample {
    at: Instant,
    vhosts: FxHashMap<String, Numbers>,
    /// Bytes that came, and bytes that went.
    connections: FxHashMap<ConnectionId, (u64, u64)>,
    /// Connections that ever came, and those that are gone.
    churn: (u64, u64),
}

/// The last two looks.
#[derive(Debug, Default)]
pub(super) struct Rates {
    before: Option<Arc<Sample>>,
    latest: Option<Arc<Sample>>,
}

/// A thing as it was, as it is, and the time between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<T> {
    before: T,
    latest: T,
    seconds: f64,
}

impl<T> Change<T> {
    /// How much more of it there is every second, to a tenth.
    pub(super) fn per_second(&self, of: impl Fn(&T) -> u64) -> f64 {
        if self.seconds <= 0.0 {
            return 0.0;
        }
        let rate = (of(&self.latest) as f64 - of(&self.before) as f64) / self.seconds;
        // 0.0 and no -0.0.
        (rate * 10.0).round() / 10.0 + 0.0
    }
}

impl Rates {
    /// Compares what `find` finds. What was not there before began from nothing; what is not there now does nothing.
    fn change<T: Default>(&self, find: impl Fn(&Sample) -> Option<T>) -> Change<T> {
        let nothing = || Change { before: T::default(), latest: T::default(), seconds: 0.0 };
        let (Some(before), Some(latest)) = (&self.before, &self.latest) else { return nothing() };
        let Some(found) = find(latest) else { return nothing() };
        let seconds = latest.at.duration_since(before.at).as_secs_f64();
        Change { before: find(before).unwrap_or_default(), latest: found, seconds }
    }

    pub(super) fn queue(&self, vhost: &str, id: QueueId) -> Change<(Depth, Counters)> {
        self.change(|sample| sample.vhosts.get(vhost)?.queues.get(&id).copied())
    }

    pub(super) fn channel(&self, vhost: &str, id: ChannelId) -> Change<Counters> {
        self.change(|sample| sample.vhosts.get(vhost)?.channels.get(&id).copied())
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Change<(u64, u64)> {
        self.change(|sample| sample.connections.get(&id).copied())
    }

    /// Of those vhosts together.
    pub(super) fn vhosts(&self, names: &[&str]) -> Change<(Depth, Counters, Churn)> {
        self.change(|sample| Some(sum(names.iter().filter_map(|name| sample.vhosts.get(*name)))))
    }

    pub(super) fn connection_churn(&self) -> Change<(u64, u64)> {
        self.change(|sample| Some(sample.churn))
    }
}

/// The numbers of several vhosts together.
pub(super) fn sum<'a>(vhosts: impl Iterator<Item = &'a Numbers>) -> (Depth, Counters, Churn) {
    let (mut depth, mut counters, mut churn) = (Depth::default(), Counters::default(), Churn::default());
    for numbers in vhosts {
        depth += numbers.depth;
        counters += &numbers.counters.classic;
        counters += &numbers.counters.quorum;
        churn += numbers.churn;
    }
    (depth, counters, churn)
}

/// Looks at the numbers for ever.
pub(super) async fn sample(app: Arc<App>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let sample = Arc::new(look(&app));
        let mut rates = app.rates.lock().unwrap_or_else(PoisonError::into_inner);
        *rates = Arc::new(Rates { before: rates.latest.clone(), latest: Some(sample) });
    }
}

fn look(app: &App) -> Sample {
    let numbers = |(name, vhost): (&str, &crate::vhost::Vhost)| (name.to_owned(), vhost.with(|state| state.numbers()));
    let controls = app.shared.controls();
    let connections = controls.iter().map(|control| (control.id(), (control.received.get().0, control.sent.get().0)));
    Sample {
        at: Instant::now(),
        vhosts: app.shared.vhosts().into_iter().map(numbers).collect(),
        connections: connections.collect(),
        churn: app.shared.connection_churn(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: Instant, connections: &[(u64, u64)]) -> Option<Arc<Sample>> {
        let connections = connections.iter().map(|(id, bytes)| (ConnectionId(*id), (*bytes, 0))).collect();
        Some(Arc::new(Sample { at, vhosts: FxHashMap::default(), connections, churn: (0, 0) }))
    }

    #[test]
    fn a_rate_is_the_difference_of_two_looks_by_the_time_between() {
        let now = Instant::now();
        let before = sample(now, &[(1, 100), (2, 50)]);
        let latest = sample(now + Duration::from_secs(4), &[(1, 300), (3, 40)]);
        let rates = Rates { before, latest };
        let rate = |id| rates.connection(ConnectionId(id)).per_second(|(received, _)| *received);
        assert_eq!([rate(1), rate(2), rate(3)], [50.0, 0.0, 10.0]);
    }

    #[test]
    fn there_is_no_rate_before_the_second_look() {
        let rates = Rates { before: None, latest: sample(Instant::now(), &[(1, 100)]) };
        assert_eq!(rates.connection(ConnectionId(1)).per_second(|(received, _)| *received), 0.0);
    }

    #[test]
    fn what_gets_less_has_a_negative_rate_and_nothing_is_zero() {
        let change = Change { before: 30, latest: 10, seconds: 2.0 };
        assert_eq!(change.per_second(|value| *value), -10.0);
        let change = Change { before: 1, latest: 0, seconds: 1000.0 };
        assert!(change.per_second(|value| *value).is_sign_positive());
    }
}
