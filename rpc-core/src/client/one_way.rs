//! One message that nobody answers: its attempts, within one timeout.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::{BasicProperties, types::ShortString};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use uuid::Uuid;

use super::{Client, RetryPolicy, call::RESENT_MAX};
use crate::{
    amqp,
    codec::Codec,
    deadline,
    error::{PublishError, RejectReason},
    link::{Link, LinksEnded},
    method::Effect,
    publisher::lanes::{Destination, NotConfirmed},
    wire::OneWayHead,
};

/// Longer than the end of a connection takes to be known to all.
const NOTICED_WITHIN: Duration = Duration::from_millis(50);

/// A message that nobody answers.
pub(super) struct OneWay<'a> {
    pub(super) client: &'a Client,
    pub(super) destination: Destination,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
    pub(super) timeout: Duration,
    /// Whether it may be published again, under its id, when nobody knows whether it was.
    pub(super) may_repeat: bool,
    /// Whether it is published again when a queue refused it.
    pub(super) retry: RetryPolicy,
}

impl Client {
    /// What a one-way message says beside its body; the id is a new one if none is given.
    pub(super) fn one_way_head(&self, codec: Codec, id: Option<&str>) -> Result<OneWayHead, RejectReason> {
        let message_id = match id {
            Some(id) => amqp::name("message's id", id)?,
            None => Uuid::now_v7().to_string().into(),
        };
        let scope = self.scope.as_deref();
        Ok(OneWayHead {
            message_id,
            app_id: self.inner.app_id.clone(),
            codec,
            priority: None,
            expires_after: None,
            trace: scope.map(|scope| scope.trace.child()),
            path: scope.map(|scope| scope.path.to_string()),
            headers: Default::default(),
        })
    }

    /// Publishes a message once more, to the end of its own queue.
    pub(crate) async fn publish_again(
        &self,
        queue: ShortString,
        properties: BasicProperties,
        body: Bytes,
        effect: Effect,
    ) -> Result<(), PublishError> {
        let message = OneWay {
            client: self,
            destination: Destination::queue(queue),
            properties,
            body,
            timeout: self.inner.options.publish_timeout,
            may_repeat: effect.may_repeat(),
            retry: RetryPolicy::never(),
        };
        message.publish().await
    }
}

impl OneWay<'_> {
    /// Publishes it, and waits for the broker's confirm.
    pub(super) async fn publish(self) -> Result<(), PublishError> {
        let ends_at = deadline::ends_at(self.timeout, self.client.handlers_deadline());
        // What became of an attempt of which nobody knows: it outweighs what is known of later ones.
        let mut unsure = None;
        let (mut attempts, mut resent) = (0, 0);
        loop {
            let link = match self.link(ends_at).await {
                Ok(link) => link,
                Err(error) => return Err(unsure.unwrap_or(error)),
            };
            let error = match self.attempt(&link, ends_at).await {
                Ok(()) => return Ok(()),
                Err(NotConfirmed::NotWritten) if Instant::now() < ends_at => {
                    // The connection's end may be known here before it is to all; or it lives, and a channel was lost.
                    let _ = timeout(NOTICED_WITHIN, link.lost()).await;
                    continue;
                }
                Err(NotConfirmed::Lost(_)) if self.may_repeat && resent < RESENT_MAX => {
                    resent += 1;
                    tracing::debug!("the connection was lost: a one-way message is published again");
                    unsure = Some(PublishError::ConnectionLost { source: None });
                    continue;
                }
                Err(error) => error,
            };
            attempts += 1;
            match self.pause(&error, attempts, ends_at) {
                Some(pause) => sleep(pause).await,
                None => return Err(unsure.unwrap_or_else(|| self.told(error))),
            }
        }
    }

    /// A connection that can be published on.
    async fn link(&self, ends_at: Instant) -> Result<Arc<Link>, PublishError> {
        let timeout = self.timeout;
        let links = self.client.links();
        loop {
            let link = match timeout_at(ends_at, links.up()).await {
                Ok(up) => up.map_err(|LinksEnded(source)| RejectReason::Closed { source })?,
                Err(_) => return Err(PublishError::NotConnected { timeout }),
            };
            let Some(reason) = link.blocked() else { return Ok(link) };
            let unblocked = timeout_at(ends_at, link.unblocked()).await;
            unblocked.map_err(|_| PublishError::Blocked { reason, timeout })?;
        }
    }

    async fn attempt(&self, link: &Link, ends_at: Instant) -> Result<(), NotConfirmed> {
        let publishing = async {
            tokio::select! {
                biased;
                outcome = link.publish(self.destination.clone(), self.properties.clone(), self.body.clone()) => outcome,
                () = link.lost() => Err(NotConfirmed::Lost(None)),
            }
        };
        timeout_at(ends_at, publishing).await.unwrap_or(Err(NotConfirmed::TimedOut))
    }

    /// The pause before another attempt, if there is to be one: only if the message is nowhere.
    fn pause(&self, error: &NotConfirmed, attempts: u32, ends_at: Instant) -> Option<Duration> {
        if !matches!(error, NotConfirmed::Refused) {
            return None;
        }
        let pause = self.retry.pause_after(attempts, fastrand::f64())?;
        (pause < deadline::remaining(ends_at) && self.client.inner.retries.retry()).then_some(pause)
    }

    /// What the publisher is told.
    fn told(&self, error: NotConfirmed) -> PublishError {
        let Destination { exchange, kind, routing_key, .. } = &self.destination;
        match (error, kind) {
            (NotConfirmed::Refused, _) => RejectReason::Broker.into(),
            (NotConfirmed::Returned, _) => {
                PublishError::Unroutable { exchange: exchange.to_string(), routing_key: routing_key.to_string() }
            }
            (NotConfirmed::NotDeclared(source), Some(kind)) => {
                PublishError::Exchange { exchange: exchange.to_string(), kind: *kind, source }
            }
            (NotConfirmed::NotDeclared(source), None) => PublishError::ConnectionLost { source: Some(source) },
            (NotConfirmed::Lost(source), _) => PublishError::ConnectionLost { source },
            (NotConfirmed::NotWritten, _) => PublishError::NotConnected { timeout: self.timeout },
            (NotConfirmed::TimedOut, _) => PublishError::TimedOut { timeout: self.timeout },
        }
    }
}
