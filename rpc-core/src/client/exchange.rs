//! One request and its answer, as bytes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lapin::types::ShortString;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use super::{CallOptions, Client};
use crate::{
    amqp,
    codec::Codec,
    error::{CallError, RejectReason},
    publisher::{Outgoing, Receipt},
    status::Status,
    wire::{Answer, RequestHead},
};

/// Longer than any call, shorter than what overflows an instant.
const DEADLINE_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Client {
    /// One call: its reply's body, and how that is written.
    pub(super) async fn exchange(
        &self,
        method: &str,
        codec: Codec,
        body: Bytes,
        body_bytes_max: usize,
        options: CallOptions,
    ) -> Result<(Codec, Bytes), CallError> {
        if body.len() > body_bytes_max {
            let method = method.to_owned();
            return Err(RejectReason::BodyTooLarge { method, body_bytes: body.len(), body_bytes_max }.into());
        }
        let queue = amqp::name("method's name", method).map_err(RejectReason::from)?;
        let call_id = options.call_id.unwrap_or_else(|| Uuid::now_v7().to_string());
        let call_id = amqp::name("call id", &call_id).map_err(RejectReason::from)?;
        let span = tracing::debug_span!("rpc.call", method, %call_id);
        let attempt = self.attempt(queue, codec, body, call_id, options.deadline);
        attempt.instrument(span).await?.into_result().map_err(CallError::from)
    }

    /// One request and its answer, within the deadline.
    async fn attempt(
        &self,
        queue: ShortString,
        codec: Codec,
        body: Bytes,
        call_id: ShortString,
        deadline: Duration,
    ) -> Result<Answer, CallError> {
        let inner = &*self.inner;
        let ends_at = Instant::now() + deadline.min(DEADLINE_MAX);
        let mut call = inner.pending.begin()?;
        let properties = RequestHead {
            correlation_id: call.id(),
            call_id,
            reply_to: &inner.callback_queue,
            app_id: &inner.app_id,
            codec,
            remaining: deadline.min(DEADLINE_MAX),
        }
        .into_properties();
        let request = Outgoing {
            exchange: ShortString::default(),
            routing_key: queue.clone(),
            mandatory: true,
            properties,
            body,
            receipt: Receipt::Call(call.id(), Arc::clone(&inner.pending)),
        };
        let answered = async {
            inner.publisher.send(request).await;
            call.outcome().await
        };
        tokio::time::timeout_at(ends_at, answered).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!("no reply of {queue} within {deadline:?}")).into())
        })
    }
}
