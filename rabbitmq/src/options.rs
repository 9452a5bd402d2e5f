//! What can be chosen about a node.

use std::path::PathBuf;
use std::time::Duration;

/// Which RabbitMQ runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Flavour {
    /// The one that Debian's package `rabbitmq-server` installs on this machine (Debian 12: 3.10).
    #[default]
    Debian,
    /// Debian trixie's (4.0), from a directory of its own: see [`crate::trixie`]. Runs as root only.
    Trixie,
}

/// How a node is started. `NodeOptions::default()` is right for a test.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Which RabbitMQ. Default: the installed one.
    pub flavour: Flavour,
    /// The AMQP port on 127.0.0.1. Default: a free one outside the kernel's ephemeral range, so that nobody takes it
    /// during a restart.
    pub port: Option<u16>,
    /// Where data, log and configuration are kept after the node's end. Default: a temporary directory that goes with
    /// the node.
    pub directory: Option<PathBuf>,
    /// More lines for `rabbitmq.conf`, such as `consumer_timeout = 2000`. Default: none.
    pub configuration: Vec<String>,
    /// How many Erlang schedulers (threads that run code). Default: one a processor, which a benchmark wants; 1 makes a
    /// node a little lighter to start.
    pub schedulers: Option<u32>,
    /// How long the node may take until it talks AMQP; then it is killed and the start fails. Default: 2 minutes (a
    /// start takes 3 to 6 s on two idle cores).
    pub start_timeout: Duration,
    /// How long a clean stop may take; then the node is killed. Default: 30 s.
    pub stop_timeout: Duration,
}

impl Default for NodeOptions {
    fn default() -> Self {
        NodeOptions {
            flavour: Flavour::default(),
            port: None,
            directory: None,
            configuration: Vec::new(),
            schedulers: None,
            start_timeout: Duration::from_secs(120),
            stop_timeout: Duration::from_secs(30),
        }
    }
}
