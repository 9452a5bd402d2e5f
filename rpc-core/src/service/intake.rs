//! Takes the deliveries of one channel, and tells the broker what has become of them: on the connection's thread, where
//! they and the confirms of their replies come in, and the acks go out.
//!
//! `consumers` makes one stream of one consumer or two; `relay` decides, without I/O, when there are two, and which ack
//! is held; `desk` carries that out.

mod consumers;
mod desk;
mod relay;

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use lapin::{BasicProperties, Consumer, message::Delivery};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    consumers::{Consumers, Delivered},
    desk::{Desk, Overdue},
};
use super::{
    handler::{Endpoint, Source},
    settle::{News, Unsettled},
};
use crate::{
    amqp::Channel,
    error::BrokerError,
    link::Link,
    metadata::Metadata,
    wire::{self, Head, Published},
};

/// Most deliveries that are settled before others have their turn.
const BATCH: usize = 64;

/// A delivery, read. What else its properties are made of is freed where it was made.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) head: Head,
    /// What is published to an exchange, and no request.
    pub(super) published: Option<Arc<Published>>,
    /// Of a one-way message, for another try; and of one whose sender's clock is wrong.
    pub(super) properties: Option<Box<BasicProperties>>,
    pub(super) body: Bytes,
    pub(super) redelivered: bool,
    /// How much progress the caller wants, if the method has any.
    pub(super) credit: Option<u32>,
    pub(super) unsettled: Unsettled,
}

/// What comes in by a channel.
#[derive(Debug)]
pub(super) struct Intake {
    /// Unbounded as a channel: the consumers' prefetch bounds how many there are.
    arrivals: mpsc::UnboundedReceiver<Result<Arrival, BrokerError>>,
    stop: CancellationToken,
    all_settled: CancellationToken,
}

impl Intake {
    /// Begins to take what a consumer of the channel gets. The tracker waits for what is not settled.
    pub(super) fn start(
        (link, channel): (&Link, Channel),
        first: Consumer,
        (endpoint, prefetch): (&Endpoint, u16),
        unsettled: TaskTracker,
    ) -> Self {
        let (arrivals_tx, arrivals) = mpsc::unbounded_channel();
        let (news_tx, news) = mpsc::unbounded_channel();
        let (stop, all_settled) = (CancellationToken::new(), CancellationToken::new());
        let is_published = matches!(endpoint.source, Source::Exchange(_));
        // What is published has no replies to wait for, and consumers of a quorum queue are costly to open.
        let is_relayed = prefetch == 1 && !is_published && !endpoint.queue.is_quorum;
        let gate = Gate {
            arrivals: arrivals_tx,
            news: news_tx,
            unsettled,
            is_published,
            is_progressive: endpoint.is_progressive,
            is_relayed,
        };
        let io = channel.io().clone();
        let mut desk = Desk::new(channel.clone(), Consumers::new(channel, first), is_relayed);
        let (done, stopped) = (all_settled.clone().drop_guard(), stop.clone());
        let lost = link.lost_token();
        io.spawn(async move {
            let _done = done;
            // lapin may never answer an ack that the connection's end has overtaken.
            let _ = lost.run_until_cancelled(take_and_settle(&mut desk, gate, news, stopped)).await;
            desk.into_consumers().all_ended().await;
        });
        Self { arrivals, stop, all_settled }
    }

    /// The next ones, into `batch`; none: there will be no more.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self, batch: &mut Vec<Result<Arrival, BrokerError>>) -> Option<()> {
        (self.arrivals.recv_many(batch, BATCH).await > 0).then_some(())
    }

    /// Cancels what consumes: deliveries that are under way still come, and then no more.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits until the broker has been told of every delivery.
    pub(super) async fn all_settled(&self) {
        self.all_settled.cancelled().await;
    }
}

/// Where deliveries go in, while there are any.
struct Gate {
    arrivals: mpsc::UnboundedSender<Result<Arrival, BrokerError>>,
    news: mpsc::UnboundedSender<News>,
    unsettled: TaskTracker,
    is_published: bool,
    is_progressive: bool,
    /// Whether it matters when a reply is on its way.
    is_relayed: bool,
}

impl Gate {
    /// Takes a delivery, and those that have come with it; whether there will be no more.
    ///
    /// All are read, and handed over then: the first one wakes the consumer, who would go to sleep again before the
    /// second.
    fn take(&self, first: Option<Delivered>, desk: &mut Desk) -> bool {
        let mut arrived = Vec::new();
        let mut next = Some(first);
        let over = loop {
            match next {
                None => break false,
                Some(Some(Ok((seat, delivery)))) => {
                    desk.arrived(seat, delivery.delivery_tag);
                    arrived.push(Ok(self.read(delivery)));
                }
                Some(Some(Err(error))) => {
                    arrived.push(Err(error));
                    break true;
                }
                Some(None) => break true,
            }
            next = if arrived.len() < BATCH { desk.delivered_too() } else { None };
        };
        for arrival in arrived {
            // An error means that nobody takes it: it stays unsettled until its channel closes.
            let _ = self.arrivals.send(arrival);
        }
        over
    }

    fn read(&self, delivery: Delivery) -> Arrival {
        let unsettled =
            Unsettled::new(delivery.delivery_tag, self.news.clone(), self.unsettled.token(), self.is_relayed);
        let mut head = Head::read(&delivery.properties);
        let published = self.is_published.then(|| Arc::new(Published::read(&delivery)));
        if self.is_published {
            // What is published is nobody's question, whatever its publisher put there.
            head.reply_to = None;
            // It has headers.
            head.metadata = Ok(Metadata::new());
        }
        let credit = if self.is_progressive { wire::credit(&delivery.properties) } else { None };
        let Delivery { properties, data, redelivered, .. } = delivery;
        let is_kept = head.reply_to.is_none() || head.skew_ms.is_some();
        let properties = is_kept.then(|| Box::new(properties));
        Arrival { head, published, properties, body: data.into(), redelivered, credit, unsettled }
    }
}

/// Ends when the consumers have, and all that they got is settled.
async fn take_and_settle(
    desk: &mut Desk,
    gate: Gate,
    mut news: mpsc::UnboundedReceiver<News>,
    stop: CancellationToken,
) {
    let mut gate = Some(gate);
    let mut is_stopping = false;
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            // Before what is put back then: that would be handed out here again.
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                desk.stop().await;
            }
            // They end with the gate, and the last delivery that is not settled.
            heard = news.recv_many(&mut batch, BATCH) => match heard {
                0 => break,
                _ => desk.take_news(&mut batch).await,
            },
            next = desk.next(), if gate.is_some() => match next {
                Err(Overdue) => desk.let_go().await,
                Ok(delivered) => {
                    let over = gate.as_ref().is_none_or(|gate| gate.take(delivered, desk));
                    if over {
                        let mut stopping = Box::pin(desk.stop());
                        // Whoever is told by the gate's end closes the channel, and nothing must be sent after that.
                        let has_stopped = stopping.as_mut().now_or_never().is_some();
                        gate = None;
                        if !has_stopped {
                            stopping.await;
                        }
                    }
                }
            },
        }
    }
}
