//! Progress on the wire: replies before the last one, and the credit for them.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use super::{Properties, codec};
use crate::{
    amqp::{header_integer, header_text},
    codec::Codec,
};

/// The place of a progress message in its run, from 0. The last reply has none.
pub(super) const SEQ: &str = "seq";
/// Which run of the handler it is from: a request may be run again, even by the same instance.
pub(super) const RUN: &str = "run";
/// How many more progress messages are wanted; 0: none any more.
pub(super) const CREDIT: &str = "credit";

/// One run of a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunId {
    /// Where its instance takes credit and cancels.
    pub(crate) control_queue: Option<ShortString>,
    /// Unique in that queue.
    pub(crate) number: i64,
}

/// A progress message as it arrives.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) run: RunId,
    pub(crate) seq: u64,
    pub(crate) item: ItemBody,
}

/// What a progress message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ItemBody {
    /// How it is written; the content type if it is neither form.
    pub(crate) codec: Result<Codec, String>,
    pub(crate) body: Bytes,
}

/// Whether a reply is not the last one.
pub(crate) fn is_progress(properties: &BasicProperties) -> bool {
    properties.headers().as_ref().is_some_and(|headers| headers.inner().contains_key(SEQ))
}

impl Progress {
    /// None if its place makes no sense.
    pub(crate) fn read(properties: &BasicProperties, body: Vec<u8>) -> Option<Self> {
        let seq = u64::try_from(header_integer(properties, SEQ)?).ok()?;
        let control_queue = properties.reply_to().clone().filter(|queue| !queue.as_str().is_empty());
        let number = header_integer(properties, RUN).unwrap_or_default();
        Some(Self {
            run: RunId { control_queue, number },
            seq,
            item: ItemBody { codec: codec(properties), body: body.into() },
        })
    }
}

/// A progress message, before it is properties.
#[derive(Debug)]
pub(crate) struct ProgressHead {
    pub(crate) codec: Codec,
    /// The request's.
    pub(crate) correlation_id: ShortString,
    pub(crate) run: RunId,
    pub(crate) seq: u64,
}

impl ProgressHead {
    pub(super) fn write(self, app_id: &ShortString) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(SEQ.into(), AMQPValue::LongLongInt(i64::try_from(self.seq).unwrap_or(i64::MAX)));
        headers.insert(RUN.into(), AMQPValue::LongLongInt(self.run.number));
        let properties =
            super::message(self.codec, app_id).with_correlation_id(self.correlation_id).with_headers(headers);
        match self.run.control_queue {
            Some(queue) => properties.with_reply_to(queue),
            None => properties,
        }
    }
}

/// The credit in a request or in a control message, if there is any word of it. 0: progress is not wanted.
pub(crate) fn credit(properties: &BasicProperties) -> Option<u32> {
    header_text(properties, CREDIT)
        .map(|_| 0)
        .or_else(|| header_integer(properties, CREDIT).map(|more| u32::try_from(more.max(0)).unwrap_or(u32::MAX)))
}

/// Which run a control message is about, if it says so.
pub(crate) fn run_number(properties: &BasicProperties) -> Option<i64> {
    header_integer(properties, RUN)
}

/// The properties of credit for a run of an attempt; without a run for all that there are of it.
pub(crate) fn credit_properties(correlation_id: ShortString, run: Option<i64>, credit: u32) -> Properties {
    let mut headers = FieldTable::default();
    headers.insert(CREDIT.into(), AMQPValue::LongLongInt(credit.into()));
    if let Some(run) = run {
        headers.insert(RUN.into(), AMQPValue::LongLongInt(run));
    }
    Properties::Other(Box::new(BasicProperties::default().with_correlation_id(correlation_id).with_headers(headers)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ReplyHead;

    #[test]
    fn a_progress_message_is_read_as_it_was_written_and_is_no_reply() {
        let run = RunId { control_queue: Some("warren.control.x".into()), number: 7 };
        let head = ProgressHead { codec: Codec::Json, correlation_id: "a.1".into(), run: run.clone(), seq: 3 };
        let properties = Properties::Progress(Box::new(head)).write(&"test".into());
        assert!(is_progress(&properties));
        let Progress { run: read, seq, item } = Progress::read(&properties, b"5".to_vec()).unwrap();
        assert_eq!((read, seq, item.codec, &*item.body), (run, 3, Ok(Codec::Json), b"5".as_slice()));
        let reply = Properties::Reply(ReplyHead { codec: Codec::Json, correlation_id: None, status: None });
        assert!(!is_progress(&reply.write(&"test".into())));
    }

    #[test]
    fn credit_is_read_whatever_a_stranger_put_there() {
        let of = |value| {
            let mut headers = FieldTable::default();
            headers.insert(CREDIT.into(), value);
            credit(&BasicProperties::default().with_headers(headers))
        };
        assert_eq!(of(AMQPValue::LongLongInt(5)), Some(5));
        assert_eq!(of(AMQPValue::LongLongInt(-5)), Some(0));
        assert_eq!(of(AMQPValue::LongLongInt(i64::MAX)), Some(u32::MAX));
        assert_eq!(of(AMQPValue::LongString("5".into())), Some(0), "a text is no number: none is wanted");
        assert_eq!(credit(&BasicProperties::default()), None);
        let properties = credit_properties("a.1".into(), Some(3), 4).write(&"test".into());
        assert_eq!((credit(&properties), run_number(&properties)), (Some(4), Some(3)));
    }
}
