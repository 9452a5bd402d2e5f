//! When a node is up: it accepts a connection and begins AMQP's handshake. A listener opens only after the data are
//! recovered, so this says more than a process that runs, and takes a millisecond where `rabbitmqctl` takes half a
//! second.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// AMQP 0-9-1, section 4.2.2.
const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// A method frame on channel 0, four bytes of length, and the method `connection.start` (class 10, method 10).
const METHOD_FRAME: [u8; 3] = [1, 0, 0];
const CONNECTION_START: [u8; 4] = [0, 10, 0, 10];

/// How long a node that accepted a connection may be silent before another try.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether whoever listens on `port` talks AMQP 0-9-1.
pub(crate) async fn talks_amqp(port: u16) -> bool {
    matches!(tokio::time::timeout(ANSWER_TIMEOUT, handshake(port)).await, Ok(Ok(true)))
}

async fn handshake(port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(PROTOCOL_HEADER).await?;
    let mut start = [0; 11];
    stream.read_exact(&mut start).await?;
    Ok(start[..3] == METHOD_FRAME && start[7..] == CONNECTION_START)
}
