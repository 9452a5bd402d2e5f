//! What an instance is told beside its requests: that a caller has given one up, or wants more of its progress.
//!
//! Each instance has a queue of its own, bound to the exchange `warren.control` with `cancel.METHOD` for each of its
//! methods. Callers that know it, from progress, publish to it. What is lost there costs work, and nothing else: a
//! request that nobody cancels ends at its deadline.

use std::sync::Arc;

use futures::StreamExt;
use lapin::{Consumer, message::Delivery, types::ShortString};
use uuid::Uuid;

use super::{cancels::Cancels, instance::Stop, progress::ControlQueue};
use crate::{
    amqp::{self, Channel, Setup},
    client::Client,
    error::{BrokerError, ServeError},
    link::{Link, Reopen},
    wire,
};

/// Consumes an instance's control queue, over all connections.
pub(super) struct Control {
    pub(super) client: Client,
    pub(super) cancels: Arc<Cancels>,
    /// Where its name is told.
    pub(super) queue: ControlQueue,
    /// The methods that the instance serves.
    pub(super) methods: Vec<String>,
    pub(super) stop: Stop,
}

pub(super) struct Session {
    link: Arc<Link>,
    channel: Channel,
    messages: Consumer,
}

impl Control {
    pub(super) async fn open(&self) -> Result<Session, ServeError> {
        self.client.links().open_on(|link| self.open_on(link), ServeError::blamed).await?
    }

    async fn open_on(&self, link: Arc<Link>) -> Result<Session, ServeError> {
        // A new name for each connection: the old queue may not be gone yet.
        let queue = ShortString::from(format!("warren.control.{}", Uuid::new_v4()));
        let refused = |source| ServeError::Declare { queue: queue.to_string(), source };
        let setup = Setup::of(link.channel().await.map_err(refused)?);
        let messages = self.consume(&setup, &queue).await.map_err(refused)?;
        self.queue.opened(queue, &link);
        Ok(Session { link, channel: setup.done(), messages })
    }

    async fn consume(&self, channel: &Channel, queue: &ShortString) -> Result<Consumer, BrokerError> {
        amqp::declare_control_exchange(channel).await?;
        amqp::declare_own_queue(channel, queue).await?;
        for key in self.methods.iter().filter_map(|method| wire::cancel_key(method)) {
            amqp::bind_control(channel, queue, &key).await?;
        }
        amqp::consume_own(channel, queue).await
    }

    /// Listens until the instance stops. Without control an instance goes on: what it does is only done in vain more
    /// often.
    pub(super) async fn run(self, mut session: Session) {
        let mut reopen = Reopen::new(self.client.options().reconnect, self.stop.shutdown.clone());
        while self.listen(&mut session).await {
            self.queue.closed();
            let closing = session.channel;
            tokio::spawn(async move { amqp::close_channel(&closing).await });
            session = match reopen.open(&"control queue", || self.open(), ServeError::is_final).await {
                Ok(Some(session)) => session,
                Ok(None) => return,
                Err(error) => return tracing::error!(%error, "an instance cannot be told any more who gives up"),
            };
        }
        amqp::close_channel(&session.channel).await;
    }

    /// False when the instance stops.
    async fn listen(&self, session: &mut Session) -> bool {
        loop {
            tokio::select! {
                () = self.stop.abort.cancelled() => return false,
                () = session.link.lost() => return true,
                message = session.messages.next() => match message {
                    Some(Ok(message)) => self.told(&message),
                    Some(Err(_)) | None => return true,
                },
            }
        }
    }

    fn told(&self, message: &Delivery) {
        let is_about_a_request = wire::is_about_a_request(message);
        let credit = wire::credit(&message.properties);
        match (message.properties.correlation_id(), credit) {
            (Some(id), Some(credit)) if is_about_a_request => {
                self.client.links().runs().grant(id.as_str(), wire::run_number(&message.properties), credit);
            }
            (Some(id), None) if is_about_a_request => {
                self.cancels.cancel(id.as_str(), wire::cancelled_until(&message.properties));
            }
            _ => tracing::debug!(key = %message.routing_key, "a control message is not understood"),
        }
    }
}
