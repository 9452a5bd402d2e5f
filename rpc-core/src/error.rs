//! What a caller, a publisher and an instance can meet, each its own small enum.

mod call;
mod publish;

use std::time::Duration;

pub use self::{
    call::{CallError, RejectReason},
    publish::PublishError,
};
use crate::exchange::ExchangeKind;

/// What AMQP itself said when something failed: the source of the errors below.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct BrokerError(#[from] pub(crate) lapin::Error);

impl BrokerError {
    /// Whether the connection is gone, whatever was asked of it. Of the first error that a new channel had.
    pub(crate) fn is_of_connection(&self) -> bool {
        use lapin::{
            ErrorKind::{IOError, InvalidChannelState, InvalidConnectionState, MissingHeartbeatError, ProtocolError},
            protocol::{AMQPErrorKind, AMQPHardError},
        };
        match self.0.kind() {
            IOError(_) | InvalidConnectionState(_) | MissingHeartbeatError => true,
            // What the broker closes, it closes with another error: this one tells that the connection is gone.
            InvalidChannelState(..) => true,
            // What an operator ends, or a broker that stops.
            ProtocolError(error) => *error.kind() == AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED),
            _ => false,
        }
    }

    /// Whether the broker answered, and does not let this user, or anybody, onto its virtual host.
    pub(crate) fn is_refusal(&self) -> bool {
        use lapin::protocol::{
            AMQPErrorKind,
            AMQPHardError::{INVALIDPATH, NOTALLOWED},
            AMQPSoftError::ACCESSREFUSED,
        };
        let lapin::ErrorKind::ProtocolError(error) = self.0.kind() else { return false };
        match error.kind() {
            AMQPErrorKind::Hard(kind) => matches!(kind, NOTALLOWED | INVALIDPATH),
            AMQPErrorKind::Soft(kind) => *kind == ACCESSREFUSED,
        }
    }
}

/// A name that AMQP cannot carry: its short strings have 255 bytes at most (section 4.2.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} takes 1 to 255 bytes, not {bytes}")]
pub struct NameError {
    /// Whose name: `call id`.
    pub what: &'static str,
    /// Its length.
    pub bytes: usize,
}

/// A header that a publisher, or a binding, cannot choose: by its name, or because all together are too large with it
/// ([`HEADERS_BYTES_MAX`](crate::HEADERS_BYTES_MAX)).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the header {name:?} cannot be used: a name has 1 to 255 bytes, does not begin with x-, which is the broker's, and \
     is not the contract's own; all headers together take at most 65536 bytes"
)]
pub struct HeaderError {
    /// Its name.
    pub name: String,
}

/// Why a queue cannot be bound to an exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The exchange's name or the key cannot be carried.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A header cannot be chosen.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The exchange does not choose by what the binding says: keys are for direct and topic exchanges, headers for
    /// headers exchanges, and a direct one has no binding for everything.
    #[error("the {kind} exchange {exchange} has no such binding")]
    Kind {
        /// The exchange.
        exchange: String,
        /// Its kind.
        kind: ExchangeKind,
    },
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is not an AMQP address. Nothing was tried.
    #[error("the broker's address is not of the form amqp://USER:PASSWORD@HOST:PORT/VHOST: {problem}")]
    Address {
        /// What is wrong with it.
        problem: String,
    },
    /// [`ClientOptions::name`](crate::ClientOptions::name) cannot be carried. Nothing was tried.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A broker answers there, and refuses: an unknown user, a wrong password, no such virtual host, too many
    /// connections. Trying again helps only if somebody changes something there: a limit of connections counts too.
    #[error("the broker at {address} refuses the connection: {source}")]
    Refused {
        /// Where, without the password.
        address: String,
        /// What AMQP said.
        source: BrokerError,
    },
    /// Nothing answers there, or nothing that talks AMQP; or a broker does, but refuses what a client declares: an
    /// exchange of the same name is of another kind, say.
    #[error("the broker at {address} cannot be reached: {source}")]
    Unreachable {
        /// Where, without the password.
        address: String,
        /// What AMQP said.
        source: BrokerError,
    },
    /// The handshake and the opening of channels took longer than `connect_timeout`.
    #[error("the broker at {address} did not answer in time")]
    TimedOut {
        /// Where, without the password.
        address: String,
    },
    /// Several addresses were given, and there is no connection to any.
    #[error("{}", joined(errors))]
    Several {
        /// Why not, in the order of the addresses.
        errors: Vec<ConnectError>,
    },
}

