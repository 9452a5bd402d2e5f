//! Asking the broker first whether anybody would take a request.

use lapin::types::ShortString;
use tokio::time::timeout_at;

use super::call::Call;
use crate::{
    amqp::{self, Consumed},
    error::{BrokerError, CallError},
    link::{Link, LinksEnded},
    status::Status,
};

impl Call<'_> {
    /// An error if no instance takes the method's requests now.
    pub(super) async fn ask(&self) -> Result<(), CallError> {
        let asked = async {
            let link = self.client.links().up().await;
            let link = link.map_err(|LinksEnded(source)| CallError::ConnectionLost { source })?;
            consumed(&link, &self.queue).await.map_err(|source| CallError::ConnectionLost { source: Some(source) })
        };
        let method = self.method.name;
        match timeout_at(self.ends_at, asked).await {
            Ok(Ok(Consumed::By(1..))) => Ok(()),
            Ok(Ok(Consumed::By(0))) => Err(Status::unavailable(format!("no instance of {method} runs")).into()),
            Ok(Ok(Consumed::NoQueue)) => Err(CallError::Unroutable { method: method.to_owned() }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Status::unavailable("no broker answers").into()),
        }
    }
}

/// On a channel of its own: the broker closes it if there is no such queue.
async fn consumed(link: &Link, queue: &ShortString) -> Result<Consumed, BrokerError> {
    let channel = link.channel().await?;
    let consumed = amqp::consumers_of(&channel, queue).await?;
    if let Consumed::By(_) = consumed {
        amqp::close_channel(&channel).await;
    }
    Ok(consumed)
}
