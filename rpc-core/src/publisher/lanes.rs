//! Publishing messages of which each must be told whether any queue took it, on channels of their own.
//!
//! lapin hands a message that came back to *some* confirm, and acks of many in no order. A call does not care, for its
//! reply or its return ends it; a one-way message has nothing but its confirm. So a lane writes what has gathered,
//! without waiting for company, and writes no more before every one of these is confirmed: then all returns among
//! them are known, whatever they came on.
//!
//! A queue that is slow to confirm holds back its own lane. Lanes are chosen by where a message goes, so others go on;
//! and a channel that the broker closes, because an exchange is gone, takes one lane with it and no call.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;
use futures::future::join_all;
use lapin::{BasicProperties, Confirmation, types::ShortString};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    amqp::{self, Channel, Connection},
    error::BrokerError,
    exchange::ExchangeKind,
};

/// Most lanes of a connection. Two queues, or exchanges, may share one.
const LANES: usize = 32;

/// Most messages that a lane writes before all of them are confirmed.
const BATCH: usize = 256;

/// Most messages that wait in a lane; publishing waits when there are more.
const QUEUED_MAX: usize = 1024;

/// Most exchanges of a lane that are remembered as declared.
const DECLARED_MAX: usize = 1024;

/// Where a message goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    /// Empty: the default exchange.
    pub(crate) exchange: ShortString,
    /// What the exchange is declared as before the first message; none: it needs not be.
    pub(crate) kind: Option<ExchangeKind>,
    pub(crate) routing_key: ShortString,
    /// Whether it is an error if no queue takes the message.
    pub(crate) mandatory: bool,
}

impl Destination {
    /// A queue, which has to be there.
    pub(crate) fn queue(name: ShortString) -> Self {
        Self { exchange: ShortString::default(), kind: None, routing_key: name, mandatory: true }
    }
}

/// Why a message was not confirmed.
#[derive(Debug)]
pub(crate) enum NotConfirmed {
    /// Nothing was written.
    NotWritten,
    /// The exchange cannot be declared, so nothing was written.
    NotDeclared(BrokerError),
    /// No queue took it.
    Returned,
    /// A queue refused it: it is full.
    Refused,
    /// Nobody knows: the connection, or the lane, was lost.
    Lost(Option<BrokerError>),
    /// Nobody knows: nobody waited any longer.
    TimedOut,
}

/// A message on its way, and who waits to hear of it.
struct Parcel {
    destination: Destination,
    properties: BasicProperties,
    body: Bytes,
    told: oneshot::Sender<Result<(), NotConfirmed>>,
}

/// The lanes of a connection; each is opened by its first message.
#[derive(Debug)]
pub(crate) struct Lanes {
    hasher: RandomState,
    lanes: [Mutex<Option<Lane>>; LANES],
    /// Fires when the connection is closed.
    closed: CancellationToken,
}

#[derive(Debug)]
struct Lane {
    parcels: mpsc::Sender<Parcel>,
    /// The exchanges that were declared since it was opened.
    declared: HashMap<ShortString, ExchangeKind>,
}

impl Lanes {
    /// The lanes of a connection, until `closed` fires: when it is closed.
    pub(crate) fn new(closed: CancellationToken) -> Self {
        Self { hasher: RandomState::new(), lanes: std::array::from_fn(|_| Mutex::new(None)), closed }
    }

    /// Publishes and waits for the broker's word.
    ///
    /// Cancel safe: dropped, the message is not written, unless it was by then.
    pub(crate) async fn publish(
        &self,
        connection: &Connection,
        destination: Destination,
        properties: BasicProperties,
        body: Bytes,
    ) -> Result<(), NotConfirmed> {
        let lane = self.open(connection, &destination).await?;
        let (told, outcome) = oneshot::channel();
        // An error means that the lane has ended meanwhile, and `told` with it.
        let _ = lane.send(Parcel { destination, properties, body, told }).await;
        // Whatever was written is told of.
        outcome.await.unwrap_or(Err(NotConfirmed::NotWritten))
    }

