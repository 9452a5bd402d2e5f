//! What is said at the wrong time or in the wrong shape: a table of it, each line on a connection of its own, and how
//! the connection or the channel ends. The table is true of RabbitMQ too.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::*;
use crate::raw::{connect, frame};
use Ending::{Channel, Connection, Cut, Goes, Stuck};

conformance!(
    methods_at_the_wrong_time_end_as_the_table_says,
    contents_out_of_order_end_as_the_table_says,
    malformed_frames_end_as_the_table_says,
    a_handshake_out_of_order_ends,
    what_follows_a_close_is_read_and_not_heard,
);

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// `connection.close` with a code.
    Connection(u16),
    /// `channel.close` with a code.
    Channel(u16),
    /// The end, without a word.
    Cut,
    /// Not at all: the probe after it is answered.
    Goes,
    /// Neither: a stuck connection. Never right.
    Stuck,
}

fn method(channel: u16, class: u8, method: u8, fields: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&[0, class, 0, method], fields].concat())
}

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";
const OPEN_CHANNEL: &[u8] = &[0];
const CLOSE: &[u8] = &[0, 200, 0, 0, 0, 0, 0];
/// Of a queue `q`.
const DECLARE: &[u8] = &[0, 0, 1, b'q', 0, 0, 0, 0, 0];
const QOS: &[u8] = &[0, 0, 0, 0, 0, 1, 0];
/// To the default exchange, with the key `q`.
const PUBLISH: &[u8] = &[0, 0, 0, 1, b'q', 0];
/// Of `q`, with the tag `t`.
const CONSUME: &[u8] = &[0, 0, 1, b'q', 1, b't', 0, 0, 0, 0, 0];

fn start_ok() -> Vec<u8> {
    method(0, 10, 11, &[&[0, 0, 0, 0, 5][..], b"PLAIN", &[0, 0, 0, 12], b"\0guest\0guest", &[5], b"en_US"].concat())
}

/// 2,047 channels, frames of 8,192 bytes, no heartbeats.
fn tune_ok() -> Vec<u8> {
    method(0, 10, 31, &[7, 255, 0, 0, 0x20, 0, 0, 0])
}

fn open(target: &Target) -> Vec<u8> {
    let vhost = &target.vhost;
    method(0, 10, 40, &[&[u8::try_from(vhost.len()).unwrap()], vhost.as_bytes(), &[0, 0]].concat())
}

fn content_header(channel: u16, class: u8, body_bytes: u8, properties: &[u8]) -> Vec<u8> {
    let head = [0, class, 0, 0, 0, 0, 0, 0, 0, 0, 0, body_bytes];
    frame(2, channel, &[&head, properties].concat())
}

/// Answered on an open channel that has nothing against it.
fn probe() -> Vec<u8> {
    method(1, 60, 10, QOS)
}

/// Sends bytes, and reads how it ends.
async fn ending(stream: &mut TcpStream, bytes: &[u8]) -> Ending {
    stream.write_all(bytes).await.unwrap();
    let mut read = Vec::new();
    let reading = async {
        loop {
            if let Some(ending) = first_ending(&read) {
                return ending;
            }
            if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return Cut;
            }
        }
    };
    tokio::time::timeout(PATIENCE / 2, reading).await.unwrap_or(Stuck)
}

fn first_ending(mut bytes: &[u8]) -> Option<Ending> {
    while let Some((head, rest)) = bytes.split_first_chunk::<7>() {
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let (payload, rest) = rest.split_at_checked(length + 1)?;
        if head[0] == 1 {
            let code = || u16::from_be_bytes([payload[4], payload[5]]);
            match (payload[1], payload[3]) {
                (10, 50) => return Some(Connection(code())),
                (20, 40) => return Some(Channel(code())),
                (60, 11) => return Some(Goes),
                _ => {}
            }
        }
        bytes = rest;
    }
    None
}

