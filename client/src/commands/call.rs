//! `warren call METHOD [ARGUMENTS]`.

use bytes::Bytes;
use serde_json::{Map, Value};
use warren_proto::registry;
use warren_rpc::{CallError, Codec, RawMethod, RejectReason};

use super::Session;
use crate::{arguments::Typed, cli::Call, failure::Failure};

pub(super) async fn run(session: &Session, call: &Call) -> Result<(), Failure> {
    let typed = Typed { words: &call.arguments, file: call.file.as_deref(), stdin: session.stdin };
    let body = typed.to_body()?;
    let method = registry::find(&call.method).map_or_else(|| RawMethod::named(&call.method), |method| method.raw);
    let reply = session
        .client
        .call_raw(method, Codec::Json, body.clone(), session.options())
        .await
        .map_err(|error| explain(error, &body))?;
    session.output.body(&reply)
}

/// Names the field that makes a body too large.
fn explain(error: CallError, body: &Bytes) -> Failure {
    let too_large = matches!(error, CallError::Rejected(RejectReason::BodyTooLarge { .. }));
    let failure = Failure::from(error);
    match largest_field(body) {
        Some((field, bytes)) if too_large => failure.with_hint(format!("{field}: {bytes} bytes of it")),
        _ => failure,
    }
}

fn largest_field(body: &[u8]) -> Option<(String, usize)> {
    let fields: Map<String, Value> = serde_json::from_slice(body).ok()?;
    fields.into_iter().map(|(key, value)| (key, value.to_string().len())).max_by_key(|(_, bytes)| *bytes)
}
