//! What goes wrong: for the program that starts a broker, and for a client that is refused.

use amq_protocol::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// What [`TlsOptions`](crate::TlsOptions) holds cannot be used.
    #[error("tls.{field}: {source}")]
    Tls {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A permission is not a regular expression.
    #[error("user {user:?}: the permission {pattern:?} is not a regular expression: {source}")]
    Permission {
        /// Whose.
        user: String,
        /// The pattern.
        pattern: String,
        /// Where it is wrong.
        source: Box<regex::Error>,
    },
}

/// A method that is refused: it closes the channel or the connection (AMQP 0-9-1, 4.10) with RabbitMQ's code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// With the code's name before it: `NOT_FOUND - no queue 'q' in vhost '/'`.
    pub(crate) text: String,
    /// Whether the whole connection ends, and not only the channel.
    pub(crate) closes_connection: bool,
}

impl Refusal {
    fn new(kind: &AMQPErrorKind, text: impl std::fmt::Display) -> Refusal {
        let name = match kind {
            AMQPErrorKind::Soft(soft) => soft.to_string(),
            AMQPErrorKind::Hard(hard) => hard.to_string(),
        };
        Refusal {
            code: kind.get_id(),
            text: format!("{} - {text}", name.replace('-', "_")),
            closes_connection: matches!(kind, AMQPErrorKind::Hard(_)),
        }
    }

    pub(crate) fn channel_not_open() -> Refusal {
        Refusal::hard(AMQPHardError::CHANNELERROR, "expected 'channel.open'")
    }

    pub(crate) fn soft(error: AMQPSoftError, text: impl std::fmt::Display) -> Refusal {
        Refusal::new(&error.into(), text)
    }

    pub(crate) fn hard(error: AMQPHardError, text: impl std::fmt::Display) -> Refusal {
        Refusal::new(&error.into(), text)
    }

    pub(crate) fn not_found(text: impl std::fmt::Display) -> Refusal {
        Refusal::soft(AMQPSoftError::NOTFOUND, text)
    }

    pub(crate) fn precondition(text: impl std::fmt::Display) -> Refusal {
        Refusal::soft(AMQPSoftError::PRECONDITIONFAILED, text)
    }

    pub(crate) fn access(text: impl std::fmt::Display) -> Refusal {
        Refusal::soft(AMQPSoftError::ACCESSREFUSED, text)
    }

    pub(crate) fn not_allowed(text: impl std::fmt::Display) -> Refusal {
        Refusal::hard(AMQPHardError::NOTALLOWED, text)
    }

    pub(crate) fn not_implemented(text: impl std::fmt::Display) -> Refusal {
        Refusal::hard(AMQPHardError::NOTIMPLEMENTED, text)
    }

    /// What RabbitMQ says when something went wrong in itself: no reason, and the connection ends.
    pub(crate) fn internal_error() -> Refusal {
        Refusal {
            code: AMQPHardError::INTERNALERROR.get_id(),
            text: "INTERNAL_ERROR".to_owned(),
            closes_connection: true,
        }
    }

    /// The reply text as it fits a short string (255 bytes): a longer one is cut, at a character, and ends in dots.
    pub(crate) fn short_text(&self) -> String {
        if self.text.len() <= 255 {
            return self.text.clone();
        }
        let end = (0..=252).rev().find(|end| self.text.is_char_boundary(*end)).unwrap_or(0);
        format!("{}...", &self.text[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reads_as_rabbitmq_writes_it() {
        let refusal = Refusal::not_found("no queue 'q' in vhost '/'");
        assert_eq!((refusal.code, refusal.closes_connection), (404, false));
        assert_eq!(refusal.text, "NOT_FOUND - no queue 'q' in vhost '/'");
        assert!(Refusal::not_allowed("x").closes_connection);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let refusal = Refusal::not_found("é".repeat(200));
        assert!(refusal.short_text().len() <= 255);
        assert!(refusal.text.starts_with(refusal.short_text().trim_end_matches('.')));
    }
}
