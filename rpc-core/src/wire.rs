//! The wire contract: which AMQP property and header carries what.
//!
//! A request goes to the default exchange, routing key = method; its reply to the default exchange, routing key =
//! `reply_to`. A message without any of Warren's headers is a request as well: JSON, without a deadline.

mod answer;
mod control;
mod one_way;
mod outgoing;
mod progress;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use self::{
    answer::Answer,
    control::{cancel_key, cancel_properties, cancelled_until, control_address, is_about_a_request},
    one_way::{OneWayHead, Published, can_be_chosen, retry_properties},
    outgoing::{CallId, Origin, Properties, ReplyHead, RequestHead},
    progress::{ItemBody, Progress, ProgressHead, RunId, credit, credit_properties, is_progress, run_number},
};
use crate::{
    amqp::{header_integer, header_text},
    codec::Codec,
    metadata::Metadata,
    trace::{STATE_BYTES_MAX, TraceContext},
};

/// What remained of the deadline when the request was sent, in ms.
const DEADLINE_MS: &str = "deadline-ms";
/// The instant of the deadline by the caller's wall clock, in ms since 1970 (UTC).
const DEADLINE_AT: &str = "deadline-at";
/// The caller's callback queue: it is bound to the dead letters that carry it, so the broker tells the caller itself.
const CALLER: &str = "caller";
/// W3C trace context.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// The methods that are being handled on the way to this call, with spaces between: so that who waits for itself can
/// be told.
const PATH: &str = "path";
/// The code of a reply that is no success.
const STATUS: &str = "status";
/// How often a one-way message was tried before, or a reply that came back published.
const TRIES: &str = "tries";

/// AMQP's delivery mode of a message that survives the broker's restart.
const PERSISTENT: u8 = 2;

/// How often a one-way message was tried before, or a reply that came back published.
pub(crate) fn tries(properties: &BasicProperties) -> u32 {
    header_integer(properties, TRIES).map_or(0, |tries| u32::try_from(tries).unwrap_or_default())
}

/// The properties of a reply that was published so often.
pub(crate) fn tried(properties: BasicProperties, tries: u32) -> BasicProperties {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(TRIES.into(), AMQPValue::LongLongInt(tries.into()));
    properties.with_headers(headers)
}

fn write_trace(trace: TraceContext, headers: &mut FieldTable) {
    headers.insert(TRACEPARENT.into(), AMQPValue::LongString(trace.to_string().into()));
    if let Some(state) = trace.state.filter(|state| state.len() <= STATE_BYTES_MAX) {
        headers.insert(TRACESTATE.into(), AMQPValue::LongString(state.into()));
    }
}

fn message(codec: Codec, app_id: &ShortString) -> BasicProperties {
    BasicProperties::default().with_content_type(codec.content_type().into()).with_app_id(app_id.clone())
}

/// The broker's TTL in whole ms, one at least: 0 would mean "only if it can be delivered at once".
fn expiration(remaining: Duration) -> ShortString {
    let ms = remaining.as_millis().max(1).min(u128::from(u32::MAX));
    ms.to_string().into()
}

/// How a message's body is written; the content type if it is neither form. Without one it is JSON.
fn codec(properties: &BasicProperties) -> Result<Codec, String> {
    let Some(content_type) = properties.content_type() else { return Ok(Codec::Json) };
    Codec::from_content_type(content_type.as_str()).ok_or_else(|| content_type.to_string())
}

/// What the properties of a request or an event say to an instance.
#[derive(Debug)]
pub(crate) struct Head {
    /// Where the reply goes; none: one-way.
    pub(crate) reply_to: Option<ShortString>,
    /// As it came: a foreign client's may be any text.
    pub(crate) correlation_id: Option<ShortString>,
    /// The call, the same over every attempt; a message without one gets one of its own.
    pub(crate) call_id: String,
    /// Whether it came with the message. If not, that has another one each time that it is handed out.
    pub(crate) has_call_id: bool,
    /// How the body is written; the refused content type if it is neither form.
    pub(crate) codec: Result<Codec, String>,
    /// When nobody waits any more.
    pub(crate) deadline: Option<Instant>,
    /// How far the caller's clock is off, if it must be; ahead of ours if positive.
    pub(crate) skew_ms: Option<i64>,
    /// How often a one-way message was tried before.
    pub(crate) tries: u32,
    /// The caller's place in its trace.
    pub(crate) trace: Option<TraceContext>,
    /// The methods that are being handled on the way here.
    pub(crate) path: Option<String>,
    /// What travels beside the request; how many bytes, if too many.
    pub(crate) metadata: Result<Metadata, usize>,
}

impl Head {
    pub(crate) fn read(properties: &BasicProperties) -> Self {
        let now_ms = unix_ms();
        let call_id = properties.message_id().as_ref().map(|id| id.as_str()).filter(|id| !id.is_empty());
        Self {
            reply_to: properties.reply_to().clone().filter(|queue| !queue.as_str().is_empty()),
            correlation_id: properties.correlation_id().clone(),
            call_id: call_id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
            has_call_id: call_id.is_some(),
            codec: codec(properties),
            deadline: remaining(properties, now_ms).map(|remaining| Instant::now() + remaining),
            skew_ms: skew_ms(properties, now_ms),
            tries: tries(properties),
            trace: header_text(properties, TRACEPARENT)
                .and_then(|parent| TraceContext::parse(parent, header_text(properties, TRACESTATE))),
            path: header_text(properties, PATH).map(str::to_owned),
            metadata: properties.headers().as_ref().map_or_else(|| Ok(Metadata::new()), Metadata::read),
        }
    }
}

