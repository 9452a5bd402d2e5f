//! What becomes of a delivery. Each is settled once, by [`handle`], as the table says:
//!
//! | what happened | reply | settled |
//! | --- | --- | --- |
//! | replied, and the broker confirmed the reply | the reply | ack |
//! | the handler returned a status | the status | ack |
//! | malformed, wrong content type, too large | `invalid_argument` | ack |
//! | the deadline had passed on arrival, or passed while it was handled | none: nobody waits | ack |
//! | the handler panicked | `internal` | reject, not put back |
//! | the reply's confirm did not come | | put back |
//! | one-way, and the handler returned a status that allows a retry | | put back, after a pause |
//! | one-way, and any other status | | reject, not put back |
//! | the instance stopped before the handler ended | | put back, by closing the channel |

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use lapin::{
    Acker,
    message::Delivery,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::handler::Endpoint;
use crate::{
    client::Client,
    codec::Codec,
    context::Context,
    publisher::Publisher,
    status::{Retry, Status},
    wire::{self, Head},
};

/// How long a one-way message rests before it is put back, so that a failing handler does not spin.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What all deliveries of an endpoint share.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) publisher: Publisher,
    pub(super) client: Client,
    pub(super) instance: Arc<str>,
    /// Fires when the instance will not wait for handlers any longer.
    pub(super) abort: CancellationToken,
}

/// How a delivery ends.
enum Settle {
    Ack,
    PutBack,
    Reject,
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
    let head = Head::read(&delivery.properties);
    let Delivery { data, acker, redelivered, .. } = delivery;
    let ended = run(&shared, &head, data.into(), redelivered).await;
    let codec = head.codec.clone().unwrap_or(Codec::Json);
    let settle = match ended {
        Ended::Aborted => return,
        Ended::Expired => Settle::Ack,
        Ended::Panicked => {
            let status = Status::internal(format!("the handler of {} failed", shared.endpoint.queue));
            // Its confirm changes nothing: the request must not be tried again.
            let _ = reply(&shared, head, codec, Err(status)).await;
            Settle::Reject
        }
        Ended::Replied(body) => reply(&shared, head, codec, Ok(body)).await,
        Ended::Refused(status) if head.reply_to.is_some() => reply(&shared, head, codec, Err(status)).await,
        Ended::Refused(status) => {
            tracing::error!(queue = shared.endpoint.queue, %status, "a one-way message was refused");
            if status.code.retry() == Retry::SameCall {
                tokio::time::sleep(RETRY_PAUSE).await;
                Settle::PutBack
            } else {
                Settle::Reject
            }
        }
    };
    settle_by(&acker, settle, &shared.endpoint.queue).await;
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
        let text = format!("a body of {} bytes, where {body_bytes_max} are taken", body.len());
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
        redelivered,
    };
    // Fires however this function is left, so that what the handler spawned stops with it.
    let _cancelled = cancellation.drop_guard();
    let handler = AssertUnwindSafe((shared.endpoint.handler)(context, codec, body)).catch_unwind();
    tokio::select! {
        ended = handler => match ended {
            Ok(Ok(body)) if body.len() > body_bytes_max => Ended::Refused(Status::resource_exhausted(
                format!("the reply takes {} bytes, and {body_bytes_max} are allowed", body.len()),
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
        Err(status) => (Some(status.code), encode_status(codec, &status)),
    };
    let app_id = &shared.client.options().name;
    let properties = wire::reply_properties(codec, app_id, head.correlation_id, status);
    match shared.publisher.publish("", reply_to, properties, body).await {
        Ok(()) => Settle::Ack,
        Err(error) => {
            tracing::warn!(queue = shared.endpoint.queue, %error, "a reply was not confirmed");
            Settle::PutBack
        }
    }
}

fn encode_status(codec: Codec, status: &Status) -> Bytes {
    codec.encode(status).unwrap_or_else(|error| {
        tracing::error!(%error, "a status cannot be encoded");
        Bytes::new()
    })
}

async fn settle_by(acker: &Acker, settle: Settle, queue: &str) {
    let settled = match settle {
        Settle::Ack => acker.ack(BasicAckOptions { multiple: false }).await,
        Settle::PutBack => acker.nack(BasicNackOptions { multiple: false, requeue: true }).await,
        Settle::Reject => acker.reject(BasicRejectOptions { requeue: false }).await,
    };
    match settled {
        Ok(true) => {}
        Ok(false) => tracing::debug!(queue, "the channel is gone: the broker hands the delivery out again"),
        Err(error) => tracing::debug!(queue, %error, "the connection is gone: the broker hands the delivery out again"),
    }
}
