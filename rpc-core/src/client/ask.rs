//! Asking the broker first whether anybody would take a request.

use std::sync::Arc;

use lapin::types::ShortString;
use tokio::time::{Instant, timeout_at};

use super::{Client, call::Call};
use crate::{
    amqp::{self, Consumed},
    deadline,
    error::{BrokerError, CallError, RejectReason},
    link::{Link, LinksEnded},
    method::Method,
    status::Status,
};

impl Client {
    /// How many consumers a method has now: one for each instance, or two for one with a prefetch of 1 while requests
    /// come fast ([`ServeOptions::prefetch`](crate::ServeOptions::prefetch)); so no less than there are instances.
    /// Advice, for it may be otherwise when a call comes. Costs a channel, and three round trips.
    ///
    /// # Errors
    ///
    /// [`CallError::Unroutable`] if nobody ever served the method here; `unavailable` if there is no broker, or one
    /// that blocks publishers, or none that answers within
    /// [`ClientOptions::publish_timeout`](crate::ClientOptions::publish_timeout), or before the deadline of the handler
    /// that asks; [`RejectReason::Closed`] if there will be no broker any more; [`CallError::ConnectionLost`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn serving<M: Method>(&self) -> Result<u32, CallError> {
        self.serving_raw(M::NAME).await
    }

    /// As [`serving`](Self::serving), for a method that is known only at run time.
    ///
    /// # Errors
    ///
    /// As [`serving`](Self::serving); and [`CallError::Rejected`] if the name cannot be carried.
    ///
    /// # Cancel safety
    ///
    /// As [`serving`](Self::serving).
    pub async fn serving_raw(&self, method: &str) -> Result<u32, CallError> {
        let queue = amqp::name("method's name", method).map_err(RejectReason::from)?;
        let ends_at = deadline::ends_at(self.options().publish_timeout, self.handlers_deadline());
        self.consumers(&queue, ends_at).await
    }

    async fn consumers(&self, queue: &ShortString, ends_at: Instant) -> Result<u32, CallError> {
        // Nothing has been sent: if the connection is lost meanwhile, the next one is asked.
        let asked = self.links().open_on(|link| consumed(link, queue), blamed);
        match timeout_at(ends_at, asked).await {
            Ok(Ok(Ok(Consumed::By(consumers)))) => Ok(consumers),
            Ok(Ok(Ok(Consumed::NoQueue))) => Err(CallError::Unroutable { method: queue.to_string() }),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(LinksEnded(source))) => Err(RejectReason::Closed { source }.into()),
            Err(_) => Err(Status::unavailable("no broker answers").into()),
        }
    }
}

impl Call<'_> {
    /// An error if no instance takes the method's requests now.
    pub(super) async fn ask(&self) -> Result<(), CallError> {
        match self.client.consumers(&self.queue, self.ends_at).await? {
            0 => Err(Status::unavailable(format!("no instance of {} runs", self.method.name)).into()),
            _ => Ok(()),
        }
    }
}

/// On a channel of its own: the broker closes it if there is no such queue.
async fn consumed(link: Arc<Link>, queue: &ShortString) -> Result<Consumed, CallError> {
    // It would not answer.
    link.check_not_blocked()?;
    let asked = async {
        let channel = link.channel().await?;
        let consumed = amqp::consumers_of(&channel, queue).await?;
        if let Consumed::By(_) = consumed {
            amqp::close_channel(&channel).await;
        }
        Ok(consumed)
    };
    asked.await.map_err(|source| CallError::ConnectionLost { source: Some(source) })
}

fn blamed(error: &CallError) -> Option<&BrokerError> {
    if let CallError::ConnectionLost { source } = error { source.as_ref() } else { None }
}
