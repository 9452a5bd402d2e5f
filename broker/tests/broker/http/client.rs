//! The least of an HTTP client: one request a connection.

use std::net::SocketAddr;

use base64::Engine;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::soon;

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

/// Asks as `NAME:PASSWORD`.
pub(super) async fn get(address: SocketAddr, credentials: &str, path: &str) -> Answer {
    request(address, "GET", path, Some(credentials)).await
}

pub(super) async fn request(address: SocketAddr, method: &str, path: &str, credentials: Option<&str>) -> Answer {
    let basic = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let authorization = credentials.map(|it| format!("Authorization: Basic {}\r\n", basic(it))).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{authorization}\r\n");
    let mut answer = Vec::new();
    soon("an answer", async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    })
    .await;
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Answer { status, headers: lines.filter_map(pair).collect(), body: body.to_owned() }
}
