//! A connection without a client library.

use amq_protocol::frame::{AMQPFrame, gen_frame, parse_frame};
use amq_protocol::protocol::{AMQPClass, basic, channel, connection};
use amq_protocol::types::FieldTable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::*;

/// A frame of any type, with any payload.
pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xCE);
    bytes
}

/// A bare socket.
pub(crate) async fn connect(target: &Target) -> TcpStream {
    let address = target.url.split('@').nth(1).unwrap().split('/').next().unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// A bare connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    bytes: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(target: &Target) -> Raw {
        Raw { stream: connect(target).await, bytes: Vec::new() }
    }

    /// Connected, with a vhost open.
    pub(crate) async fn open(target: &Target, channel_max: u16, heartbeat: u16) -> Raw {
        let mut raw = Raw::connect(target).await;
        raw.say_hello("guest", FieldTable::default()).await;
        raw.method().await;
        let tune = connection::TuneOk { channel_max, frame_max: 8192, heartbeat };
        raw.send(0, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune))).await;
        let open = connection::Open { virtual_host: target.vhost.as_str().into() };
        raw.send(0, AMQPClass::Connection(connection::AMQPMethod::Open(open))).await;
        let opened = raw.method().await;
        assert!(matches!(opened, AMQPClass::Connection(connection::AMQPMethod::OpenOk(_))), "{opened:?}");
        raw
    }

    /// Sends the header and, when the server has answered, `guest` with a password.
    pub(crate) async fn say_hello(&mut self, password: &str, client_properties: FieldTable) {
        self.stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        self.method().await;
        let start = connection::StartOk {
            client_properties,
            mechanism: "PLAIN".into(),
            response: format!("\0guest\0{password}").as_str().into(),
            locale: "en_US".into(),
        };
        self.send(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(start))).await;
    }

    pub(crate) async fn send(&mut self, channel: u16, method: AMQPClass) {
        let frame = AMQPFrame::Method(channel, method);
        let (bytes, _) = gen_frame(&frame)(Vec::new().into()).unwrap().into_inner();
        self.stream.write_all(&bytes).await.unwrap();
    }

    pub(crate) async fn open_channel(&mut self, number: u16) {
        self.send(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))).await;
    }

    /// Publishes with a property block of any bytes. Flag 1 is `mandatory`.
    pub(crate) async fn publish(
        &mut self,
        number: u16,
        exchange: &str,
        key: &str,
        flags: u8,
        properties: &[u8],
        body: &[u8],
    ) {
        let short = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let method = [&[0, 60, 0, 40, 0, 0][..], &short(exchange), &short(key), &[flags]].concat();
        let header = [&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), properties].concat();
        for (kind, payload) in [(1, &method[..]), (2, &header[..]), (3, body)] {
            self.stream.write_all(&frame(kind, number, payload)).await.unwrap();
        }
    }

    /// Consumes, and reads the answers to this and to the channel's opening.
    pub(crate) async fn consume(&mut self, number: u16, queue: &str) {
        let consume = basic::Consume {
            queue: queue.into(),
            consumer_tag: "tag".into(),
            no_local: false,
            no_ack: false,
            exclusive: false,
            nowait: false,
            arguments: FieldTable::default(),
        };
        self.send(number, AMQPClass::Basic(basic::AMQPMethod::Consume(consume))).await;
        self.method().await;
        self.method().await;
    }

    pub(crate) async fn frame(&mut self) -> Option<AMQPFrame> {
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

    pub(crate) async fn method(&mut self) -> AMQPClass {
        loop {
            match self.frame().await.expect("the connection is open") {
                AMQPFrame::Method(_, method) => return method,
                // Or a message's content, which nobody asks for here.
                AMQPFrame::Heartbeat | AMQPFrame::Header(..) | AMQPFrame::Body(..) => {}
                other => panic!("not a method: {other:?}"),
            }
        }
    }

    /// The code with which the connection is closed, and that it is.
    pub(crate) async fn close_code(&mut self) -> (u16, String) {
        loop {
            if let AMQPClass::Connection(connection::AMQPMethod::Close(close)) = self.method().await {
                self.send(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))).await;
                while self.frame().await.is_some() {}
                return (close.reply_code, close.reply_text.to_string());
            }
        }
    }
}
