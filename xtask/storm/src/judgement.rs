//! What was promised, and what was found.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    calls::{Calls, DEADLINE, WRONG_REPLY},
    faults::Made,
    target::Held,
};

/// More than this share of what was held before is a leak.
const GROWTH_MAX: f64 = 0.05;

/// The counts of a storm.
#[derive(Debug, Serialize)]
pub(crate) struct Judgement {
    pub(crate) seed: u64,
    pub(crate) broker: String,
    pub(crate) faults: Made,
    pub(crate) calls: usize,
    pub(crate) ended: BTreeMap<&'static str, u64>,
    pub(crate) slowest_ms: u128,
    /// Accepted calls by how many effects they had.
    pub(crate) effects_of_accepted: BTreeMap<u64, u64>,
    /// Calls that were not accepted, by how many effects they had: none or one.
    pub(crate) effects_of_others: BTreeMap<u64, u64>,
    /// Queues that hold something still.
    pub(crate) held: Vec<Held>,
    /// Requests that ended three processes, or whose reply nobody could take: kept for an operator.
    pub(crate) dead_letters: u64,
    pub(crate) live_bytes_before: usize,
    pub(crate) live_bytes_after: usize,
    /// The promises that were broken.
    pub(crate) broken: Vec<String>,
}

impl Judgement {
    /// Looks at everything that was promised.
    pub(crate) fn judge(&mut self, slowest: Duration) {
        let mut broken = Vec::new();
        let mut check = |is_kept: bool, what: &str| {
            if !is_kept {
                broken.push(what.to_owned());
            }
        };
        check(!self.ended.contains_key("not ended"), "every call ends");
        check(slowest <= DEADLINE + Duration::from_secs(1), "no call ends later than its deadline and a second");
        check(self.ended.contains_key("accepted"), "some call is accepted");
        check(!self.ended.contains_key(WRONG_REPLY), "no call gets another one's reply");
        check(self.effects_of_accepted.keys().all(|&effects| effects == 1), "an accepted call has one effect");
        check(self.effects_of_others.keys().all(|&effects| effects <= 1), "no call has two effects");
        check(self.held.is_empty(), "no queue holds anything");
        check(
            self.dead_letters <= self.ended.get("internal").copied().unwrap_or_default(),
            "what is kept with the dead was told to its caller",
        );
        let most = self.live_bytes_before as f64 * (1.0 + GROWTH_MAX);
        check(self.live_bytes_after as f64 <= most, "live heap bytes are back within 5 %");
        self.broken = broken;
    }

    /// Notes how many effects each call had.
    pub(crate) fn count_effects(&mut self, calls: &Calls, effects: &std::collections::HashMap<String, u64>) {
        for number in 0..calls.len() {
            let count = effects.get(&calls.call_id(number)).copied().unwrap_or_default();
            let counts =
                if calls.is_accepted(number) { &mut self.effects_of_accepted } else { &mut self.effects_of_others };
            *counts.entry(count).or_default() += 1;
        }
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let Made { instances_killed, connections_cut, broker_restarted, broker_killed } = self.faults;
        let counts = |counts: &BTreeMap<u64, u64>| {
            let parts: Vec<_> = counts.iter().map(|(effects, calls)| format!("{calls} had {effects}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        let ended: Vec<_> = self.ended.iter().map(|(end, calls)| format!("{calls} {end}")).collect();
        let rows = [
            ("broker", self.broker.clone()),
            ("seed", self.seed.to_string()),
            ("instances killed", instances_killed.to_string()),
            ("connections cut", connections_cut.to_string()),
            ("broker restarted, killed", format!("{broker_restarted}, {broker_killed}")),
            ("calls", self.calls.to_string()),
            ("ended", ended.join(", ")),
            ("slowest", format!("{} ms", self.slowest_ms)),
            ("effects of accepted calls", counts(&self.effects_of_accepted)),
            ("effects of the others", counts(&self.effects_of_others)),
            ("held in queues", format!("{:?}", self.held)),
            ("dead letters", self.dead_letters.to_string()),
            ("live heap bytes", format!("{} before, {} after", self.live_bytes_before, self.live_bytes_after)),
            ("broken promises", if self.broken.is_empty() { "none".to_owned() } else { self.broken.join("; ") }),
        ];
        rows.map(|(what, count)| format!("{what:<26} {count}\n")).concat()
    }
}
