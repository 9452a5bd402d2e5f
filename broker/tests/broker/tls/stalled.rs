//! Clients that begin and do not go on. Time is paused: it moves on when everybody waits.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Secured;

/// How long a client is waited for that has sent `bytes`, in whole seconds.
async fn patience_s(address: std::net::SocketAddr, bytes: &[u8]) -> u64 {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut Vec::new())).await.unwrap();
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_stalled_handshake_is_ended() {
    let target = Secured::embedded(|_| {}).await;
    // TLS: 5 s.
    assert_eq!(patience_s(target.tls, b"").await, 5);
    assert_eq!(patience_s(target.tls, &[22, 3, 1]).await, 5);
    // AMQP: 10 s.
    assert_eq!(patience_s(target.plain, b"").await, 10);
    assert_eq!(patience_s(target.plain, b"AMQP").await, 10);
    assert_eq!(patience_s(target.plain, b"AMQP\0\0\x09\x01").await, 10);
}
