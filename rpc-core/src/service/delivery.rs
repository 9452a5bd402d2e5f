//! What becomes of a delivery. Each is settled once, by [`handle`], as the table says:
//!
//! | what happened | reply | settled |
//! | --- | --- | --- |
//! | replied, and the broker confirmed the reply | the reply | ack |
//! | the handler returned a status | the status | ack |
//! | malformed, wrong content type, too large | `invalid_argument` | ack |
//! | the reply, or the status, is over the limit | `resource_exhausted`, or the status without its words | ack |
//! | the deadline had passed on arrival, or passed while it was handled | none: nobody waits | ack |
//! | the handler panicked | `internal` | reject, not put back |
//! | the broker refused the reply: the caller's queue is full | lost | reject, not put back: again would be no better |
//! | the reply's confirm did not come: its channel is lost, and the instance ends | | put back, by closing the channel |
//! | one-way, and a status that allows a retry, returned before the last try | | after a pause, published again to the end of its queue with `tries` counted, then ack |
//! | the same, and the broker refuses to take it again, or the instance stops during the pause | | put back |
//! | the same, and the confirm of that did not come: the instance ends | | put back, by closing the channel |
//! | one-way, and any other status, or the last try | | reject, not put back |
//! | the instance stopped before the handler ended | | put back, by closing the channel |
//! | the instance stopped before the handler began | | put back |

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::FutureExt;
use lapin::{Acker, message::Delivery, types::ShortString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    handler::{Endpoint, Source},
    one_way::{self, OneWay, OneWayRetries},
};
use crate::{
    amqp,
    client::Client,
    codec::Codec,
    context::Context,
    error::PublishError,
    publisher::Publisher,
    status::Status,
    wire::{self, Head},
};

/// What all deliveries of an endpoint share.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) publisher: Publisher,
    pub(super) client: Client,
    pub(super) instance: Arc<str>,
    pub(super) retries: OneWayRetries,
    /// Fires when the instance begins to stop.
    pub(super) shutdown: CancellationToken,
    /// Fires when the instance will not wait for handlers any longer.
    pub(super) abort: CancellationToken,
}

/// How a delivery ends.
pub(super) enum Settle {
    Ack,
    PutBack,
    Reject,
    /// Not by this instance: the broker hands it out again when the channel closes.
    Leave,
}

/// How a handler ended.
enum Ended {
    Replied(Bytes),
    Refused(Status),
    Panicked,
    Expired,
    /// The instance stops: leave the delivery to another.
    Aborted,
}

/// Handles one delivery and settles it.
pub(super) async fn handle(shared: Arc<Shared>, delivery: Delivery) {
    let mut head = Head::read(&delivery.properties);
    if let Source::Event { .. } = shared.endpoint.source {
        // An event is nobody's question, whatever its publisher put there.
        head.reply_to = None;
    }
    let Delivery { properties, data, acker, redelivered, .. } = delivery;
    let body = Bytes::from(data);
    // For another try. A request has none, and its body is freed once it is read.
    let kept = if head.reply_to.is_none() { body.clone() } else { Bytes::new() };
    let ended = run(&shared, &head, body, redelivered).await;
    let codec = head.codec.clone().unwrap_or(Codec::Json);
    let settle = match ended {
        Ended::Aborted => Settle::Leave,
        Ended::Expired => Settle::Ack,
        Ended::Panicked => {
            tracing::error!(queue = shared.endpoint.queue, id = head.call_id, "a handler panicked");
            let status = Status::internal(format!("the handler of {} failed", shared.endpoint.queue));
            // Its confirm changes nothing: the request must not be tried again.
            let _ = reply(&shared, head, codec, Err(status)).await;
            Settle::Reject
        }
        Ended::Replied(body) => reply(&shared, head, codec, Ok(body)).await,
        Ended::Refused(status) if head.reply_to.is_some() => reply(&shared, head, codec, Err(status)).await,
        Ended::Refused(status) => {
            let message = OneWay { properties: &properties, head: &head, body: kept };
            one_way::refused(&shared, message, &status).await
        }
    };
    settle_by(&acker, settle, &shared.endpoint.queue).await;
}

/// Puts back a delivery that nobody has looked at: the instance stops.
pub(super) async fn put_back(delivery: Delivery, queue: &str) {
    settle_by(&delivery.acker, Settle::PutBack, queue).await;
}

