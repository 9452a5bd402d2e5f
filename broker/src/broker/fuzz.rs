//! Anything that a client can say, to a session and the vhost behind it, without I/O. `cargo test` runs each target for
//! a bounded number of random inputs; `cargo bolero test -p warren-broker broker::fuzz::any_methods_in_any_order` goes
//! on, led by coverage.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod panicking;
mod said;

use amq_protocol::frame::{AMQPFrame, parse_frame};
use amq_protocol::protocol::{AMQPClass, channel, connection};
use bolero::check;

use super::*;
use crate::outbox::Batch;
use said::{Said, opening};

/// What may close a connection, and what a channel (AMQP 0-9-1, 1.2).
const HARD: [u16; 12] = [320, 402, 403, 501, 502, 503, 504, 505, 506, 530, 540, 541];
const SOFT: [u16; 8] = [311, 312, 313, 403, 404, 405, 406, 540];
/// More than an answer to so little could take.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// A session without a socket.
struct Talk {
    broker: Broker,
    session: Session,
    control: Arc<Control>,
    /// The code with which the broker closed the connection.
    closed: Option<u16>,
}

impl Talk {
    async fn begin() -> Talk {
        let broker = Broker::start(Options::default()).await.unwrap();
        Talk::on(broker, 1)
    }

    fn on(broker: Broker, id: u64) -> Talk {
        let outbox = Arc::new(Outbox::new(broker.shared.options.outbox_bytes_max));
        let control = Arc::new(Control::new(ConnectionId(id), None, None, outbox));
        let shared = Arc::clone(&broker.shared);
        let session = Session::new(shared, ConnectionId(id), Arc::clone(&control), Transport::default());
        Talk { broker, session, control, closed: None }
    }

    /// Says something, and looks at every frame that is answered.
    fn say(&mut self, bytes: &[u8]) {
        self.session.receive(bytes);
        let (mut batch, mut answer) = (Batch::default(), Vec::new());
        while self.control.outbox.take(&mut batch) {
            let mut slices = [io::IoSlice::new(&[])];
            batch.fill(&mut slices);
            let written = slices[0].len();
            answer.extend_from_slice(&slices[0]);
            self.control.outbox.written(&mut batch, written);
        }
        assert!(answer.len() < ANSWER_BYTES_MAX, "{} bytes are answered", answer.len());
        let mut rest = answer.strip_prefix(b"AMQP\0\0\x09\x01").unwrap_or(&answer);
        while !rest.is_empty() {
            let (next, frame) = parse_frame(rest).expect("what the broker sends is a frame");
            self.look_at(&frame);
            rest = next;
        }
    }

    fn look_at(&mut self, frame: &AMQPFrame) {
        match frame {
            AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
                assert!(HARD.contains(&close.reply_code), "{close:?}");
                assert_eq!(self.closed.replace(close.reply_code), None, "it is closed twice");
            }
            AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) => {}
            _ if self.closed.is_some() => panic!("after a close it says {frame:?}"),
            AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::Close(close))) => {
                assert!(SOFT.contains(&close.reply_code), "{close:?}");
            }
            _ => {}
        }
    }

    /// Ends it. Nothing of it may be left.
    fn end(mut self) -> Broker {
        self.session.end();
        let vhost = self.broker.shared.vhost("/").unwrap();
        vhost.with(|state| {
            let numbers = state.numbers();
            assert_eq!((numbers.channels.len(), numbers.consumers), (0, 0));
            let queues = state.queue_views();
            assert!(queues.iter().all(|queue| queue.owner.is_none()), "an exclusive queue is left");
            assert!(queues.iter().all(|queue| queue.consumers == 0 && queue.depth.unacked == 0), "{queues:?}");
        });
        self.broker
    }

    /// As [`Talk::end`]. A broker that is only dropped closes its listener later: after as many talks as files may be
    /// open there would be none left.
    async fn end_with_its_broker(self) {
        self.end().stop().await;
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn methods_in_any_order(iterations: usize) {
    let runtime = runtime();
    check!().with_iterations(iterations).with_type::<Vec<Said>>().for_each(|said| {
        runtime.block_on(async {
            let mut talk = Talk::begin().await;
            talk.say(&opening());
            said.iter().for_each(|said| talk.say(&said.bytes()));
            talk.end_with_its_broker().await;
        });
    });
}

fn bytes_in_any_pieces(iterations: usize) {
    let runtime = runtime();
    check!().with_iterations(iterations).with_type::<(bool, Vec<Vec<u8>>)>().for_each(|(opened, pieces)| {
        runtime.block_on(async {
            let mut talk = Talk::begin().await;
            if *opened {
                talk.say(&opening());
            }
            pieces.iter().for_each(|piece| talk.say(piece));
            talk.end_with_its_broker().await;
        });
    });
}

#[test]
fn any_methods_in_any_order() {
    methods_in_any_order(500);
}

#[test]
fn any_bytes_in_any_pieces() {
    bytes_in_any_pieces(500);
}

#[test]
#[ignore = "long: a hundred thousand conversations of each kind"]
fn anything_for_longer() {
    methods_in_any_order(100_000);
    bytes_in_any_pieces(100_000);
}

#[test]
fn a_thousand_sessions_that_end_in_the_middle_leave_nothing() {
    runtime().block_on(async {
        let script = said::busy();
        let mut broker = Broker::start(Options::default()).await.unwrap();
        for number in 1..=1000 {
            let mut talk = Talk::on(broker, u64::try_from(number).unwrap());
            talk.say(&opening());
            talk.say(&script[..script.len() * (number % 101) / 100]);
            broker = talk.end();
        }
        let vhost = broker.shared.vhost("/").unwrap();
        vhost.with(|state| {
            assert_eq!((state.queue_views().len(), state.numbers().exchanges), (0, 7));
        });
    });
}
