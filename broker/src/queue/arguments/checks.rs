//! The `x-` arguments of queues and consumers, checked in RabbitMQ's order and with its words (`rabbit_amqqueue.erl`).

use amq_protocol::types::{AMQPValue, FieldTable};

use super::QueueType;
use super::difference::type_name;
use crate::exchange::headers::integer;

/// An argument that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid {
    pub(crate) name: String,
    pub(crate) wrong: Wrong,
}

/// What is wrong with an argument, as RabbitMQ says it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Value(String),
    /// This type of queue does not have it, and another has.
    NotOfType(QueueType),
}

impl Invalid {
    /// The whole text, for the resource of this title.
    pub(crate) fn text(&self, title: &str) -> String {
        let name = &self.name;
        match &self.wrong {
            Wrong::Value(reason) => format!("invalid arg '{name}' for {title}: {reason}"),
            Wrong::NotOfType(kind) => format!("invalid arg '{name}' for {title} of queue type {}", kind.module()),
        }
    }
}

type Check = fn(&AMQPValue, &FieldTable) -> Result<(), String>;

/// In the order in which RabbitMQ looks.
const QUEUE_CHECKS: [(&str, Check); 16] = [
    ("x-expires", expires),
    ("x-message-ttl", message_ttl),
    ("x-dead-letter-exchange", text),
    ("x-dead-letter-routing-key", dead_letter_routing_key),
    ("x-dead-letter-strategy", dead_letter_strategy),
    ("x-max-length", not_negative),
    ("x-max-length-bytes", not_negative),
    ("x-max-in-memory-length", not_negative),
    ("x-max-in-memory-bytes", not_negative),
    ("x-max-priority", max_priority),
    ("x-overflow", overflow),
    ("x-queue-mode", queue_mode),
    ("x-queue-version", queue_version),
    ("x-single-active-consumer", boolean),
    ("x-quorum-initial-group-size", group_size),
    ("x-queue-leader-locator", leader_locator),
];

const CONSUMER_CHECKS: [(&str, Check); 2] = [("x-priority", any_integer), ("x-cancel-on-ha-failover", boolean)];

const CLASSIC: [&str; 13] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
];

const QUORUM: [&str; 15] = [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
];

/// What only RabbitMQ's streams have.
const STREAM: [&str; 3] = ["x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"];

impl QueueType {
    /// The type's name in RabbitMQ's refusals.
    pub(crate) fn module(self) -> &'static str {
        match self {
            QueueType::Classic => "rabbit_classic_queue",
            QueueType::Quorum => "rabbit_quorum_queue",
        }
    }

    /// The arguments that this type has, in the order in which a second declaration is compared.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            QueueType::Classic => &CLASSIC,
            QueueType::Quorum => &QUORUM,
        }
    }

    fn consumer_arguments(self) -> &'static [&'static str] {
        match self {
            QueueType::Classic => &["x-cancel-on-ha-failover", "x-priority", "x-credit"],
            QueueType::Quorum => &["x-priority", "x-credit"],
        }
    }

    /// The type that `x-queue-type` names.
    ///
    /// # Errors
    ///
    /// If there is no such type.
    pub(crate) fn named_in(arguments: &FieldTable) -> Result<QueueType, Invalid> {
        let wrong = match arguments.inner().get("x-queue-type") {
            None => return Ok(QueueType::Classic),
            Some(AMQPValue::LongString(name)) => match name.as_bytes() {
                b"classic" => return Ok(QueueType::Classic),
                b"quorum" => return Ok(QueueType::Quorum),
                _ => format!("\"unsupported queue type '{name}'\""),
            },
            Some(other) => unacceptable(other),
        };
        Err(Invalid { name: "x-queue-type".to_owned(), wrong: Wrong::Value(wrong) })
    }
}

/// Checks what a queue is declared with.
///
/// # Errors
///
/// The first argument that is wrong.
pub(crate) fn check_queue(arguments: &FieldTable) -> Result<QueueType, Invalid> {
    let kind = QueueType::named_in(arguments)?;
    check(kind, arguments, &QUEUE_CHECKS, kind.arguments(), &[&CLASSIC, &QUORUM, &STREAM])?;
    Ok(kind)
}

/// Checks what a queue is consumed with.
///
/// # Errors
///
/// The first argument that is wrong.
pub(crate) fn check_consumer(kind: QueueType, arguments: &FieldTable) -> Result<(), Invalid> {
    let known = ["x-cancel-on-ha-failover", "x-stream-offset"];
    check(kind, arguments, &CONSUMER_CHECKS, kind.consumer_arguments(), &[&known])
}

