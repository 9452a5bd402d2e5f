//! Takes the deliveries of one channel, and tells the broker what has become of them: on the connection's thread, where
//! they and the confirms of their replies come in, and the acks go out.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::join_all, stream::Fuse};
use lapin::{Acker, BasicProperties, Consumer, message::Delivery};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    handler::{Endpoint, Source},
    settle::{Command, Order, Unsettled, Window},
};
use crate::{
    amqp::{self, Channel},
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
    /// Unbounded as a channel: the prefetch bounds how many there are.
    arrivals: mpsc::UnboundedReceiver<Result<Arrival, BrokerError>>,
    all_settled: CancellationToken,
}

impl Intake {
    /// Begins to take what a consumer of the channel gets. The tracker waits for what is not settled.
    pub(super) fn start(
        (link, channel): (&Link, &Channel),
        deliveries: Consumer,
        endpoint: &Endpoint,
        unsettled: TaskTracker,
    ) -> Self {
        let (arrivals_tx, arrivals) = mpsc::unbounded_channel();
        let (orders_tx, orders) = mpsc::unbounded_channel();
        let all_settled = CancellationToken::new();
        let is_published = matches!(endpoint.source, Source::Exchange(_));
        let is_progressive = endpoint.is_progressive;
        let gate = Gate { arrivals: arrivals_tx, orders: orders_tx, unsettled, is_published, is_progressive };
        let done = all_settled.clone().drop_guard();
        let lost = link.lost_token();
        channel.io().spawn(async move {
            let _done = done;
            // lapin's own stream waits for ever after its end.
            let mut deliveries = deliveries.fuse();
            // lapin may never answer an ack that the connection's end has overtaken.
            let _ = lost.run_until_cancelled(take_and_settle(&mut deliveries, gate, orders)).await;
            // A consumer that is dropped earlier is cancelled, and lapin takes that for an error if the channel closes
            // meanwhile.
            while deliveries.next().await.is_some() {}
        });
        Self { arrivals, all_settled }
    }

    /// The next ones, into `batch`; none: there will be no more.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self, batch: &mut Vec<Result<Arrival, BrokerError>>) -> Option<()> {
        (self.arrivals.recv_many(batch, BATCH).await > 0).then_some(())
    }

    /// Waits until the broker has been told of every delivery.
    pub(super) async fn all_settled(&self) {
        self.all_settled.cancelled().await;
    }
}

/// Where deliveries go in, while there are any.
struct Gate {
    arrivals: mpsc::UnboundedSender<Result<Arrival, BrokerError>>,
    orders: mpsc::UnboundedSender<Order>,
    unsettled: TaskTracker,
    is_published: bool,
    is_progressive: bool,
}

impl Gate {
    /// Takes a delivery, and those that have come with it; whether there will be no more.
    ///
    /// All are read, and handed over then: the first one wakes the consumer, who would go to sleep again before the
    /// second.
    fn take(
        &self,
        first: Option<lapin::Result<Delivery>>,
        deliveries: &mut Fuse<Consumer>,
        window: &mut Window<Acker>,
    ) -> bool {
        let mut arrived = Vec::new();
        let mut next = Some(first);
        let over = loop {
            match next {
                None => break false,
                Some(Some(Ok(delivery))) => {
                    window.arrived(delivery.delivery_tag, delivery.acker.clone());
                    arrived.push(Ok(self.read(delivery)));
                }
                Some(Some(Err(error))) => {
                    arrived.push(Err(error.into()));
                    break true;
                }
                Some(None) => break true,
            }
            next = if arrived.len() < BATCH { deliveries.next().now_or_never() } else { None };
        };
        for arrival in arrived {
            // An error means that nobody takes it: it stays unsettled until its channel closes.
            let _ = self.arrivals.send(arrival);
        }
        over
    }

    fn read(&self, delivery: Delivery) -> Arrival {
        let unsettled = Unsettled::new(delivery.delivery_tag, self.orders.clone(), self.unsettled.token());
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

/// Ends when the consumer has, and all that it got is settled.
async fn take_and_settle(deliveries: &mut Fuse<Consumer>, gate: Gate, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut gate = Some(gate);
    let mut window = Window::default();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            biased;
            // They end with the gate, and the last delivery that is not settled.
            settled = orders.recv_many(&mut batch, BATCH) => match settled {
                0 => break,
                _ => settle(&mut window, &mut batch).await,
            },
            delivery = deliveries.next(), if gate.is_some() => {
                let over = gate.as_ref().is_none_or(|gate| gate.take(delivery, deliveries, &mut window));
                if over {
                    gate = None;
                }
            }
        }
    }
}

/// Tells the broker what has become of deliveries.
async fn settle(window: &mut Window<Acker>, orders: &mut Vec<Order>) {
    for order in orders.iter() {
        window.settle(order.tag, order.settle);
    }
    let told = window.take().into_iter().map(|Command { delivery, settle, multiple }| async move {
        amqp::settle(&delivery, settle, multiple).await;
    });
    // In order, as `join_all` polls: an ack of all before one must not come before what else was told of them.
    join_all(told).await;
    // Only now are they settled.
    orders.clear();
}
