//! Bytes that no client library would send.

use std::time::Duration;

use amq_protocol::frame::{AMQPFrame, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::*;

conformance!(
    another_protocol_is_answered_with_the_right_header,
    a_channel_that_is_not_open_is_504,
    a_second_open_is_504,
    a_body_from_nowhere_is_505,
    a_frame_without_its_end_is_501,
    a_frame_over_the_limit_is_501,
    an_unknown_method_ends_the_connection,
    a_channel_too_many_is_530,
    a_server_sends_heartbeats_and_misses_them,
);

/// A bare connection.
struct Raw {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Raw {
    async fn connect(target: &Target) -> Raw {
        let address = target.url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
        Raw { stream: TcpStream::connect(address).await.unwrap(), bytes: Vec::new() }
    }

    /// Connected, with a vhost open.
    async fn open(target: &Target, channel_max: u16, heartbeat: u16) -> Raw {
        let mut raw = Raw::connect(target).await;
        raw.stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        raw.method().await;
        let start = connection::StartOk {
            client_properties: Default::default(),
            mechanism: "PLAIN".into(),
            response: "\0guest\0guest".into(),
            locale: "en_US".into(),
        };
        raw.send(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(start))).await;
        raw.method().await;
        let tune = connection::TuneOk { channel_max, frame_max: 8192, heartbeat };
        raw.send(0, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))).await;
        let vhost = if target.vhost == "%2f" { "/" } else { &target.vhost };
        let open = connection::Open { virtual_host: vhost.into() };
        raw.send(0, AMQPClass::Connection(connection::AMQPMethod::Open(open))).await;
        let opened = raw.method().await;
        assert!(matches!(opened, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_))), "{opened:?}");
        raw
    }

    async fn send(&mut self, channel: u16, method: AMQPClass) {
        let frame = AMQPFrame::Method(channel, method);
        let (bytes, _) = gen_frame(&frame)(Vec::new().into()).unwrap().into_inner();
        self.stream.write_all(&bytes).await.unwrap();
    }

    async fn open_channel(&mut self, number: u16) {
        self.send(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))).await;
    }

    async fn frame(&mut self) -> Option<AMQPFrame> {
        loop {
            if let Ok((rest, frame)) = parse_frame(&self.bytes[..]) {
                self.bytes = rest.to_vec();
                return Some(frame);
            }
            if soon("bytes", self.stream.read_buf(&mut self.bytes)).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn method(&mut self) -> AMQPClass {
        loop {
            match self.frame().await.expect("the connection is open") {
                AMQPFrame::Method(_, method) => return method,
                AMQPFrame::Heartbeat => {}
                other => panic!("not a method: {other:?}"),
            }
        }
    }

    /// The code with which the connection is closed, and that it is.
    async fn close_code(&mut self) -> (u16, String) {
        loop {
            if let AMQPClass::Connection(connection::AMQPMethod::Close(close)) = self.method().await {
                self.send(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))).await;
                while self.frame().await.is_some() {}
                return (close.reply_code, close.reply_text.to_string());
            }
        }
    }
}

async fn another_protocol_is_answered_with_the_right_header(target: &Target) {
    let mut raw = Raw::connect(target).await;
    raw.stream.write_all(b"AMQP\x01\x01\x00\x0a").await.unwrap();
    let mut answer = Vec::new();
    // RabbitMQ may reset the connection after its answer.
    let _ = soon("the end", raw.stream.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"AMQP\0\0\x09\x01");
}

async fn a_channel_that_is_not_open_is_504(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.send(7, AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 1, global: false }))).await;
    assert_eq!(raw.close_code().await, (504, "CHANNEL_ERROR - expected 'channel.open'".to_owned()));
}

async fn a_second_open_is_504(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.open_channel(1).await;
    assert_eq!(raw.close_code().await, (504, "CHANNEL_ERROR - second 'channel.open' seen".to_owned()));
}

async fn a_body_from_nowhere_is_505(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[3, 0, 1, 0, 0, 0, 1, b'x', 0xCE]).await.unwrap();
    let (code, text) = raw.close_code().await;
    assert_eq!((code, text.as_str()), (505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead"));
}

async fn a_frame_without_its_end_is_501(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.stream.write_all(&[8, 0, 0, 0, 0, 0, 0, 0]).await.unwrap();
    let text = "FRAME_ERROR - type 8, all octets = <<>>: {invalid_frame_end_marker,0}";
    assert_eq!(raw.close_code().await, (501, text.to_owned()));
}

async fn a_frame_over_the_limit_is_501(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[1, 0, 1, 0, 1, 0, 0, 0, 0, 0]).await.unwrap();
    let text = "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,65536,8184}";
    assert_eq!(raw.close_code().await, (501, text.to_owned()));
}

async fn an_unknown_method_ends_the_connection(target: &Target) {
    let mut raw = Raw::open(target, 2047, 0).await;
    raw.open_channel(1).await;
    raw.stream.write_all(&[1, 0, 1, 0, 0, 0, 4, 0, 60, 0, 99, 0xCE]).await.unwrap();
    if target.embedded.is_some() {
        assert_eq!(raw.close_code().await, (503, "COMMAND_INVALID - unknown class or method {60,99}".to_owned()));
    } else {
        while raw.frame().await.is_some() {}
    }
}

async fn a_channel_too_many_is_530(target: &Target) {
    let mut raw = Raw::open(target, 2, 0).await;
    for number in [1, 9, 2] {
        raw.open_channel(number).await;
    }
    let text = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    assert_eq!(raw.close_code().await, (530, text.to_owned()));
}

async fn a_server_sends_heartbeats_and_misses_them(target: &Target) {
    let mut raw = Raw::open(target, 2047, 1).await;
    assert_eq!(raw.frame().await, Some(AMQPFrame::Heartbeat));
    let end = tokio::time::timeout(Duration::from_secs(6), async { while raw.frame().await.is_some() {} }).await;
    assert!(end.is_ok(), "a silent client is still connected");
}
