//! Which metric says what: names and explanations of rabbitmq_prometheus, and where the number comes from.

use crate::counters::{Count, Counters};

/// A metric's name, what it means, and how it is read.
pub(super) type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

pub(super) const CHANNEL_COUNTS: [(&str, &str, Count); 11] = [
    ("messages_published", "Total number of messages published into an exchange on a channel", Count::Publish),
    (
        "messages_confirmed",
        "Total number of messages published into an exchange and confirmed on the channel",
        Count::Confirm,
    ),
    (
        "messages_unroutable_returned",
        "Total number of messages published as mandatory into an exchange and returned to the publisher as unroutable",
        Count::ReturnUnroutable,
    ),
    (
        "messages_unroutable_dropped",
        "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
        Count::DropUnroutable,
    ),
    ("get_ack", "Total number of messages fetched with basic.get in manual acknowledgement mode", Count::Get),
    ("get", "Total number of messages fetched with basic.get in automatic acknowledgement mode", Count::GetNoAck),
    ("get_empty", "Total number of times basic.get operations fetched no message", Count::GetEmpty),
    (
        "messages_delivered_ack",
        "Total number of messages delivered to consumers in manual acknowledgement mode",
        Count::Deliver,
    ),
    (
        "messages_delivered",
        "Total number of messages delivered to consumers in automatic acknowledgement mode",
        Count::DeliverNoAck,
    ),
    ("messages_redelivered", "Total number of messages redelivered to consumers", Count::Redeliver),
    ("messages_acked", "Total number of messages acknowledged by consumers", Count::Ack),
];

pub(super) const GLOBAL_QUEUE_COUNTS: [Row<Counters>; 8] = [
    ("acknowledged", "Total number of messages acknowledged by consumers", |it| it.get(Count::Ack)),
    ("delivered", "Total number of messages delivered to consumers", |it| {
        it.get(Count::Deliver) + it.get(Count::DeliverNoAck) + it.get(Count::Get) + it.get(Count::GetNoAck)
    }),
    (
        "delivered_consume_manual_ack",
        "Total number of messages delivered to consumers using basic.consume with manual acknowledgment",
        |it| it.get(Count::Deliver),
    ),
    (
        "delivered_consume_auto_ack",
        "Total number of messages delivered to consumers using basic.consume with automatic acknowledgment",
        |it| it.get(Count::DeliverNoAck),
    ),
    (
        "delivered_get_manual_ack",
        "Total number of messages delivered to consumers using basic.get with manual acknowledgment",
        |it| it.get(Count::Get),
    ),
    (
        "delivered_get_auto_ack",
        "Total number of messages delivered to consumers using basic.get with automatic acknowledgment",
        |it| it.get(Count::GetNoAck),
    ),
    ("get_empty", "Total number of times basic.get operations fetched no message", |it| it.get(Count::GetEmpty)),
    ("redelivered", "Total number of messages redelivered to consumers", |it| it.get(Count::Redeliver)),
];

pub(super) const GLOBAL_PUBLISHER_COUNTS: [Row<Counters>; 6] = [
    ("received", "Total number of messages received from publishers", |it| it.get(Count::Publish)),
    ("received_confirm", "Total number of messages received from publishers using publisher confirms", |it| {
        it.get(Count::PublishConfirmed)
    }),
    ("routed", "Total number of messages routed to queues or streams", |it| {
        it.get(Count::Publish) - it.get(Count::ReturnUnroutable) - it.get(Count::DropUnroutable)
    }),
    ("confirmed", "Total number of messages confirmed to publishers", |it| it.get(Count::Confirm)),
    ("unroutable_returned", "Total number of unroutable messages returned to publishers", |it| {
        it.get(Count::ReturnUnroutable)
    }),
    ("unroutable_dropped", "Total number of unroutable messages dropped", |it| it.get(Count::DropUnroutable)),
];
