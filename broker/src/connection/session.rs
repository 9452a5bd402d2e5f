//! What is said on a connection, without I/O: bytes come in ([`Session::receive`]), and what there is to say goes to
//! the outbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, AMQPHardError, channel, connection};
use rustc_hash::FxHashMap;

use super::ConnectionId;
use super::control::Control;
use super::handshake::{Capabilities, PROTOCOL_HEADER};
use super::phase::Phase;
use crate::auth::User;
use crate::broker::Shared;
use crate::channel::{ChannelId, Link};
use crate::error::Refusal;
use crate::tls::Transport;
use crate::vhost::{State, Vhost};
use crate::wire::decoder::{Command, Decoder};
use crate::wire::encode;

/// A channel's number in use.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Open(ChannelId),
    /// The broker closed it; the client's answer is awaited.
    Closing,
}

/// One connection's conversation.
pub(crate) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) id: ConnectionId,
    pub(super) control: Arc<Control>,
    pub(super) transport: Transport,
    pub(super) decoder: Decoder,
    pub(crate) phase: Phase,
    pub(super) capabilities: Capabilities,
    pub(super) user: Option<Arc<User>>,
    pub(super) vhost: Option<Arc<Vhost>>,
    pub(super) link: Option<Arc<Link>>,
    pub(super) channel_max: u16,
    pub(super) frame_max: usize,
    /// Zero: none.
    pub(crate) heartbeat: Duration,
    channels: FxHashMap<u16, Slot>,
    header: Vec<u8>,
    /// Commands from the first publish on, while publishers are blocked. The client is not read meanwhile.
    parked: Vec<Command>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, id: ConnectionId, control: Arc<Control>, transport: Transport) -> Session {
        let frame_max = shared.options.frame_max as usize;
        let decoder = Decoder::new(frame_max, shared.options.body_bytes_max);
        Session {
            shared,
            id,
            control,
            transport,
            decoder,
            phase: Phase::Header,
            capabilities: Capabilities::default(),
            user: None,
            vhost: None,
            link: None,
            channel_max: 0,
            frame_max,
            heartbeat: Duration::ZERO,
            channels: FxHashMap::default(),
            header: Vec::new(),
            parked: Vec::new(),
        }
    }

    /// Takes in what was read, and does what it says.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let bytes = if self.phase == Phase::Header { self.receive_header(bytes) } else { bytes };
        if bytes.is_empty() || self.phase.is_over() {
            return;
        }
        let mut commands = Vec::new();
        let end = self.decoder.feed(bytes, &mut commands);
        self.run(commands);
        if let Err(refusal) = end {
            self.close(&refusal, 0, 0);
        }
    }

    /// Returns what comes after the header.
    fn receive_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = PROTOCOL_HEADER.len() - self.header.len();
        let (head, rest) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(head);
        if !PROTOCOL_HEADER.starts_with(&self.header) {
            // AMQP 0-9-1, 4.2.2: the server answers with the header that it understands, and closes.
            self.control.outbox.append(|out| out.extend_from_slice(PROTOCOL_HEADER));
            self.phase = Phase::Done;
        } else if self.header.len() == PROTOCOL_HEADER.len() {
            self.header = Vec::new();
            self.send_start();
        }
        rest
    }

    fn run(&mut self, commands: Vec<Command>) {
        let mut commands = commands.into_iter();
        while self.phase != Phase::Running && !self.phase.is_over() {
            let Some(command) = commands.next() else { return };
            self.run_outside_vhost(&command);
        }
        if self.phase.is_over() || commands.len() == 0 {
            return;
        }
        let Some(vhost) = self.vhost.clone() else { return };
        vhost.with(|state| {
            while self.phase == Phase::Running {
                let Some(command) = commands.next() else { break };
                if matches!(command, Command::Publish(_)) && self.shared.is_blocked() {
                    self.park(command, &mut commands);
                    break;
                }
                self.run_command(state, command);
                state.settle_down();
            }
        });
        // The broker closes the connection: the answer may be among the rest.
        for command in commands {
            self.run_outside_vhost(&command);
        }
    }

    fn run_outside_vhost(&mut self, command: &Command) {
        let Command::Method { method, .. } = command else {
            if self.phase.is_opening() {
                let refusal = Refusal::hard(AMQPHardError::COMMANDINVALID, "content before the connection is open");
                self.close(&refusal, 0, 0);
            }
            return;
        };
        match (self.phase, &**method) {
            (Phase::Answered | Phase::Done, _) => {}
            (Phase::Closing, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) => self.phase = Phase::Done,
            (Phase::Closing, AMQPClass::Connection(connection::AMQPMethod::Close(_))) => {
                self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
            }
            (Phase::Closing, _) => {}
            (_, method) => {
                if let Err(refusal) = self.shake_hands(method) {
                    self.close(&refusal, method.get_amqp_class_id(), method.get_amqp_method_id());
                }
            }
        }
    }

    fn run_command(&mut self, state: &mut State, command: Command) {
        let (number, class, id) = match &command {
            Command::Publish(publish) => (publish.channel, 60, 40),
            Command::Stray { channel } => (*channel, 60, 40),
            Command::Ack { channel, .. } => (*channel, 60, 80),
            Command::Method { channel, method } => (*channel, method.get_amqp_class_id(), method.get_amqp_method_id()),
        };
        if let Err(refusal) = self.try_command(state, number, command) {
            if refusal.closes_connection {
                self.release_in(state);
                self.close(&refusal, class, id);
            } else {
                self.close_channel(state, number, &refusal, class, id);
            }
        }
    }

    fn try_command(&mut self, state: &mut State, number: u16, command: Command) -> Result<(), Refusal> {
        if let Command::Method { method, .. } = &command {
            match &**method {
                AMQPClass::Connection(method) if number == 0 => return self.connection_method(state, method),
                AMQPClass::Channel(method) if !matches!(method, channel::AMQPMethod::Flow(_)) => {
                    return self.channel_method(state, number, method);
                }
                _ => {}
            }
        }
        let id = match self.channels.get(&number) {
            Some(Slot::Open(id)) => *id,
            Some(Slot::Closing) => return Ok(()),
            None if number == 0 => return Err(unexpected_when_running()),
            None => return Err(Refusal::channel_not_open()),
        };
        match command {
            Command::Publish(publish) => state.publish(id, publish),
            Command::Stray { .. } => Err(Refusal::channel_not_open()),
            Command::Ack { delivery_tag, multiple, .. } => state.ack(id, delivery_tag, multiple),
            Command::Method { method, .. } => state.handle(id, &method),
        }
    }

    fn connection_method(&mut self, state: &mut State, method: &connection::AMQPMethod) -> Result<(), Refusal> {
        match method {
            connection::AMQPMethod::Close(_) => {
                self.release_in(state);
                self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
                self.phase = Phase::Answered;
            }
            connection::AMQPMethod::UpdateSecret(_) => {
                self.send_connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}));
            }
            _ => return Err(unexpected_when_running()),
        }
        Ok(())
    }

    fn channel_method(&mut self, state: &mut State, number: u16, method: &channel::AMQPMethod) -> Result<(), Refusal> {
        let slot = self.channels.get(&number).copied();
        match (method, slot) {
            (channel::AMQPMethod::Open(_), None) => return self.open_channel(state, number),
            (channel::AMQPMethod::Open(_), Some(Slot::Open(_))) => {
                return Err(Refusal::hard(AMQPHardError::CHANNELERROR, "second 'channel.open' seen"));
            }
            (channel::AMQPMethod::Close(_), Some(slot)) => {
                if let Slot::Open(id) = slot {
                    state.close_channels(&[id]);
                    self.channels.remove(&number);
                }
                self.send_channel(number, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
            }
            (channel::AMQPMethod::CloseOk(_), Some(Slot::Closing)) => {
                self.channels.remove(&number);
            }
            (_, Some(Slot::Closing)) => {}
            (_, Some(Slot::Open(_))) => {
                return Err(Refusal::hard(AMQPHardError::COMMANDINVALID, "unimplemented method"));
            }
            (_, None) => return Err(Refusal::channel_not_open()),
        }
        Ok(())
    }

    fn open_channel(&mut self, state: &mut State, number: u16) -> Result<(), Refusal> {
        if number == 0 {
            return Err(Refusal::hard(AMQPHardError::CHANNELERROR, "channel 0 is the connection's"));
        }
        // RabbitMQ counts channels and does not look at their numbers.
        if self.channels.len() >= usize::from(self.channel_max) {
            let (open, most) = (self.channels.len(), self.channel_max);
            let text = format!("number of channels opened ({open}) has reached the negotiated channel_max ({most})");
            return Err(Refusal::not_allowed(text));
        }
        let link = Arc::clone(self.link.as_ref().expect("a running connection has opened a vhost"));
        let id = state.open_channel(number, link);
        self.channels.insert(number, Slot::Open(id));
        self.send_channel(number, channel::AMQPMethod::OpenOk(channel::OpenOk {}));
        Ok(())
    }

    /// Closes a channel that did something wrong.
    fn close_channel(&mut self, state: &mut State, number: u16, refusal: &Refusal, class_id: u16, method_id: u16) {
        if let Some(Slot::Open(id)) = self.channels.insert(number, Slot::Closing) {
            state.close_channels(&[id]);
        }
        tracing::debug!(
            connection = self.id.0,
            channel = number,
            code = refusal.code,
            "a channel is closed: {}",
            refusal.text
        );
        let reply_text = refusal.short_text().into();
        let close = channel::Close { reply_code: refusal.code, reply_text, class_id, method_id };
        self.send_channel(number, channel::AMQPMethod::Close(close));
    }

    /// Closes the connection, and awaits the client's answer. What it held is given back before it is told, as by
    /// RabbitMQ: nothing is delivered to it after that. Who holds the vhost's lock calls [`Session::release_in`] first.
    pub(crate) fn close(&mut self, refusal: &Refusal, class_id: u16, method_id: u16) {
        if self.phase.is_ending() {
            return;
        }
        self.release();
        // The answer may come behind what was parked, and is to be read.
        self.parked.clear();
        self.control.parked.store(false, Ordering::Relaxed);
        self.decoder.drop_content();
        tracing::debug!(connection = self.id.0, code = refusal.code, "a connection is closed: {}", refusal.text);
        // A stranger is told why it may not come in, and nothing else: it is cut off, as by RabbitMQ.
        let is_stranger = matches!(self.phase, Phase::StartOk | Phase::TuneOk);
        if is_stranger && !matches!(refusal.code, 403 | 530) {
            self.phase = Phase::Done;
            return;
        }
        let reply_text = refusal.short_text().into();
        let close = connection::Close { reply_code: refusal.code, reply_text, class_id, method_id };
        self.send_connection(connection::AMQPMethod::Close(close));
        self.phase = Phase::Closing;
    }

    pub(super) fn send_connection(&mut self, method: connection::AMQPMethod) {
        self.control.outbox.append(|out| encode::method(out, 0, &AMQPClass::Connection(method)));
    }

    fn send_channel(&mut self, number: u16, method: channel::AMQPMethod) {
        self.control.outbox.append(|out| encode::method(out, number, &AMQPClass::Channel(method)));
    }

    pub(crate) fn send_heartbeat(&self) {
        self.control.outbox.append(encode::heartbeat);
    }

    fn park(&mut self, first: Command, rest: &mut std::vec::IntoIter<Command>) {
        self.parked.push(first);
        self.parked.extend(rest);
        self.control.parked.store(true, Ordering::Relaxed);
        if self.capabilities.blocked {
            let reason = self.shared.blocked_reason();
            self.send_connection(connection::AMQPMethod::Blocked(connection::Blocked {
                reason: reason.as_str().into(),
            }));
        }
    }

    /// Whether the client is not to be read: it published while publishers are blocked.
    pub(crate) fn is_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    pub(crate) fn can_unpark(&self) -> bool {
        !self.parked.is_empty() && !self.shared.is_blocked()
    }

    /// Goes on with what was parked, if publishers are not blocked any more. Says whether it did.
    pub(crate) fn unpark(&mut self) -> bool {
        if !self.can_unpark() {
            return false;
        }
        if self.capabilities.blocked {
            self.send_connection(connection::AMQPMethod::Unblocked(connection::Unblocked {}));
        }
        self.control.parked.store(false, Ordering::Relaxed);
        let parked = std::mem::take(&mut self.parked);
        self.run(parked);
        true
    }

    /// Consumers of this connection were passed over because it did not read: it does again.
    pub(crate) fn resume_consumers(&self) {
        if let Some(vhost) = &self.vhost {
            vhost.with(|state| state.resume(self.id));
        }
    }

    /// Gives back everything that the connection held.
    pub(crate) fn end(&mut self) {
        self.control.outbox.close();
        self.release();
    }

    fn release(&mut self) {
        if let Some(vhost) = self.vhost.clone() {
            vhost.with(|state| self.release_in(state));
        }
    }

    fn release_in(&mut self, state: &mut State) {
        self.vhost = None;
        let open = |slot| if let Slot::Open(id) = slot { Some(id) } else { None };
        let channels: Vec<ChannelId> = self.channels.drain().filter_map(|(_, slot)| open(slot)).collect();
        state.close_channels(&channels);
        state.close_connection(self.id);
    }
}

/// Only a handshake has such a method, or only channels have.
fn unexpected_when_running() -> Refusal {
    Refusal::hard(AMQPHardError::CHANNELERROR, "unexpected method in connection state running")
}
