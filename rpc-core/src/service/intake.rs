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
use lapin::{BasicProperties, Consumer, message::Delivery};
use tokio::sync::mpsc;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

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
    closing: CancellationToken,
    /// Fires when the broker may hear that the channel closes.
    has_told: CancellationToken,
    all_settled: CancellationToken,
}

impl Intake {
    /// Begins to take what a consumer of the channel gets, until the shutdown: deliveries that are under way then still
    /// come, and no more. The tracker waits for what is not settled.
    pub(super) fn start(
        (link, channel): (&Link, Channel),
        first: Consumer,
        (endpoint, prefetch): (&Endpoint, u16),
        unsettled: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let (arrivals_tx, arrivals) = mpsc::unbounded_channel();
        let (news_tx, news) = mpsc::unbounded_channel();
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
        let desk = Desk::new(Consumers::new(channel, first), is_relayed);
        let [closing, has_told, all_settled] = std::array::from_fn(|_| CancellationToken::new());
        let work = Work { desk, gate: Some(gate), news, is_stopping: false, shutdown, closing: closing.clone() };
        let ends = [&has_told, &all_settled].map(|token| token.clone().drop_guard());
        io.spawn(work.run(link.lost_token(), link.last_words(), ends));
        Self { arrivals, closing, has_told, all_settled }
    }

    /// The next ones, into `batch`; none: there will be no more.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self, batch: &mut Vec<Result<Arrival, BrokerError>>) -> Option<()> {
        (self.arrivals.recv_many(batch, BATCH).await > 0).then_some(())
    }

    /// Takes none any more, and waits until nothing is consumed nor held, and all that is settled by now has its place
    /// before whatever is written afterwards.
    pub(super) async fn close(self) {
        let Self { arrivals, closing, has_told, .. } = self;
        drop(arrivals);
        closing.cancel();
        has_told.cancelled().await;
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
    /// Takes a delivery, and those that have come with it; gives the end, if it has come.
    ///
    /// All are read, and handed over then: the first one wakes the consumer, who would go to sleep again before the
    /// second.
    fn take(&self, first: Option<Delivered>, desk: &mut Desk) -> Option<End> {
        let mut arrived = Vec::new();
        let mut next = Some(first);
        let end = loop {
            match next {
                None => break None,
                Some(Some(Ok((seat, delivery)))) => {
                    desk.arrived(seat, delivery.delivery_tag);
                    arrived.push(self.read(delivery));
                }
                Some(Some(Err(error))) => break Some(End(Some(error))),
                Some(None) => break Some(End(None)),
            }
            next = if arrived.len() < BATCH { desk.delivered_too() } else { None };
        };
        arrived.into_iter().for_each(|arrival| self.hand_over(Ok(arrival)));
        end
    }

    /// Nothing comes any more.
    fn close(self, End(error): End) {
        if let Some(error) = error {
            self.hand_over(Err(error));
        }
    }

    fn hand_over(&self, arrival: Result<Arrival, BrokerError>) {
        // An error means that nobody takes it: it stays unsettled until its channel closes.
        let _ = self.arrivals.send(arrival);
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

/// Why no deliveries come any more: an error, or the consumers' end.
struct End(Option<BrokerError>);

/// What is done with a channel's deliveries on its connection's thread.
struct Work {
    desk: Desk,
    /// Until no more come.
    gate: Option<Gate>,
    /// They end with the gate, and the last delivery that is not settled.
    news: mpsc::UnboundedReceiver<News>,
    is_stopping: bool,
    shutdown: CancellationToken,
    closing: CancellationToken,
}

impl Work {
    /// Ends when the consumers have, and all that they got is settled; or when the channel is to be closed, or its
    /// connection is lost. The guards say so.
    async fn run(mut self, lost: CancellationToken, last_words: TaskTrackerToken, ends: [DropGuard; 2]) {
        let closing = self.closing.clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => {}
            () = lost.cancelled() => {}
            () = self.take_and_settle() => {}
        }
        // A connection that is closed in order waits for these words. One that is gone does not hear them.
        self.stop();
        self.take_news();
        drop((self.gate, self.news, last_words, ends));
        self.desk.into_consumers().all_ended().await;
    }

    async fn take_and_settle(&mut self) {
        let (mut batch, shutdown) = (Vec::with_capacity(BATCH), self.shutdown.clone());
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled(), if !self.is_stopping => self.stop(),
                heard = self.news.recv_many(&mut batch, BATCH) => {
                    if heard == 0 {
                        break;
                    }
                    if shutdown.is_cancelled() {
                        // The cancels come first: else what is put back for the shutdown would be handed out here
                        // again, if not by a consumer that is just being opened.
                        self.stop();
                    }
                    self.desk.take_news(&mut batch);
                }
                next = self.desk.next(), if self.gate.is_some() => match next {
                    Err(Overdue) => self.desk.let_go(),
                    Ok(delivered) => {
                        let end = self.gate.as_ref().and_then(|gate| gate.take(delivered, &mut self.desk));
                        if let Some(end) = end
                            && let Some(gate) = self.gate.take()
                        {
                            self.stop();
                            gate.close(end);
                        }
                    }
                },
            }
        }
    }

    /// Consumes no longer, and holds nothing.
    fn stop(&mut self) {
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.desk.stop();
        }
    }

    /// Takes the news that there are.
    fn take_news(&mut self) {
        let mut batch = std::iter::from_fn(|| self.news.try_recv().ok()).collect();
        self.desk.take_news(&mut batch);
    }
}
