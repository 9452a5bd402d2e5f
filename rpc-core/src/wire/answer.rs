//! A reply as a caller reads it.

use bytes::Bytes;
use lapin::BasicProperties;

use super::STATUS;
use crate::{
    amqp::header_text,
    codec::Codec,
    status::{Code, Status},
};

/// A reply as it arrives: read by the caller's own task.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<String>,
    pub(crate) codec: Option<Codec>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn read(properties: &BasicProperties, body: Vec<u8>) -> Self {
        let codec = match properties.content_type() {
            None => Some(Codec::Json),
            Some(content_type) => Codec::from_content_type(content_type.as_str()),
        };
        Self { status: header_text(properties, STATUS).map(str::to_owned), codec, body: body.into() }
    }

    /// The reply's body, or the status that was sent in its place.
    pub(crate) fn into_result(self) -> Result<(Codec, Bytes), Status> {
        let Some(codec) = self.codec else {
            return Err(Status::internal("the reply is of an unknown content type"));
        };
        let Some(name) = self.status else {
            return Ok((codec, self.body));
        };
        // The header is what counts; the body only adds the words.
        let code = name.parse().unwrap_or(Code::Internal);
        Err(match codec.decode::<Status>(&self.body) {
            Ok(status) => Status { code, ..status },
            Err(_) => Status::new(code, format!("status {name} without a readable message")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::reply_properties;

    #[test]
    fn a_status_is_read_from_the_header_and_its_words_from_the_body() {
        let status = Status::not_found("no problem \"x\"");
        for codec in [Codec::Json, Codec::Msgpack] {
            let properties = reply_properties(codec, &"test".into(), None, Some(status.code));
            let body = codec.encode(&status).unwrap().to_vec();
            assert_eq!(Answer::read(&properties, body).into_result().unwrap_err(), status);
            let bare = Answer::read(&properties, b"\xff".to_vec()).into_result().unwrap_err();
            assert_eq!(bare.code, Code::NotFound);
        }
    }
}
