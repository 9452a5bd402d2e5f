//! What happened so far, counted: plain numbers in state that is locked anyway.

/// What is counted, in RabbitMQ's words (its management API's `message_stats`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Came in. A queue counts what a publisher's message was routed to it; what dead-lettering brings is not counted.
    Publish,
    /// Came in on a channel with confirms.
    PublishConfirmed,
    /// Confirmed to its publisher; a refusal (nack) is not counted.
    Confirm,
    /// Had nowhere to go, and was sent back.
    ReturnUnroutable,
    /// Had nowhere to go, and was dropped.
    DropUnroutable,
    /// Given to a consumer that acks.
    Deliver,
    /// Given to a consumer that does not ack.
    DeliverNoAck,
    /// Fetched with `basic.get`, to be acked.
    Get,
    /// Fetched with `basic.get`, and settled with that.
    GetNoAck,
    /// Nothing was there for a `basic.get`.
    GetEmpty,
    /// Given out again, in one of the ways above.
    Redeliver,
    /// Acked.
    Ack,
}

const COUNTS: usize = Count::Ack as usize + 1;

/// How often each of it happened. It only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counters([u64; COUNTS]);

impl Counters {
    pub(crate) fn add(&mut self, count: Count) {
        self.0[count as usize] += 1;
    }

    pub(crate) fn add_times(&mut self, count: Count, times: usize) {
        self.0[count as usize] += times as u64;
    }

    /// A message was given out.
    pub(crate) fn add_delivery(&mut self, count: Count, redelivered: bool) {
        self.add(count);
        self.0[Count::Redeliver as usize] += u64::from(redelivered);
    }
}

/// What a whole vhost did; queues that are gone, too.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ByQueueType {
    /// Of classic queues, and of no queue.
    pub(crate) classic: Counters,
    pub(crate) quorum: Counters,
}

impl ByQueueType {
    pub(crate) fn of(&mut self, is_quorum: bool) -> &mut Counters {
        if is_quorum { &mut self.quorum } else { &mut self.classic }
    }
}

/// Reading them: only what is shown over HTTP does.
#[cfg(feature = "http")]
impl Counters {
    pub(crate) fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// Given out in any way.
    pub(crate) fn deliver_get(&self) -> u64 {
        [Count::Deliver, Count::DeliverNoAck, Count::Get, Count::GetNoAck].iter().map(|count| self.get(*count)).sum()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

#[cfg(feature = "http")]
impl std::ops::AddAssign<&Counters> for Counters {
    fn add_assign(&mut self, other: &Counters) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// Queues and channels that came and went.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Churn {
    /// Declared, whether they were there already or not.
    pub(crate) queues_declared: u64,
    pub(crate) queues_created: u64,
    pub(crate) queues_deleted: u64,
    pub(crate) channels_opened: u64,
    pub(crate) channels_closed: u64,
}

#[cfg(feature = "http")]
impl std::ops::AddAssign for Churn {
    fn add_assign(&mut self, other: Churn) {
        self.queues_declared += other.queues_declared;
        self.queues_created += other.queues_created;
        self.queues_deleted += other.queues_deleted;
        self.channels_opened += other.channels_opened;
        self.channels_closed += other.channels_closed;
    }
}