type Case = (&'static str, Vec<u8>, Ending);

/// A connection with channel 1 open. What was agreed on holds from here on.
async fn opened(target: &Target) -> TcpStream {
    let mut stream = connect(target).await;
    let opening =
        [HEADER.to_vec(), start_ok(), tune_ok(), open(target), method(1, 20, 10, OPEN_CHANNEL), probe()].concat();
    assert_eq!(ending(&mut stream, &opening).await, Goes, "the opening");
    stream
}

/// Runs each case on a connection of its own, and compares them all at once.
async fn check(target: &Target, cases: Vec<Case>) {
    let endings = cases.into_iter().map(async |(what, bytes, expected)| {
        let found = ending(&mut opened(target).await, &bytes).await;
        (what, found, expected)
    });
    let mut wrong = futures::future::join_all(endings).await;
    wrong.retain(|(what, found, expected)| found != expected && !is_race_of_rabbitmq(target, what, *found));
    assert!(wrong.is_empty(), "what, found, expected: {wrong:#?}");
}

/// RabbitMQ's channel is a process, which an unasked close-ok ends: what comes right behind it finds a channel that
/// dies (503), or none (504).
fn is_race_of_rabbitmq(target: &Target, what: &str, found: Ending) -> bool {
    what == "channel.close-ok that nobody asked for" && found == Connection(504) && target.flavour != Flavour::Embedded
}

async fn methods_at_the_wrong_time_end_as_the_table_says(target: &Target) {
    let declared = method(1, 50, 10, DECLARE);
    let closed = || method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 9, 0]);
    let cases = vec![
        ("a channel's method on channel 0", method(0, 50, 10, DECLARE), Connection(504)),
        ("channel.open of channel 0", method(0, 20, 10, OPEN_CHANNEL), Connection(504)),
        (
            "a connection's method on channel 1",
            [method(1, 10, 40, &[1, b'/', 0, 0]), probe()].concat(),
            Connection(503),
        ),
        ("connection.start-ok when all is open", start_ok(), Connection(504)),
        ("connection.tune-ok when all is open", tune_ok(), Connection(504)),
        ("connection.open when it is open", open(target), Connection(504)),
        ("connection.close-ok that nobody asked for", method(0, 10, 51, &[]), Connection(504)),
        ("a channel that is opened twice", method(1, 20, 10, OPEN_CHANNEL), Connection(504)),
        ("a method of a channel that is not open", method(3, 60, 10, QOS), Connection(504)),
        ("channel.close of a channel that is not open", method(3, 20, 40, CLOSE), Connection(504)),
        ("what only a server says: queue.declare-ok", method(1, 50, 11, &[0, 0, 0, 0, 0, 0, 0, 0, 0]), Connection(503)),
        ("what only a server says: channel.open-ok", method(1, 20, 11, &[0, 0, 0, 0]), Connection(503)),
        ("what only a server says: basic.get-empty", method(1, 60, 72, &[0]), Connection(503)),
        ("an ack of nothing", method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 9, 0]), Channel(406)),
        ("a reject of nothing", method(1, 60, 90, &[0, 0, 0, 0, 0, 0, 0, 9, 0]), Channel(406)),
        ("a nack of nothing", method(1, 60, 120, &[0, 0, 0, 0, 0, 0, 0, 9, 0]), Channel(406)),
        (
            "an ack of all there is, which is nothing",
            [method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 0, 1]), probe()].concat(),
            Goes,
        ),
        ("a cancel of nothing", [method(1, 60, 30, &[1, b'x', 0]), probe()].concat(), Goes),
        (
            "a consumer tag twice",
            [declared, method(1, 60, 20, CONSUME), method(1, 60, 20, CONSUME)].concat(),
            Connection(530),
        ),
        (
            "methods of a channel that the broker closed",
            [closed(), probe(), method(1, 50, 10, DECLARE)].concat(),
            Channel(406),
        ),
        ("channel.close-ok that nobody asked for", [method(1, 20, 41, &[]), probe()].concat(), Connection(503)),
        ("channel.flow-ok that nobody asked for", [method(1, 20, 21, &[1]), probe()].concat(), Connection(503)),
    ];
    check(target, cases).await;
}