impl ConnectError {
    /// Whether a broker answered, and refuses: one of several is enough.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Several { errors } => errors.iter().any(Self::is_refused),
            _ => false,
        }
    }

    /// What the broker said, if it was asked: the first of several.
    pub(crate) fn blamed(&self) -> Option<&BrokerError> {
        match self {
            Self::Refused { source, .. } | Self::Unreachable { source, .. } => Some(source),
            Self::Several { errors } => errors.iter().find_map(Self::blamed),
            Self::Address { .. } | Self::Name(_) | Self::TimedOut { .. } => None,
        }
    }
}

fn joined(errors: &[ConnectError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why there is no subscription, or none any more.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The queue's name cannot be carried.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The exchange cannot be bound so.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The broker refused the queue, the exchange, a binding or the consumer: most often it exists with other
    /// arguments.
    #[error("{queue} cannot be consumed: {source}")]
    Declare {
        /// The queue it is about.
        queue: String,
        /// What AMQP said.
        source: BrokerError,
    },
    /// The client was closed, or gave the broker up.
    #[error("the client was closed, or gave the broker up")]
    Closed {
        /// What AMQP said, if anything.
        source: Option<BrokerError>,
    },
}

impl SubscribeError {
    /// What the broker said, if it was asked.
    pub(crate) fn blamed(&self) -> Option<&BrokerError> {
        if let Self::Declare { source, .. } = self { Some(source) } else { None }
    }

    /// Whether there will be no connection any more.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

/// Why an instance cannot start, or stopped by itself.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The name of a queue or the instance cannot be carried. Nothing was started.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two methods, or two subscriptions to events, have one queue: each would get a part of its messages. Nothing was
    /// started.
    #[error("{queue} is served twice by one service")]
    Duplicate {
        /// The queue.
        queue: String,
    },
    /// A method may take longer ([`Method::HANDLING_MAX`](crate::Method::HANDLING_MAX)) than the broker lets a consumer
    /// hold a request ([`ServeOptions::consumer_timeout`](crate::ServeOptions::consumer_timeout)). Nothing was started.
    #[error(
        "{queue} may take {handling_max:?}, but the broker waits {consumer_timeout:?}: raise its consumer timeout \
             and this option, or lower what the method may take"
    )]
    HandlingTooLong {
        /// The queue it is about.
        queue: String,
        /// What the method says.
        handling_max: Duration,
        /// What the options say.
        consumer_timeout: Duration,
    },
    /// An exchange cannot be bound so. Nothing was started.
    #[error(transparent)]
    Binding(#[from] BindingError),
    /// The broker refused a queue, an exchange, a binding or a consumer: most often it exists with other arguments.
    #[error("{queue} cannot be served: {source}")]
    Declare {
        /// The queue it is about.
        queue: String,
        /// What AMQP said.
        source: BrokerError,
    },
    /// The client was closed, or gave the broker up: the instance has stopped, and what it held goes back to the
    /// queues.
    #[error("the client was closed, or gave the broker up")]
    Closed {
        /// What AMQP said, if anything.
        source: Option<BrokerError>,
    },
}

impl ServeError {
    /// What the broker said, if it was asked.
    pub(crate) fn blamed(&self) -> Option<&BrokerError> {
        if let Self::Declare { source, .. } = self { Some(source) } else { None }
    }

    /// Whether there will be no connection any more.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}