fn check(
    kind: QueueType,
    arguments: &FieldTable,
    checks: &[(&str, Check)],
    own: &[&str],
    known: &[&[&str]],
) -> Result<(), Invalid> {
    for (name, check) in checks.iter().filter(|(name, _)| own.contains(name)) {
        let Some(value) = arguments.inner().get(*name) else { continue };
        check(value, arguments).map_err(|reason| Invalid { name: (*name).to_owned(), wrong: Wrong::Value(reason) })?;
    }
    let foreign = |name: &str| !own.contains(&name) && known.iter().any(|names| names.contains(&name));
    match arguments.into_iter().find(|(name, _)| foreign(name.as_str())) {
        Some((name, _)) => Err(Invalid { name: name.to_string(), wrong: Wrong::NotOfType(kind) }),
        None => Ok(()),
    }
}

/// The longest time that RabbitMQ takes: ten years, in milliseconds.
const EXPIRY_MS_MAX: i128 = 315_360_000_000;

/// Whether a number is a time that RabbitMQ takes, in milliseconds.
pub(crate) fn check_expiry(number: i128) -> Result<(), String> {
    match number {
        ..0 => Err(format!("{{value_negative,{number}}}")),
        0..=EXPIRY_MS_MAX => Ok(()),
        _ => Err(format!("{{value_too_large,{number}}}")),
    }
}

fn unacceptable(value: &AMQPValue) -> String {
    format!("{{unacceptable_type,{}}}", type_name(value))
}

fn number(value: &AMQPValue) -> Result<i128, String> {
    integer(value).ok_or_else(|| format!("\"expected integer, got {}\"", type_name(value)))
}

fn any_integer(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    number(value).map(|_| ())
}

fn not_negative(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    match number(value)? {
        negative @ ..0 => Err(format!("{{value_negative,{negative}}}")),
        _ => Ok(()),
    }
}

fn expires(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    match number(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        number => check_expiry(number),
    }
}

fn message_ttl(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    check_expiry(number(value)?)
}

fn max_priority(value: &AMQPValue, all: &FieldTable) -> Result<(), String> {
    not_negative(value, all)?;
    match number(value)? {
        high @ 256.. => Err(format!("{{max_value_exceeded,{high}}}")),
        _ => Ok(()),
    }
}

fn group_size(value: &AMQPValue, all: &FieldTable) -> Result<(), String> {
    not_negative(value, all)?;
    if number(value)? == 0 { Err("{value_zero,0}".to_owned()) } else { Ok(()) }
}

fn boolean(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    if matches!(value, AMQPValue::Boolean(_)) { Ok(()) } else { Err(unacceptable(value)) }
}

fn text(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    one_of(value, |_| true, |_| String::new())
}

fn one_of(value: &AMQPValue, known: fn(&str) -> bool, unknown: fn(&str) -> String) -> Result<(), String> {
    let AMQPValue::LongString(text) = value else { return Err(unacceptable(value)) };
    let text = text.to_string();
    if known(&text) { Ok(()) } else { Err(unknown(&text)) }
}

fn dead_letter_routing_key(value: &AMQPValue, all: &FieldTable) -> Result<(), String> {
    text(value, all)?;
    if all.contains_key("x-dead-letter-exchange") { Ok(()) } else { Err("routing_key_but_no_dlx_defined".to_owned()) }
}

fn dead_letter_strategy(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    one_of(value, |it| matches!(it, "at-most-once" | "at-least-once"), |_| "invalid_dlx_strategy".to_owned())
}

fn overflow(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    let known = |it: &str| matches!(it, "drop-head" | "reject-publish" | "reject-publish-dlx");
    one_of(value, known, |_| "invalid_overflow".to_owned())
}

fn queue_mode(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    one_of(value, |it| matches!(it, "default" | "lazy"), |it| format!("\"unsupported queue mode '{it}'\""))
}

fn queue_version(value: &AMQPValue, all: &FieldTable) -> Result<(), String> {
    not_negative(value, all)?;
    match number(value)? {
        1 | 2 => Ok(()),
        other => Err(format!("\"unsupported queue version '{other}'\"")),
    }
}

fn leader_locator(value: &AMQPValue, _: &FieldTable) -> Result<(), String> {
    let known = |it: &str| matches!(it, "client-local" | "balanced" | "random" | "least-leaders");
    one_of(value, known, |_| "invalid_queue_locator_arg".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: AMQPValue) -> Result<QueueType, Invalid> {
        let mut table = FieldTable::default();
        table.insert(name.into(), value);
        check_queue(&table)
    }

    #[test]
    fn wrong_arguments_are_named() {
        let text = |text: &str| AMQPValue::LongString(text.into());
        for (name, value) in [
            ("x-message-ttl", AMQPValue::LongInt(-1)),
            ("x-message-ttl", text("soon")),
            ("x-expires", AMQPValue::LongInt(0)),
            ("x-max-priority", AMQPValue::LongInt(256)),
            ("x-overflow", text("explode")),
            ("x-dead-letter-routing-key", text("k")),
            ("x-queue-type", text("stream")),
            ("x-delivery-limit", AMQPValue::LongInt(5)),
        ] {
            assert_eq!(read(name, value).unwrap_err().name, name);
        }
    }

    #[test]
    fn what_nobody_knows_is_taken() {
        assert_eq!(read("x-mine", AMQPValue::Void), Ok(QueueType::Classic));
    }
}
