//! How a connection begins (AMQP 0-9-1, 2.2.4), and what the broker says of itself.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, AMQPHardError, AMQPSoftError, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::phase::Phase;
use super::session::Session;
use crate::auth;
use crate::channel::Link;
use crate::error::Refusal;

pub(crate) const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
/// The least frame size that both sides must take (`frame-min-size`), in bytes: what is agreed on is never less.
pub(crate) const FRAME_MIN: u32 = 4096;

/// What the client can, by its own word.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Capabilities {
    pub(crate) cancel_notify: bool,
    pub(crate) blocked: bool,
    pub(crate) authentication_failure_close: bool,
}

impl Capabilities {
    fn read(properties: &FieldTable) -> Capabilities {
        let Some(AMQPValue::FieldTable(table)) = properties.inner().get("capabilities") else {
            return Capabilities::default();
        };
        let has = |name: &str| table.inner().get(name) == Some(&AMQPValue::Boolean(true));
        Capabilities {
            cancel_notify: has("consumer_cancel_notify"),
            blocked: has("connection.blocked"),
            authentication_failure_close: has("authentication_failure_close"),
        }
    }
}

fn server_properties() -> FieldTable {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut capabilities = FieldTable::default();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("product".into(), text("warren-broker"));
    properties.insert("version".into(), text(env!("CARGO_PKG_VERSION")));
    properties.insert("platform".into(), text("Rust"));
    properties.insert("information".into(), text("in memory, for development and tests"));
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties
}

impl Session {
    pub(super) fn send_start(&mut self) {
        self.send_connection(connection::AMQPMethod::Start(connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: server_properties(),
            mechanisms: auth::mechanisms(self.transport.offers_external).into(),
            locales: "en_US".into(),
        }));
        self.phase = Phase::StartOk;
    }

    /// Handles a method of the handshake.
    pub(super) fn shake_hands(&mut self, method: &AMQPClass) -> Result<(), Refusal> {
        match (self.phase, method) {
            (Phase::StartOk, AMQPClass::Connection(connection::AMQPMethod::StartOk(start))) => self.log_in(start),
            (Phase::TuneOk, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))) => self.tune(tune),
            (Phase::Open, AMQPClass::Connection(connection::AMQPMethod::Open(open))) => {
                self.enter(open.virtual_host.as_str())
            }
            (_, AMQPClass::Connection(connection::AMQPMethod::Close(_))) => {
                self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
                self.phase = Phase::Answered;
                Ok(())
            }
            (Phase::Open, AMQPClass::Channel(_)) => Err(Refusal::hard(AMQPHardError::CHANNELERROR, "no vhost is open")),
            (_, other) => {
                let (class, id) = (other.get_amqp_class_id(), other.get_amqp_method_id());
                let text = format!("unexpected method {{{class},{id}}} while the connection is opened");
                Err(Refusal::hard(AMQPHardError::COMMANDINVALID, text))
            }
        }
    }

    fn log_in(&mut self, start: &connection::StartOk) -> Result<(), Refusal> {
        self.capabilities = Capabilities::read(&start.client_properties);
        if let Some(AMQPValue::LongString(name)) = start.client_properties.inner().get("connection_name") {
            self.control.update_info(|info| info.name = Some(name.to_string()));
        }
        let mechanism = start.mechanism.as_str();
        if !auth::mechanisms(self.transport.offers_external).split(' ').any(|offered| offered == mechanism) {
            let text = format!("unknown authentication mechanism '{mechanism}'");
            return Err(Refusal::hard(AMQPHardError::COMMANDINVALID, text));
        }
        let users = &self.shared.users;
        let user = if mechanism == auth::EXTERNAL {
            // The certificate was verified when TLS began; what the client says to it means nothing.
            self.transport.certificate_name.as_deref().and_then(|name| auth::named(users, name))
        } else {
            auth::credentials(mechanism, start.response.as_bytes())
                .and_then(|(name, password)| auth::find(users, &name, &password))
        };
        let Some(user) = user.cloned() else {
            return self.refuse_login(mechanism);
        };
        self.control.update_info(|info| info.user = Some(user.name.clone()));
        self.control.update_terms(|terms| {
            (terms.mechanism, terms.client_properties) = (mechanism.to_owned(), start.client_properties.clone());
        });
        self.user = Some(user);
        let options = &self.shared.options;
        // Half a second must not become none.
        let seconds = options.heartbeat.as_secs().saturating_add(u64::from(options.heartbeat.subsec_nanos() > 0));
        let heartbeat = u16::try_from(seconds).unwrap_or(u16::MAX);
        let tune = connection::Tune { channel_max: options.channel_max, frame_max: options.frame_max, heartbeat };
        self.send_connection(connection::AMQPMethod::Tune(tune));
        self.phase = Phase::TuneOk;
        Ok(())
    }

    /// A client that does not say that it can take a close at this point is only cut off, as the standard has it.
    fn refuse_login(&mut self, mechanism: &str) -> Result<(), Refusal> {
        if !self.capabilities.authentication_failure_close {
            self.phase = Phase::Done;
            return Ok(());
        }
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
        );
        Err(Refusal { closes_connection: true, ..Refusal::soft(AMQPSoftError::ACCESSREFUSED, text) })
    }

    fn tune(&mut self, tune: &connection::TuneOk) -> Result<(), Refusal> {
        let options = &self.shared.options;
        check_limit("frame_max", tune.frame_max, FRAME_MIN, options.frame_max)?;
        check_limit("channel_max", tune.channel_max.into(), 1, options.channel_max.into())?;
        self.channel_max = tune.channel_max;
        self.frame_max = tune.frame_max as usize;
        self.decoder.frame_max = self.frame_max;
        self.heartbeat = std::time::Duration::from_secs(tune.heartbeat.into());
        self.control.update_terms(|terms| {
            (terms.channel_max, terms.frame_max, terms.heartbeat_s) =
                (tune.channel_max, tune.frame_max, tune.heartbeat);
        });
        self.phase = Phase::Open;
        Ok(())
    }

    fn enter(&mut self, name: &str) -> Result<(), Refusal> {
        let user = Arc::clone(self.user.as_ref().expect("no vhost is opened before a login"));
        let Some(vhost) = self.shared.vhost(name) else {
            return Err(Refusal::not_allowed(format!("vhost {name} not found")));
        };
        if !user.may_enter(name) {
            let text = format!("access to vhost '{name}' refused for user '{}'", user.name);
            return Err(Refusal::not_allowed(text));
        }
        self.link = Some(Arc::new(Link {
            connection: self.id,
            user,
            outbox: Arc::clone(&self.control.outbox),
            frame_max: self.frame_max,
            cancel_notify: self.capabilities.cancel_notify,
        }));
        self.vhost = Some(vhost);
        self.control.update_info(|info| info.vhost = Some(name.to_owned()));
        self.send_connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}));
        self.phase = Phase::Running;
        Ok(())
    }
}

/// A client may ask for less than was offered, but not for "no limit" (0) where there is one.
fn check_limit(name: &str, asked: u32, least: u32, most: u32) -> Result<(), Refusal> {
    let (wrong, limit) = match asked {
        0 => ("(no limit) is higher than the maximum", most),
        asked if asked > most => ("is higher than the maximum", most),
        asked if asked < least => ("is lower than the minimum", least),
        _ => return Ok(()),
    };
    Err(Refusal::not_allowed(format!("negotiated {name} = {asked} {wrong} allowed value ({limit})")))
}
