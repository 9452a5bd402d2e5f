//! Requests and replies before they are properties.

use std::{fmt, sync::Arc};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    CALLER, DEADLINE_AT, DEADLINE_MS, PATH, PERSISTENT, STATUS, expiration, message,
    progress::{CREDIT, ProgressHead},
    unix_ms, whole_ms, write_trace,
};
use crate::{codec::Codec, deadline, metadata::Metadata, status::Code, trace::TraceContext};

/// What the properties of a message are made of. They are written where they are sent, on the connection's thread: made
/// by a caller, their dozen of small allocations would be freed by another thread, which allocators are slow at.
#[derive(Debug)]
pub(crate) enum Properties {
    Request(RequestHead),
    Reply(ReplyHead),
    Progress(Box<ProgressHead>),
    Other(Box<BasicProperties>),
}

impl Properties {
    pub(crate) fn write(self, app_id: &ShortString) -> BasicProperties {
        match self {
            Self::Request(head) => head.write(app_id),
            Self::Reply(head) => head.write(app_id),
            Self::Progress(head) => head.write(app_id),
            Self::Other(properties) => *properties,
        }
    }
}

/// Where a connection's requests come from.
#[derive(Debug)]
pub(crate) struct Origin {
    /// What its correlation ids begin with; the number of the attempt follows.
    pub(crate) prefix: String,
    pub(crate) callback_queue: ShortString,
}

impl Origin {
    pub(crate) fn correlation_id(&self, number: u64) -> ShortString {
        format!("{}{number}", self.prefix).into()
    }
}

/// The id of a call.
#[derive(Clone, Debug)]
pub(crate) enum CallId {
    New(Uuid),
    Given(ShortString),
}

impl CallId {
    pub(crate) fn write(self) -> ShortString {
        match self {
            Self::New(id) => id.to_string().into(),
            Self::Given(id) => id,
        }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(id) => id.fmt(f),
            Self::Given(id) => f.write_str(id.as_str()),
        }
    }
}

/// A caller's request.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) origin: Arc<Origin>,
    /// Of the attempt.
    pub(crate) number: u64,
    pub(crate) call_id: CallId,
    pub(crate) codec: Codec,
    pub(crate) ends_at: Instant,
    pub(crate) is_durable: bool,
    pub(crate) priority: Option<u8>,
    pub(crate) trace: Option<TraceContext>,
    /// The methods that are being handled on the way to this call.
    pub(crate) path: Option<Arc<str>>,
    /// How many progress messages may come before more are asked for; none: no progress is wanted.
    pub(crate) credit: Option<u32>,
    /// What travels beside it, checked.
    pub(crate) metadata: Metadata,
}

impl RequestHead {
    fn write(self, app_id: &ShortString) -> BasicProperties {
        let now_ms = unix_ms();
        let remaining = deadline::remaining(self.ends_at);
        let remaining_ms = whole_ms(remaining);
        let callback_queue = &self.origin.callback_queue;
        let mut headers = FieldTable::default();
        self.metadata.write(&mut headers);
        headers.insert(DEADLINE_MS.into(), AMQPValue::LongLongInt(remaining_ms));
        headers.insert(DEADLINE_AT.into(), AMQPValue::LongLongInt(now_ms.saturating_add(remaining_ms)));
        headers.insert(CALLER.into(), AMQPValue::LongString(callback_queue.as_str().into()));
        if let Some(trace) = self.trace {
            write_trace(trace, &mut headers);
        }
        if let Some(path) = self.path {
            headers.insert(PATH.into(), AMQPValue::LongString((*path).into()));
        }
        if let Some(credit) = self.credit {
            headers.insert(CREDIT.into(), AMQPValue::LongLongInt(credit.into()));
        }
        let mut properties = message(self.codec, app_id);
        if self.is_durable {
            properties = properties.with_delivery_mode(PERSISTENT);
        }
        if let Some(priority) = self.priority {
            properties = properties.with_priority(priority);
        }
        properties
            .with_correlation_id(self.origin.correlation_id(self.number))
            .with_message_id(self.call_id.write())
            .with_reply_to(callback_queue.clone())
            .with_expiration(expiration(remaining))
            .with_timestamp(u64::try_from(now_ms / 1000).unwrap_or_default())
            .with_headers(headers)
    }
}

/// An instance's reply.
#[derive(Debug)]
pub(crate) struct ReplyHead {
    pub(crate) codec: Codec,
    /// The request's, whatever its form.
    pub(crate) correlation_id: Option<ShortString>,
    /// Unless it is a success.
    pub(crate) status: Option<Code>,
}

impl ReplyHead {
    fn write(self, app_id: &ShortString) -> BasicProperties {
        let mut properties = message(self.codec, app_id);
        if let Some(id) = self.correlation_id {
            properties = properties.with_correlation_id(id);
        }
        if let Some(code) = self.status {
            let mut headers = FieldTable::default();
            headers.insert(STATUS.into(), AMQPValue::LongString(code.name().into()));
            properties = properties.with_headers(headers);
        }
        properties
    }
}