async fn contents_out_of_order_end_as_the_table_says(target: &Target) {
    let publish = || method(1, 60, 40, PUBLISH);
    let header = |body_bytes| content_header(1, 60, body_bytes, &[0, 0]);
    let body = |text: &[u8]| frame(3, 1, text);
    let cases = vec![
        ("a header without a publish", header(1), Connection(505)),
        ("a body without a publish", body(b"x"), Connection(505)),
        ("a method between publish and header", [publish(), probe()].concat(), Connection(505)),
        ("a body between publish and header", [publish(), body(b"x")].concat(), Connection(505)),
        ("two headers", [publish(), header(1), header(1)].concat(), Connection(505)),
        ("a header of another class", [publish(), content_header(1, 50, 1, &[0, 0])].concat(), Connection(505)),
        ("a method between two bodies", [publish(), header(9), body(b"x"), probe()].concat(), Connection(505)),
        ("a body that is not needed", [publish(), header(0), body(b"x")].concat(), Connection(505)),
        ("a content on channel 0", content_header(0, 60, 1, &[0, 0]), Connection(505)),
        (
            "another channel's content between",
            [publish(), method(3, 20, 10, OPEN_CHANNEL), header(0), probe()].concat(),
            Goes,
        ),
        ("empty bodies between others", [publish(), header(1), body(b""), body(b"x"), probe()].concat(), Goes),
    ];
    check(target, cases).await;
}

async fn malformed_frames_end_as_the_table_says(target: &Target) {
    let cases = vec![
        ("a frame of no known type", frame(5, 1, b"x"), Connection(501)),
        ("a frame of no known type on channel 0", frame(5, 0, b"x"), Connection(501)),
        ("a frame without its end", vec![1, 0, 1, 0, 0, 0, 0, 0], Connection(501)),
        ("a frame that is too large", vec![1, 0, 1, 0, 0, 0x20, 1, 0, 0], Connection(501)),
        ("a heartbeat", [frame(8, 0, &[]), probe()].concat(), Goes),
    ];
    check(target, cases).await;
}

/// RabbitMQ only hangs up, after three seconds.
async fn a_handshake_out_of_order_ends(target: &Target) {
    let cases = [
        ("connection.open before the login", [HEADER.to_vec(), open(target)].concat()),
        ("a channel before the login", [HEADER.to_vec(), method(1, 20, 10, OPEN_CHANNEL)].concat()),
        (
            "a channel before the vhost",
            [HEADER.to_vec(), start_ok(), tune_ok(), method(1, 20, 10, OPEN_CHANNEL)].concat(),
        ),
        ("two logins", [HEADER.to_vec(), start_ok(), start_ok()].concat()),
    ];
    let endings = cases.map(async |(what, bytes)| (what, ending(&mut connect(target).await, &bytes).await));
    for (what, found) in futures::future::join_all(endings).await {
        let expected = matches!(found, Cut | Connection(501 | 503 | 504 | 505));
        assert!(expected, "{what}: {found:?}");
    }
}

/// A client may close while its other channels still write: the answer must reach it.
async fn what_follows_a_close_is_read_and_not_heard(target: &Target) {
    let mut stream = opened(target).await;
    stream.write_all(&method(0, 10, 50, CLOSE)).await.unwrap();
    let close_ok = method(0, 10, 51, &[]);
    let mut read = Vec::new();
    soon("the answer", async {
        while !read.ends_with(&close_ok) {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
    })
    .await;
    let content = [method(1, 60, 40, PUBLISH), content_header(1, 60, 0, &[0, 0])].concat().repeat(10_000);
    for _ in 0..5 {
        soon("it is read", stream.write_all(&content)).await.unwrap();
    }
}
