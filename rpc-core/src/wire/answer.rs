//! A reply as a caller reads it.

use bytes::Bytes;
use lapin::BasicProperties;
use serde::Deserialize;

use super::{STATUS, codec};
use crate::{
    amqp::{death, header_text},
    codec::Codec,
    status::{Code, Details, Status},
};

/// A reply as it arrives: read by the caller's own task.
#[derive(Debug)]
pub(crate) enum Answer {
    /// From an instance.
    Reply(Reply),
    /// From the broker: the request itself, dead.
    Dead {
        /// Why, in the broker's words.
        reason: String,
        /// Where it died: the method.
        queue: String,
    },
}

/// What an instance answered.
#[derive(Debug)]
pub(crate) struct Reply {
    status: Option<String>,
    codec: Option<Codec>,
    body: Bytes,
}

impl Answer {
    pub(crate) fn read(properties: &BasicProperties, body: Vec<u8>) -> Self {
        if let Some(reason) = header_text(properties, "x-first-death-reason") {
            let queue = header_text(properties, "x-first-death-queue").unwrap_or_default().to_owned();
            return Self::Dead { reason: reason.to_owned(), queue };
        }
        let codec = codec(properties).ok();
        let status = header_text(properties, STATUS).map(str::to_owned);
        Self::Reply(Reply { status, codec, body: body.into() })
    }

    /// The reply's body, or the status that was sent in its place.
    pub(crate) fn into_result(self) -> Result<(Codec, Bytes), Status> {
        match self {
            Self::Reply(reply) => reply.into_result(),
            Self::Dead { reason, queue } => Err(dead(&reason, &queue)),
        }
    }
}

/// What the broker says of a request that it could not keep.
fn dead(reason: &str, method: &str) -> Status {
    match reason {
        death::EXPIRED => Status::deadline_exceeded(format!("no instance of {method} took the request in time")),
        death::DELIVERY_LIMIT => {
            Status::internal(format!("{method} failed every time that it was tried: the request is in {method}.dead"))
        }
        _ => Status::internal(format!("{method} failed: the request is in {method}.dead")),
    }
}

impl Reply {
    fn into_result(self) -> Result<(Codec, Bytes), Status> {
        let Some(codec) = self.codec else {
            return Err(Status::internal("the reply is of an unknown content type"));
        };
        let Some(name) = self.status else {
            return Ok((codec, self.body));
        };
        // The header is what counts; the body only adds the words.
        let code = name.parse().unwrap_or(Code::Internal);
        let words =
            codec.decode::<Words>(&self.body).or_else(|_| codec.decode::<WordsAlone>(&self.body).map(Words::from));
        Err(match words {
            Ok(Words { message, details }) => Status { code, message, details },
            Err(_) => Status::new(code, format!("status {name} without a readable message")),
        })
    }
}

/// What is read of a status, whose code the header has.
#[derive(Deserialize)]
struct Words {
    message: String,
    #[serde(default)]
    details: Details,
}

/// What is read if the details are none of ours.
#[derive(Deserialize)]
struct WordsAlone {
    message: String,
}

impl From<WordsAlone> for Words {
    fn from(WordsAlone { message }: WordsAlone) -> Self {
        Self { message, details: Details::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Properties, ReplyHead};

    fn reply_properties(codec: Codec, status: Code) -> BasicProperties {
        let head = ReplyHead { codec, correlation_id: None, status: Some(status) };
        Properties::Reply(head).write(&"test".into())
    }

    #[test]
    fn a_status_is_read_from_the_header_and_its_words_from_the_body() {
        let status = Status::not_found("no problem \"x\"");
        for codec in [Codec::Json, Codec::Msgpack] {
            let properties = reply_properties(codec, status.code);
            let body = codec.encode(&status).unwrap().to_vec();
            assert_eq!(Answer::read(&properties, body).into_result().unwrap_err(), status);
            let bare = Answer::read(&properties, b"\xff".to_vec()).into_result().unwrap_err();
            assert_eq!(bare.code, Code::NotFound);
        }
    }

    #[test]
    fn a_strangers_status_is_read_as_far_as_it_can_be() {
        let properties = reply_properties(Codec::Json, Code::NotFound);
        for (body, words, details) in [
            (r#"{"message":"a","details":{"x":[1]},"more":1}"#, "a", 1),
            (r#"{"code":"of_its_own","message":"b","details":null}"#, "b", 0),
            (r#"{"message":"c","details":[{"@type":"d"}]}"#, "c", 0),
            (r#"{"details":{"x":1}}"#, "status not_found without a readable message", 0),
        ] {
            let status = Answer::read(&properties, body.into()).into_result().unwrap_err();
            assert_eq!((status.code, status.message.as_str()), (Code::NotFound, words));
            assert_eq!(status.details.iter().count(), details);
        }
    }

    #[test]
    fn a_request_that_comes_back_dead_says_why() {
        let told = |reason: &str| {
            let mut headers = lapin::types::FieldTable::default();
            for (name, value) in [("x-first-death-reason", reason), ("x-first-death-queue", "a.b")] {
                headers.insert(name.into(), lapin::types::AMQPValue::LongString(value.into()));
            }
            Answer::read(&BasicProperties::default().with_headers(headers), Vec::new()).into_result().unwrap_err()
        };
        assert_eq!(told("expired").code, Code::DeadlineExceeded);
        assert_eq!(told("rejected").message, "a.b failed: the request is in a.b.dead");
        assert_eq!(told("delivery_limit").code, Code::Internal);
    }
}