    async fn open(
        &self,
        connection: &Connection,
        destination: &Destination,
    ) -> Result<mpsc::Sender<Parcel>, NotConfirmed> {
        let Destination { exchange, kind, routing_key, .. } = destination;
        let name = if exchange.as_str().is_empty() { routing_key } else { exchange };
        let index = self.hasher.hash_one(name.as_str()) as usize % LANES;
        let mut lane = self.lanes[index].lock().await;
        if lane.as_ref().is_none_or(|lane| lane.parcels.is_closed()) {
            // Nothing is written on a channel that cannot be opened.
            let channel = connection.confirming_channel().await.map_err(|_| NotConfirmed::NotWritten)?;
            let (parcels, parcels_rx) = mpsc::channel(QUEUED_MAX);
            channel.io().clone().spawn(write(channel, parcels_rx, self.closed.clone()));
            *lane = Some(Lane { parcels, declared: HashMap::new() });
        }
        let lane = lane.as_mut().expect("it was opened, if it was not there");
        if let Some(kind) = kind
            && lane.declared.get(exchange) != Some(kind)
        {
            amqp::declare_exchange_once(connection, exchange, *kind).await.map_err(|error| {
                if amqp::is_refusal(&error) { NotConfirmed::NotDeclared(error) } else { NotConfirmed::NotWritten }
            })?;
            if lane.declared.len() >= DECLARED_MAX {
                lane.declared.clear();
            }
            lane.declared.insert(exchange.clone(), *kind);
        }
        Ok(lane.parcels.clone())
    }
}

/// Writes until the lane is not used any more, or its channel is gone: what waits then is not written.
async fn write(channel: Channel, mut parcels: mpsc::Receiver<Parcel>, closed: CancellationToken) {
    let mut batch = Vec::with_capacity(BATCH);
    while parcels.recv_many(&mut batch, BATCH).await > 0 {
        batch.retain(|parcel| !parcel.told.is_closed());
        if !write_batch(&channel, &mut batch, &closed).await {
            break;
        }
    }
    let io = channel.io().clone();
    io.spawn_in_tokio(async move { amqp::close_channel(&channel).await });
}

/// Writes messages together, and tells of each; false if the channel is gone.
async fn write_batch(channel: &Channel, batch: &mut Vec<Parcel>, closed: &CancellationToken) -> bool {
    let (told, confirmed): (Vec<_>, Vec<_>) = batch
        .drain(..)
        .enumerate()
        .map(|(number, Parcel { destination, properties, body, told })| {
            let Destination { exchange, routing_key, mandatory, .. } = destination;
            let properties = properties.with_correlation_id(number.to_string().into());
            (
                told,
                async move { amqp::publish(channel, exchange, routing_key, mandatory, properties, &body).await?.await },
            )
        })
        .unzip();
    let mut returned = HashSet::new();
    let mut outcomes = Vec::with_capacity(told.len());
    // lapin may never say what became of a message that the connection's close has overtaken.
    let Some(confirmations) = closed.run_until_cancelled(join_all(confirmed)).await else {
        for told in told {
            let _ = told.send(Err(NotConfirmed::Lost(None)));
        }
        return false;
    };
    for confirmation in confirmations {
        outcomes.push(match confirmation {
            Ok(confirmation) => {
                let refused = confirmation.is_nack();
                returned.extend(number_of_returned(confirmation));
                if refused { Err(NotConfirmed::Refused) } else { Ok(()) }
            }
            Err(error) => Err(NotConfirmed::Lost(Some(error.into()))),
        });
    }
    let mut alive = true;
    for (number, (told, outcome)) in told.into_iter().zip(outcomes).enumerate() {
        alive &= !matches!(outcome, Err(NotConfirmed::Lost(_)));
        let outcome = if outcome.is_ok() && returned.contains(&number) { Err(NotConfirmed::Returned) } else { outcome };
        // Who is gone does not want to know.
        let _ = told.send(outcome);
    }
    alive
}

/// Which message of the batch came back on this confirm, if any.
fn number_of_returned(confirmation: Confirmation) -> Option<usize> {
    let returned = confirmation.take_message()?;
    returned.delivery.properties.correlation_id().as_ref()?.as_str().parse().ok()
}
