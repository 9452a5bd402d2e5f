//! One-way messages whose handler returned a status: nobody waits for an answer, so trying again is the instance's own
//! business.
//!
//! A message is tried again by publishing it once more, to the end of its queue and with its tries counted in a header,
//! and acking the delivery when that is confirmed. So the count outlives the instance (a classic queue only says
//! `redelivered`), and a message that fails for long lets the others of its queue pass: it holds a place of the
//! prefetch for the pause only. The price: messages tried again lose their order, and an instance that dies between the
//! confirm and the ack leaves the message twice, under the same id.

use std::time::Duration;

use bytes::Bytes;
use lapin::{BasicProperties, types::ShortString};
use tokio::time::Instant;

use super::{delivery::Shared, settle::Unsettled};
use crate::{
    amqp::Settle,
    backoff,
    error::{PublishError, RejectReason},
    status::{Retry, Status},
    wire::{self, Head, Published},
};

/// How often one-way messages, events above all, are tried when their handler returns a status that allows it.
///
/// With the defaults a message is given up an hour after its first try, or later: longer than most outages of what a
/// handler needs.
#[derive(Clone, Copy, Debug)]
pub struct OneWayRetries {
    /// Most tries of a message, the first one included; then it is rejected, and a log line names it. 0 counts as 1.
    /// Default: 128.
    pub tries_max: u32,
    /// The pause before the second try; each later one is twice as long. Default: 1 s.
    pub pause: Duration,
    /// The longest pause. A message that rests holds its place of the prefetch. Default: 30 s.
    pub pause_max: Duration,
}

impl Default for OneWayRetries {
    fn default() -> Self {
        Self { tries_max: 128, pause: Duration::from_secs(1), pause_max: Duration::from_secs(30) }
    }
}

impl OneWayRetries {
    /// How long to rest after so many tries; none: no further one.
    fn pause_after(&self, tries: u32) -> Option<Duration> {
        (tries < self.tries_max).then(|| backoff::doubled(self.pause, self.pause_max, tries))
    }
}

/// Longest that a message is handled again and again here, because its own queue refuses it, or the broker takes
/// nothing. To put it back would count as a delivery, of which a quorum queue bounds the number; longer would be more
/// than RabbitMQ's consumer timeout leaves after the longest handler.
const KEPT_MAX: Duration = Duration::from_secs(3 * 60);

/// A one-way message that its handler refused, as it came.
pub(super) struct RefusedMessage<'a> {
    pub(super) properties: &'a BasicProperties,
    pub(super) head: &'a Head,
    /// If it was published to an exchange.
    pub(super) published: Option<&'a Published>,
    pub(super) body: Bytes,
}

/// What becomes of a one-way message that its handler refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Settle(Settle),
    /// It is handled once more, here.
    Again,
    /// It is left to another instance.
    Leave,
}

/// Rests, and publishes the message again, if it is to be tried again. It came at `arrived`.
pub(super) async fn refused(
    shared: &Shared,
    message: RefusedMessage<'_>,
    status: &Status,
    unsettled: &Unsettled,
    arrived: Instant,
) -> Next {
    let head = message.head;
    let (queue, id) = (shared.endpoint.queue.name.as_str(), head.call_id.as_str());
    let tries = head.tries.saturating_add(1);
    // What must not run twice, and may have run, is kept with the dead: there is nobody to ask.
    let may_repeat = shared.endpoint.may_repeat(head);
    let may_run = status.retry() == Retry::SameCall || may_repeat;
    let pause = match status.code.retry() {
        Retry::SameCall if may_run => shared.retries.pause_after(tries),
        _ => None,
    };
    let Some(pause) = pause else {
        tracing::error!(queue, id, tries, %status, "a one-way message is given up");
        return Next::Settle(Settle::Reject);
    };
    // Once a message, not once a try: an outage must not fill the log.
    if tries == 1 {
        tracing::warn!(queue, id, %status, "a one-way message was refused, and will be tried again");
    }
    // What is put back counts as one that may have run: what must not run twice is published again at once instead.
    tokio::select! {
        biased;
        // It is handed out again already.
        () = unsettled.lost() => return Next::Leave,
        () = shared.shutdown.cancelled() => {
            if may_repeat {
                return Next::Settle(Settle::PutBack);
            }
        }
        () = tokio::time::sleep(pause) => {}
    }
    let properties = match wire::retry_properties(message.properties, head, message.published, tries) {
        Ok(properties) => properties,
        Err(error) => {
            tracing::error!(queue, id, tries, %status, %error, "a one-way message is given up");
            return Next::Settle(Settle::Reject);
        }
    };
    tokio::select! {
        biased;
        () = unsettled.lost() => Next::Leave,
        next = publish_again(shared, properties, message.body, may_repeat, arrived) => next,
        // It may be in the queue twice then, if it was just on its way.
        () = shared.shutdown.cancelled(), if may_repeat => Next::Settle(Settle::PutBack),
    }
}

/// To the end of its own queue.
async fn publish_again(
    shared: &Shared,
    properties: BasicProperties,
    body: Bytes,
    may_repeat: bool,
    arrived: Instant,
) -> Next {
    let queue = shared.endpoint.queue.name.as_str();
    let queue = ShortString::try_new(queue).expect("the queue was declared under this name");
    let published = shared.client.publish_again(queue.clone(), properties, body, shared.endpoint.effect).await;
    let Err(error) = published else { return Next::Settle(Settle::Ack) };
    // Refused by the only queue it goes to: full, most likely, and who takes from it waits as this one does. Or the
    // broker blocks publishers, or is away.
    let is_nowhere = matches!(error, PublishError::Rejected(RejectReason::Broker)) || error.retry() == Retry::SameCall;
    if is_nowhere && arrived.elapsed() < KEPT_MAX && !shared.shutdown.is_cancelled() {
        return Next::Again;
    }
    let settle = if may_repeat { Settle::PutBack } else { Settle::Reject };
    tracing::warn!(%queue, %error, ?settle, "a one-way message could not be published again");
    Next::Settle(settle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_end_after_the_last_try() {
        let retries = OneWayRetries { tries_max: 6, pause: Duration::from_secs(1), pause_max: Duration::from_secs(5) };
        let pauses: Vec<_> = (1..=7).map(|tries| retries.pause_after(tries).map(|pause| pause.as_secs())).collect();
        assert_eq!(pauses, [Some(1), Some(2), Some(4), Some(5), Some(5), None, None]);
        let once = OneWayRetries { tries_max: 0, ..OneWayRetries::default() };
        assert_eq!(once.pause_after(1), None);
    }

    #[test]
    fn the_defaults_try_for_an_hour_and_never_overflow() {
        let retries = OneWayRetries::default();
        let total: Duration = (1..).map_while(|tries| retries.pause_after(tries)).sum();
        assert!(total > Duration::from_secs(60 * 60), "{total:?}");
        assert_eq!(OneWayRetries { tries_max: u32::MAX, ..retries }.pause_after(u32::MAX - 1), Some(retries.pause_max));
    }
}
