//! A connection whose task panics, at a point that no client knows a way to.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::said::{busy, opening};
use super::*;

/// Says what it holds, and panics when more is read.
struct Panics(Option<Vec<u8>>);

impl AsyncRead for Panics {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buffer.put_slice(&self.0.take().expect("the panic that this is about"));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Panics {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_panic_in_a_connections_task_leaves_nothing_of_it() {
    let Talk { broker, session, control, .. } = Talk::begin().await;
    let stream = Panics(Some([opening(), busy()].concat()));
    let task = broker.shared.run(&control, ConnectionId(1), Driver::new(stream, session, Arc::clone(&control)));
    broker.shared.connections().insert(ConnectionId(1), (control, task));
    tokio::time::timeout(Duration::from_secs(20), broker.cut_all()).await.expect("it waits for no panicked task");
    assert_eq!(broker.connections(), []);
    let numbers = broker.shared.vhost("/").unwrap().with(|state| state.numbers());
    assert_eq!((numbers.channels.len(), numbers.consumers, numbers.queues.len()), (0, 0, 0));
}