/// What remains of a deadline on arrival: the smaller of what remained at sending and what the clocks say, so that
/// neither a message that lay in the queue nor a wrong clock lengthens it.
fn remaining(properties: &BasicProperties, now_ms: i64) -> Option<Duration> {
    /// A deadline beyond this is none: it would overflow an instant.
    const FAR_MS: i64 = 10 * 365 * 24 * 60 * 60 * 1000;
    let at_sending = header_integer(properties, DEADLINE_MS);
    let by_clock = header_integer(properties, DEADLINE_AT).map(|at| at.saturating_sub(now_ms));
    let ms = match (at_sending, by_clock) {
        (Some(one), Some(other)) => one.min(other),
        (one, other) => one.or(other)?,
    };
    (ms < FAR_MS).then(|| Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

/// How far the caller's clock is off, if it must be by more than a second. Ahead: more remains by the clocks than did
/// at sending. Behind: the deadline has long passed by them, yet the broker, which keeps its own time, handed the
/// request out. A clock that is behind by less than a request's deadline looks like a wait in the queue.
fn skew_ms(properties: &BasicProperties, now_ms: i64) -> Option<i64> {
    const TOLERATED_MS: i64 = 1000;
    let at_sending = header_integer(properties, DEADLINE_MS)?;
    let by_clock = header_integer(properties, DEADLINE_AT)?.saturating_sub(now_ms);
    let ahead = by_clock.saturating_sub(at_sending);
    let is_off = ahead > TOLERATED_MS || (at_sending > TOLERATED_MS && by_clock < -TOLERATED_MS);
    is_off.then_some(ahead)
}

fn unix_ms() -> i64 {
    whole_ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_deadline(at_sending_ms: Option<i64>, at_ms: Option<i64>) -> BasicProperties {
        let mut headers = FieldTable::default();
        if let Some(ms) = at_sending_ms {
            headers.insert(DEADLINE_MS.into(), AMQPValue::LongLongInt(ms));
        }
        if let Some(ms) = at_ms {
            headers.insert(DEADLINE_AT.into(), AMQPValue::LongLongInt(ms));
        }
        BasicProperties::default().with_headers(headers)
    }

    #[test]
    fn the_smaller_deadline_counts() {
        let ms = |properties| remaining(&properties, 1_000_000).map(|left| left.as_millis());
        assert_eq!(ms(with_deadline(Some(500), Some(1_000_300))), Some(300), "it lay in the queue");
        assert_eq!(ms(with_deadline(Some(500), Some(1_900_000))), Some(500), "the clocks differ");
        assert_eq!(ms(with_deadline(Some(500), Some(900_000))), Some(0), "it has passed");
        assert_eq!(ms(with_deadline(Some(500), None)), Some(500));
        assert_eq!(ms(with_deadline(None, None)), None);
        assert_eq!(ms(with_deadline(Some(i64::MAX), Some(i64::MAX))), None);
        assert_eq!(ms(with_deadline(Some(i64::MIN), Some(i64::MIN))), Some(0));
    }

    #[test]
    fn a_clock_that_must_be_wrong_is_told_from_a_wait_in_the_queue() {
        let skew = |at_sending, at| skew_ms(&with_deadline(Some(at_sending), Some(at)), 1_000_000);
        assert_eq!(skew(5_000, 1_005_000), None, "the clocks agree");
        assert_eq!(skew(5_000, 1_000_200), None, "it lay in the queue");
        assert_eq!(skew(5_000, 1_065_000), Some(60_000), "the caller's clock is ahead");
        assert_eq!(skew(5_000, 945_000), Some(-60_000), "the caller's clock is behind");
        assert_eq!(skew(i64::MIN, i64::MAX), Some(i64::MAX));
        assert_eq!(skew_ms(&with_deadline(Some(5_000), None), 1_000_000), None);
    }

    #[test]
    fn an_expiration_is_never_zero() {
        assert_eq!(expiration(Duration::ZERO).as_str(), "1");
        assert_eq!(expiration(Duration::from_millis(2500)).as_str(), "2500");
        assert_eq!(expiration(Duration::MAX).as_str(), "4294967295");
    }

    #[test]
    fn a_bare_message_is_a_json_request_with_an_id_of_its_own() {
        let head = Head::read(&BasicProperties::default());
        assert_eq!(head.codec, Ok(Codec::Json));
        assert!(head.deadline.is_none() && head.reply_to.is_none());
        assert!(Uuid::try_parse(&head.call_id).is_ok() && !head.has_call_id);
        let head = Head::read(&BasicProperties::default().with_content_type("text/html".into()));
        assert_eq!(head.codec, Err("text/html".to_owned()));
    }
}