/// Runs the handler unless the request is wrong or late.
async fn run(shared: &Shared, head: &Head, body: Bytes, redelivered: bool) -> Ended {
    let codec = match &head.codec {
        Ok(codec) => *codec,
        Err(content_type) => {
            let text = format!("content type {content_type:?}: application/msgpack and application/json are taken");
            return Ended::Refused(Status::invalid_argument(text));
        }
    };
    let body_bytes_max = shared.endpoint.body_bytes_max;
    if body.len() > body_bytes_max {
        let text = format!("a body takes at most {body_bytes_max} bytes, not {}", body.len());
        return Ended::Refused(Status::invalid_argument(text));
    }
    if head.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        tracing::debug!(queue = shared.endpoint.queue, call_id = head.call_id, "nobody waits any more");
        return Ended::Expired;
    }
    let cancellation = CancellationToken::new();
    let context = Context {
        call_id: head.call_id.as_str().into(),
        deadline: head.deadline,
        cancellation: cancellation.clone(),
        client: shared.client.clone(),
        instance: Arc::clone(&shared.instance),
        redelivered: redelivered || head.tries > 0,
    };
    // Fires however this function is left, so that what the handler spawned stops with it.
    let _cancelled = cancellation.drop_guard();
    let handler = AssertUnwindSafe((shared.endpoint.handler)(context, codec, body)).catch_unwind();
    tokio::select! {
        ended = handler => match ended {
            Ok(Ok(body)) if body.len() > body_bytes_max => Ended::Refused(Status::resource_exhausted(
                format!("the reply takes at most {body_bytes_max} bytes, not {}", body.len()),
            )),
            Ok(Ok(body)) => Ended::Replied(body),
            Ok(Err(status)) => Ended::Refused(status),
            Err(_) => Ended::Panicked,
        },
        () = passed(head.deadline) => Ended::Expired,
        () = shared.abort.cancelled() => Ended::Aborted,
    }
}

/// Waits for the deadline; for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Publishes the reply, if anybody asked for one, and waits for the confirm.
async fn reply(shared: &Shared, head: Head, codec: Codec, outcome: Result<Bytes, Status>) -> Settle {
    let Some(reply_to) = head.reply_to else { return Settle::Ack };
    let (status, body) = match outcome {
        Ok(body) => (None, body),
        Err(status) => (Some(status.code), encode_status(codec, &status, shared.endpoint.body_bytes_max)),
    };
    let properties = wire::reply_properties(codec, shared.client.app_id(), head.correlation_id, status);
    match shared.publisher.publish(ShortString::default(), reply_to, properties, body).await {
        Ok(()) => Settle::Ack,
        Err(error @ PublishError::Rejected(_)) => {
            tracing::warn!(queue = shared.endpoint.queue, %error, "a reply was lost: the caller's queue refused it");
            Settle::Reject
        }
        Err(error) => {
            tracing::warn!(queue = shared.endpoint.queue, %error, "a reply was not confirmed");
            Settle::Leave
        }
    }
}

/// A status as a body; without its words if they are over the limit or cannot be encoded.
fn encode_status(codec: Codec, status: &Status, body_bytes_max: usize) -> Bytes {
    let problem = match codec.encode(status) {
        Ok(body) if body.len() <= body_bytes_max => return body,
        Ok(body) => format!("a status takes at most {body_bytes_max} bytes, not {}", body.len()),
        Err(error) => error.to_string(),
    };
    tracing::error!(code = %status.code, problem, "a status was sent without its words");
    codec.encode(&Status::new(status.code, problem)).unwrap_or_default()
}

async fn settle_by(acker: &Acker, settle: Settle, queue: &str) {
    let settled = match settle {
        Settle::Ack => amqp::ack(acker).await,
        Settle::PutBack => amqp::put_back(acker).await,
        Settle::Reject => amqp::reject(acker).await,
        Settle::Leave => return,
    };
    match settled {
        Ok(true) => {}
        Ok(false) => tracing::debug!(queue, "the channel is gone: the broker hands the delivery out again"),
        Err(error) => tracing::debug!(queue, %error, "the connection is gone: the broker hands the delivery out again"),
    }
}
