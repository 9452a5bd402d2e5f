//! Messages that are being written, and then wait for their confirms.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use lapin::{Confirmation, types::ShortString};
use tokio_util::sync::ReusableBoxFuture;

use super::{Outgoing, Receipt, places::Target};
use crate::amqp::{self, Channel};

pub(super) type Confirming = ReusableBoxFuture<'static, lapin::Result<Confirmation>>;

/// Counts the messages that lapin has not written.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct UnwrittenOne(Arc<AtomicUsize>);

impl Unwritten {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn one(&self) -> UnwrittenOne {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnwrittenOne(Arc::clone(&self.0))
    }
}

impl Drop for UnwrittenOne {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Boxes for publishes, used again: a publish is a large future, and an allocator is slow with those.
#[derive(Debug, Default)]
pub(super) struct Boxes(Vec<Confirming>);

impl Boxes {
    /// Most empty boxes that are kept.
    const KEPT_MAX: usize = 32;

    /// Publishes, as soon as it is polled.
    pub(super) fn publish(
        &mut self,
        channel: Arc<Channel>,
        app_id: &ShortString,
        target: Target,
        message: Outgoing,
        unwritten: UnwrittenOne,
    ) -> Unconfirmed {
        let Outgoing { exchange, routing_key, mandatory, properties, body, receipt } = message;
        let properties = properties.write(app_id);
        let confirming = async move {
            let confirm = amqp::publish(&channel, exchange, routing_key, mandatory, properties, &body).await?;
            drop((unwritten, body));
            confirm.await
        };
        let confirming = match self.0.pop() {
            Some(mut emptied) => {
                emptied.set(confirming);
                emptied
            }
            None => ReusableBoxFuture::new(confirming),
        };
        Unconfirmed { target, publishing: Some((receipt, confirming)) }
    }

    pub(super) fn put_back(&mut self, emptied: Confirming) {
        if self.0.len() < Self::KEPT_MAX {
            self.0.push(emptied);
        }
    }
}

/// A message until its confirm comes.
pub(super) struct Unconfirmed {
    target: Target,
    publishing: Option<(Receipt, Confirming)>,
}

/// A message whose confirm has come.
pub(super) struct Concluded {
    pub(super) receipt: Receipt,
    pub(super) confirmation: lapin::Result<Confirmation>,
    pub(super) target: Target,
    /// The box that it was in.
    pub(super) emptied: Confirming,
}

impl Unconfirmed {
    /// Who waited for the confirm, unless it has come.
    pub(super) fn give_up(self) -> Option<Receipt> {
        self.publishing.map(|(receipt, _)| receipt)
    }
}

impl Future for Unconfirmed {
    type Output = Concluded;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Concluded> {
        let (_, confirming) = self.publishing.as_mut().expect("a future is not polled after its end");
        let confirmation = ready!(confirming.poll(context));
        let (receipt, emptied) = self.publishing.take().expect("it was there above");
        Poll::Ready(Concluded { receipt, confirmation, target: self.target, emptied })
    }
}
