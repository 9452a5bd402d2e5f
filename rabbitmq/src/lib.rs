//! Private RabbitMQ nodes as child processes, for tests, benchmarks and `cargo xtask broker`.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use warren_rabbitmq::{Node, NodeOptions};
//!
//! let node = Node::start(NodeOptions::default()).await?;
//! println!("{}", node.url()); // amqp://guest:guest@127.0.0.1:24817/%2f
//! println!("{}", node.ctl(&["list_queues", "name", "messages"]).await?);
//! node.restart().await?; // the same port and data
//! # Ok(())
//! # }
//! ```
//!
//! What a node promises:
//! - it listens on loopback only, on ports of its own, with an `epmd`, a cookie and directories of its own, so that any
//!   number of nodes stand side by side, and beside a RabbitMQ that the machine runs already;
//! - nothing of it outlives the program: not when the [`Node`] is dropped, not when the program ends without dropping
//!   it, not when the program is killed with `kill -9`. A temporary directory goes with it;
//! - a Ctrl-C in the terminal reaches the program only, which can then stop the node properly.
//!
//! The nodes of one program share an `epmd` and a cookie, so they can form a cluster: see [`Cluster`].
//!
//! Reading order: [`NodeOptions`], [`Node`], then how that is done: `keeper` (processes that die with this one),
//! `directory` (and who removes it), `launch` (the command line), `ready` (when it is up), `trixie` (RabbitMQ 4).
//!
//! Linux only. It runs what Debian's package `rabbitmq-server` installs: see [`missing_packages`].

mod cluster;
mod control;
mod directory;
mod epmd;
mod error;
mod keeper;
mod launch;
mod node;
mod options;
mod ports;
mod ready;
pub mod testing;
pub mod trixie;

pub use cluster::Cluster;
pub use error::{ControlError, StartError};
pub use node::{Node, RABBITMQ_VERSION, shared, wanted_flavour};
pub use options::{Flavour, NodeOptions};

/// The Debian packages that [`Flavour::Debian`] needs and this machine lacks: empty, or `rabbitmq-server`.
#[must_use]
pub fn missing_packages() -> Vec<&'static str> {
    if std::path::Path::new(launch::SERVER).exists() { Vec::new() } else { vec!["rabbitmq-server"] }
}
