//! The calls, and how each ended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};
use warren_rpc::{CallError, CallOptions, Client, Code, RejectReason};

use crate::method::HaveEffect;

/// Every call ends by then.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// How a call can end, as one byte: so that ten thousand of them take no memory worth speaking of.
const ENDS: [&str; 10] = [
    "not ended",
    "accepted",
    "deadline_exceeded",
    "unavailable",
    "internal",
    "another status",
    "connection lost",
    "not accepted",
    WRONG_REPLY,
    "unroutable",
];
const ACCEPTED: u8 = 1;

/// How a call ends that got another one's reply.
pub(crate) const WRONG_REPLY: &str = "wrong reply";

/// What became of the calls.
pub(crate) struct Calls {
    seed: u64,
    ends: Vec<AtomicU8>,
    slowest_ms: AtomicU64,
}

impl Calls {
    pub(crate) fn new(seed: u64, count: usize) -> Arc<Calls> {
        let ends = (0..count).map(|_| AtomicU8::new(0)).collect();
        Arc::new(Calls { seed, ends, slowest_ms: AtomicU64::new(0) })
    }

    pub(crate) fn call_id(&self, number: usize) -> String {
        format!("storm-{}-{number}", self.seed)
    }

    /// Makes the calls, spread evenly over the time, and returns when all have ended; or, if some do not, a second
    /// after the last one's deadline.
    pub(crate) async fn make(self: &Arc<Self>, client: &Client, spread_over: Duration) {
        let (begun, count) = (Instant::now(), u32::try_from(self.ends.len()).unwrap_or(u32::MAX));
        let mut running = JoinSet::new();
        for number in 0..self.ends.len() {
            let part = u32::try_from(number).unwrap_or(u32::MAX);
            tokio::time::sleep_until(begun + spread_over * part / count.max(1)).await;
            let (calls, client) = (Arc::clone(self), client.clone());
            running.spawn(async move { calls.call(&client, number).await });
            while running.try_join_next().is_some() {}
        }
        let all = async { while running.join_next().await.is_some() {} };
        // What has not ended is seen by its mark.
        let _ = tokio::time::timeout(DEADLINE + Duration::from_secs(1), all).await;
    }

    async fn call(&self, client: &Client, number: usize) {
        let begun = Instant::now();
        let options = CallOptions { deadline: DEADLINE, call_id: Some(self.call_id(number)), ..CallOptions::default() };
        let request = number as u64;
        let end = match client.call_with::<HaveEffect>(&request, options).await {
            Ok(reply) if reply == request => ACCEPTED,
            Ok(_) => 8,
            Err(error) => end_of(&error),
        };
        self.ends[number].store(end, Ordering::Relaxed);
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.slowest_ms.fetch_max(took_ms, Ordering::Relaxed);
    }

    pub(crate) fn is_accepted(&self, number: usize) -> bool {
        self.ends[number].load(Ordering::Relaxed) == ACCEPTED
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many calls ended so.
    pub(crate) fn by_end(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for end in &self.ends {
            *counts.entry(ENDS[usize::from(end.load(Ordering::Relaxed))]).or_default() += 1;
        }
        counts
    }

    /// How long the slowest call took.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest_ms.load(Ordering::Relaxed))
    }
}

fn end_of(error: &CallError) -> u8 {
    match error {
        CallError::Status(status) => match status.code {
            Code::DeadlineExceeded => 2,
            Code::Unavailable => 3,
            Code::Internal => 4,
            _ => 5,
        },
        CallError::ConnectionLost { .. } => 6,
        CallError::Rejected(RejectReason::Broker) => 7,
        CallError::Unroutable { .. } => 9,
        _ => 5,
    }
}
