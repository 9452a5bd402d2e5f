//! What becomes of a delivery: `docs/wire.md` has the table. Each is settled once, by [`handle`]; what is left
//! unsettled is put back when its channel closes.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::FutureExt;
use lapin::types::ShortString;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    cancels::Cancels,
    handler::{Endpoint, Failure},
    intake::Arrival,
    one_way::{self, Next, OneWayRetries, RefusedMessage},
    progress::{self, ControlQueue, Wanted},
    settle::Unsettled,
    skew::SkewLog,
};
use crate::{
    amqp::Settle,
    client::{Client, Scope},
    codec::Codec,
    context::Context,
    deadline,
    metadata::{METADATA_BYTES_MAX, Metadata},
    publisher::{Outgoing, Publisher, Receipt},
    status::{MayHaveRun, Status},
    trace::TraceContext,
    wire::{Head, Properties, Published, ReplyHead},
};

/// Longest list of methods that a call is told to have come through, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// What all deliveries of an endpoint share.
pub(super) struct Shared {
    pub(super) endpoint: Endpoint,
    pub(super) client: Client,
    pub(super) instance: Arc<str>,
    pub(super) retries: OneWayRetries,
    /// Longest that a handler may take.
    pub(super) handling_max: Duration,
    pub(super) cancels: Arc<Cancels>,
    pub(super) skew: SkewLog,
    pub(super) control_queue: ControlQueue,
    /// What the instance waits for before it is shut down.
    pub(super) unfinished: TaskTracker,
    /// Fires when the instance begins to stop.
    pub(super) shutdown: CancellationToken,
    /// Fires when the instance will not wait for handlers any longer.
    pub(super) abort: CancellationToken,
}

/// How a handler ended.
enum Ended {
    Replied(Bytes),
    Refused(Status),
    Panicked,
    /// The request ends every process that begins it.
    Poisonous,
    /// Nobody waits any more: the deadline has passed, or the caller has given up.
    Unwanted,
    /// The instance stops: leave the delivery to another.
    Aborted,
}

/// Handles one delivery and settles it; `replies` are those of the connection that it came by.
pub(super) async fn handle(shared: Arc<Shared>, arrival: Arrival, replies: Publisher) {
    let Arrival { mut head, published, properties, body, redelivered, credit, unsettled } = arrival;
    if let Some(skew_ms) = head.skew_ms {
        let app_id = properties.as_ref().and_then(|properties| properties.app_id().as_ref().map(ShortString::as_str));
        shared.skew.tell(&shared.endpoint.queue.name, app_id, skew_ms);
    }
    // For another try. A request has none, and its body is freed once it is read.
    let kept = if head.reply_to.is_none() { body.clone() } else { Bytes::new() };
    let wanted = progress::wanted(&head, credit, &replies);
    let arrived = Instant::now();
    let mut ended = catch_panic(run(&shared, &head, published.clone(), body, redelivered, wanted)).await;
    // Nobody waits for an answer: trying again is the instance's own business.
    while let Ended::Refused(status) = &ended
        && head.reply_to.is_none()
    {
        let properties = properties.as_deref().expect("a one-way message keeps them");
        let body = kept.clone();
        let message = RefusedMessage { properties, head: &head, published: published.as_deref(), body };
        match one_way::refused(&shared, message, status, &unsettled, arrived).await {
            Next::Settle(settle) => return unsettled.settle(settle),
            Next::Leave => return,
            Next::Again => head.tries = head.tries.saturating_add(1),
        }
        ended = catch_panic(run(&shared, &head, published.clone(), kept.clone(), redelivered, None)).await;
    }
    let answer = Answering { shared: &shared, codec: head.codec.clone().unwrap_or(Codec::Json), replies: &replies };
    match ended {
        // Left to another instance.
        Ended::Aborted => {}
        Ended::Unwanted => unsettled.settle(Settle::Ack),
        Ended::Panicked | Ended::Poisonous => {
            let panicked = matches!(ended, Ended::Panicked);
            tracing::error!(queue = shared.endpoint.queue.name, id = head.call_id, panicked, "a request is given up");
            let status = Status::internal(format!("the handler of {} failed", shared.endpoint.queue.name));
            // The request must not be tried again.
            answer.send(head, Err(status), unsettled, Settle::Reject).await;
        }
        Ended::Replied(body) => answer.send(head, Ok(body), unsettled, Settle::Ack).await,
        Ended::Refused(status) => {
            // What this run refuses, the one before may have done.
            let status = if redelivered { status.with_detail(&MayHaveRun(true)) } else { status };
            answer.send(head, Err(status), unsettled, Settle::Ack).await;
        }
    }
}

/// [`Ended::Panicked`] if it panics; a handler may do so when it is dropped, too.
async fn catch_panic(running: impl Future<Output = Ended>) -> Ended {
    AssertUnwindSafe(running).catch_unwind().await.unwrap_or(Ended::Panicked)
}

