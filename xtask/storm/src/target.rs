//! The broker in the storm, whichever it is.

use std::{net::SocketAddr, process::Stdio};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
};
use warren_rabbitmq::{Flavour, Node, NodeOptions};

/// A broker that can be hurt.
pub(crate) enum Target {
    Embedded(Box<Embedded>),
    RabbitMq(Box<Node>),
}

/// The process of [`crate::embedded`].
pub(crate) struct Embedded {
    url: String,
    http: SocketAddr,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

/// A queue, and how much it holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) messages: u64,
}

impl Target {
    pub(crate) async fn start(flavour: crate::Flavour) -> anyhow::Result<Target> {
        let flavour = match flavour {
            crate::Flavour::Embedded => return Ok(Target::Embedded(Box::new(Embedded::start().await?))),
            crate::Flavour::RabbitMq3 => Flavour::Debian,
            crate::Flavour::RabbitMq4 => Flavour::Trixie,
        };
        let node = Node::start(NodeOptions { flavour, ..NodeOptions::default() }).await?;
        Ok(Target::RabbitMq(Box::new(node)))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Target::Embedded(embedded) => embedded.url.clone(),
            Target::RabbitMq(node) => node.url(),
        }
    }

    /// Stops it in order, and starts it again.
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        match self {
            Target::Embedded(embedded) => embedded.tell("restart").await,
            Target::RabbitMq(node) => {
                node.ctl(&["stop_app"]).await?;
                node.ctl(&["start_app"]).await?;
                Ok(())
            }
        }
    }

    /// Kills it, and starts it again. What the embedded broker holds is in memory, so it is cut and restarted.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        match self {
            Target::Embedded(embedded) => {
                embedded.tell("cut").await?;
                embedded.tell("restart").await
            }
            Target::RabbitMq(node) => {
                node.kill().await?;
                Ok(node.start_again().await?)
            }
        }
    }

    /// Cuts all connections.
    pub(crate) async fn cut(&mut self) -> anyhow::Result<()> {
        match self {
            Target::Embedded(embedded) => embedded.tell("cut").await,
            Target::RabbitMq(node) => {
                node.ctl(&["close_all_connections", "a storm"]).await?;
                Ok(())
            }
        }
    }

    /// Every queue, with what waits in it and what was handed out and is not acked.
    pub(crate) async fn queues(&self) -> anyhow::Result<Vec<Held>> {
        let text = match self {
            Target::Embedded(embedded) => get(embedded.http, "/api/queues").await?,
            Target::RabbitMq(node) => node.ctl(&["list_queues", "name", "messages", "--formatter", "json"]).await?,
        };
        serde_json::from_str(&text).with_context(|| format!("queues are listed as {text:?}"))
    }
}

impl Embedded {
    async fn start() -> anyhow::Result<Embedded> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("broker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("it is piped")?;
        let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        let line = lines.next_line().await?.context("the broker ended")?;
        let (url, http) = line.split_once(' ').context("it says where it is")?;
        Ok(Embedded { url: url.to_owned(), http: http.parse()?, input, lines, _child: child })
    }

    async fn tell(&mut self, command: &str) -> anyhow::Result<()> {
        self.input.write_all(format!("{command}\n").as_bytes()).await?;
        self.lines.next_line().await?.context("the broker ended")?;
        Ok(())
    }
}

/// The body of a page, as JSON.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // guest:guest
    let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    Ok(body.to_owned())
}