/// Runs the handler unless the request is wrong or late, or may have been run before and must not be again.
async fn run(
    shared: &Shared,
    head: &Head,
    published: Option<Arc<Published>>,
    body: Bytes,
    redelivered: bool,
    wanted: Option<Wanted<'_>>,
) -> Ended {
    let body_bytes_max = shared.endpoint.body_bytes_max;
    let (codec, metadata) = match acceptable(head, body.len(), body_bytes_max) {
        Ok((codec, metadata)) => (codec, metadata.clone()),
        Err(text) => return Ended::Refused(Status::invalid_argument(text)),
    };
    if head.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
        tracing::debug!(queue = shared.endpoint.queue.name, call_id = head.call_id, "nobody waits any more");
        return Ended::Unwanted;
    }
    if redelivered && !shared.endpoint.may_repeat(head) {
        return Ended::Refused(Status::lost_by_an_instance(&shared.endpoint.queue.name));
    }
    let cancellation = CancellationToken::new();
    // However the handler is left, what it spawned stops with it.
    let _cancelled = cancellation.clone().drop_guard();
    let context = context(shared, head, &cancellation, metadata, published, redelivered);
    let id = head.correlation_id.as_ref().filter(|_| head.reply_to.is_some());
    let cancellable = id.map(|id| shared.cancels.begin(id.as_str(), &cancellation));
    if let Some(None) = cancellable {
        tracing::debug!(queue = shared.endpoint.queue.name, call_id = head.call_id, "the caller has given up");
        return Ended::Unwanted;
    }
    let ends_at = deadline::ends_at(shared.handling_max, head.deadline);
    let way = wanted.and_then(|wanted| wanted.begin(shared, head, &cancellation));
    let handler = (shared.endpoint.handler)(context, codec, body, way);
    tokio::select! {
        biased;
        ended = handler => match ended {
            _ if cancellation.is_cancelled() => Ended::Unwanted,
            Ok(body) if head.reply_to.is_some() && body.len() > body_bytes_max => {
                let text = format!("the reply takes at most {body_bytes_max} bytes, not {}", body.len());
                // The work is done: another attempt would do it twice.
                Ended::Refused(Status::resource_exhausted(text).with_detail(&MayHaveRun(true)))
            }
            Ok(body) => Ended::Replied(body),
            Err(Failure::Status(status)) => Ended::Refused(status),
            Err(Failure::Poison) => Ended::Poisonous,
        },
        () = tokio::time::sleep_until(ends_at) => match head.deadline {
            Some(deadline) if deadline <= ends_at => Ended::Unwanted,
            _ => Ended::Refused(too_long(shared)),
        },
        () = shared.abort.cancelled() => Ended::Aborted,
    }
}

/// What of a request is not in its body, or what is wrong with it.
fn acceptable(head: &Head, body_bytes: usize, body_bytes_max: usize) -> Result<(Codec, &Metadata), String> {
    let codec = head.codec.as_ref().map_err(|content_type| {
        format!("content type {content_type:?}: application/msgpack and application/json are taken")
    })?;
    if body_bytes > body_bytes_max {
        return Err(format!("a body takes at most {body_bytes_max} bytes, not {body_bytes}"));
    }
    let metadata = head.metadata.as_ref();
    let metadata =
        metadata.map_err(|bytes| format!("metadata takes at most {METADATA_BYTES_MAX} bytes, not {bytes}"))?;
    Ok((*codec, metadata))
}

/// What the handler is told.
fn context(
    shared: &Shared,
    head: &Head,
    cancellation: &CancellationToken,
    metadata: Metadata,
    published: Option<Arc<Published>>,
    redelivered: bool,
) -> Context {
    let trace = head.trace.as_ref().map_or_else(TraceContext::new_root, TraceContext::child);
    let scope = Scope {
        deadline: head.deadline,
        cancellation: cancellation.clone(),
        trace: trace.clone(),
        path: path(head.path.as_deref(), &shared.endpoint.queue.name),
    };
    Context {
        call_id: head.call_id.as_str().into(),
        deadline: head.deadline,
        // The handler's own: whoever fires it does not take the call away.
        cancellation: cancellation.child_token(),
        client: shared.client.scoped(scope),
        trace,
        instance: Arc::clone(&shared.instance),
        redelivered: redelivered || head.tries > 0,
        metadata,
        published,
        unfinished: shared.unfinished.clone(),
    }
}

/// The methods on the way here, and this one. The first ones are forgotten when there are too many.
fn path(before: Option<&str>, queue: &str) -> Arc<str> {
    let before = before.filter(|before| before.len() + queue.len() < PATH_BYTES_MAX);
    before.map_or_else(|| queue.into(), |before| format!("{before} {queue}").into())
}

fn too_long(shared: &Shared) -> Status {
    let (queue, most) = (&shared.endpoint.queue.name, shared.handling_max);
    tracing::warn!(queue, ?most, "a handler took longer than it may, and was dropped");
    Status::deadline_exceeded(format!("the handler of {queue} took longer than {most:?}"))
}

/// How a request is answered.
struct Answering<'a> {
    shared: &'a Shared,
    codec: Codec,
    replies: &'a Publisher,
}

impl Answering<'_> {
    /// Publishes the reply, if anybody asked for one. The delivery is settled when the broker has confirmed it.
    async fn send(&self, head: Head, outcome: Result<Bytes, Status>, unsettled: Unsettled, then: Settle) {
        let Some(reply_to) = head.reply_to else { return unsettled.settle(then) };
        let Self { shared, codec, replies } = self;
        let (status, body) = match outcome {
            Ok(body) => (None, body),
            Err(status) => (Some(status.code), encode_status(*codec, &status, shared.endpoint.body_bytes_max)),
        };
        let properties = Properties::Reply(ReplyHead { codec: *codec, correlation_id: head.correlation_id, status });
        let reply = Outgoing {
            exchange: ShortString::default(),
            routing_key: reply_to,
            // It comes back if its caller is gone: then it is counted.
            mandatory: true,
            properties,
            body,
            receipt: Receipt::Reply(unsettled, then),
        };
        replies.send(reply).await;
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
    let mut bare = Status::new(status.code, problem);
    if status.may_have_run() {
        bare = bare.with_detail(&MayHaveRun(true));
    }
    codec.encode(&bare).unwrap_or_default()
}
