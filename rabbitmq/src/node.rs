//! A node.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OnceCell};

use crate::directory::Directory;
use crate::epmd::Epmd;
use crate::keeper::Kept;
use crate::launch::{self, Identity, Installation};
use crate::{Flavour, NodeOptions, StartError, ports, ready};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A RabbitMQ node of this program's own.
///
/// # Drop behaviour
///
/// Dropping a node kills it, waits for its end (some milliseconds) and removes its directory if that is temporary.
/// [`Node::stop`] first is the clean way, which matters only if the directory is kept.
#[derive(Debug)]
pub struct Node {
    // Fields are dropped in this order: the process before the port mapper and the directory that it uses.
    pub(crate) process: Mutex<Option<Kept>>,
    _epmd: Arc<Epmd>,
    directory: Arc<Directory>,
    pub(crate) installation: Installation,
    pub(crate) identity: Identity,
    pub(crate) options: NodeOptions,
    port: u16,
    pub(crate) vhosts: AtomicU32,
}

impl Node {
    /// Starts a node and returns when it talks AMQP: 3 to 6 s.
    ///
    /// # Errors
    ///
    /// [`StartError`]; if the node gave up, with the errors in its log.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills what was started.
    pub async fn start(options: NodeOptions) -> Result<Node, StartError> {
        let node = tokio::task::spawn_blocking(move || Node::prepare(options))
            .await
            .expect("preparing a node does not panic, and the runtime is alive")?;
        node.start_again().await?;
        Ok(node)
    }

    fn prepare(options: NodeOptions) -> Result<Node, StartError> {
        let installation = Installation::find(options.flavour)?;
        let directory = Directory::open(options.directory.as_deref())?;
        let epmd = Epmd::shared(&installation)?;
        let free = || ports::free().map_err(StartError::io("find a free port"));
        let port = options.port.map_or_else(free, Ok)?;
        let identity = Identity {
            name: directory.node_name().to_owned(),
            directory: directory.path().to_owned(),
            epmd_port: epmd.port(),
            distribution_port: free()?,
        };
        directory
            .write_configuration(&launch::configuration(port, &options.configuration))
            .map_err(StartError::io("write rabbitmq.conf"))?;
        Ok(Node {
            process: Mutex::new(None),
            _epmd: epmd,
            directory: Arc::new(directory),
            installation,
            identity,
            options,
            port,
            vhosts: AtomicU32::new(0),
        })
    }

    /// The default vhost's address: `amqp://guest:guest@127.0.0.1:PORT/%2f`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of_vhost("%2f")
    }

    pub(crate) fn url_of_vhost(&self, encoded_name: &str) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/{encoded_name}", self.port)
    }

    /// The AMQP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Erlang node's name, as `rabbitmqctl join_cluster` wants it: `warren-3f9a01bc@localhost`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// Where data, configuration and the log (`node.log`) are.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The last lines of the node's log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.directory.log_tail(lines)
    }

    /// Starts a node that was stopped or killed, on the same port and data.
    ///
    /// # Errors
    ///
    /// As [`Node::start`]; [`StartError::Running`] if it was neither.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills what was started.
    pub async fn start_again(&self) -> Result<(), StartError> {
        let mut slot = self.process.lock().await;
        if let Some(process) = slot.as_mut()
            && process.try_wait().map_err(StartError::io("wait for rabbitmq"))?.is_none()
        {
            return Err(StartError::Running);
        }
        let started = Instant::now();
        let log_from = std::fs::metadata(self.directory.log_file()).map_or(0, |log| log.len());
        let mut process = self.spawn().map_err(StartError::io("start rabbitmq"))?;
        self.until_ready(&mut process, started, log_from).await?;
        tracing::debug!(node = self.name(), port = self.port, took = ?started.elapsed(), "rabbitmq is ready");
        *slot = Some(process);
        Ok(())
    }

    fn spawn(&self) -> std::io::Result<Kept> {
        let log = OpenOptions::new().create(true).append(true).open(self.directory.log_file())?;
        let mut command = launch::server(&self.installation, &self.identity, &self.options);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Kept::spawn(command)
    }

    async fn until_ready(&self, process: &mut Kept, started: Instant, log_from: u64) -> Result<(), StartError> {
        while !ready::talks_amqp(self.port).await {
            if let Some(status) = process.try_wait().map_err(StartError::io("wait for rabbitmq"))? {
                return Err(StartError::Ended {
                    status: status.to_string(),
                    log: self.directory.explanation(log_from),
                });
            }
            let after = self.options.start_timeout;
            if started.elapsed() >= after {
                return Err(StartError::Timeout { after, log: self.directory.explanation(log_from) });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

/// One node for the whole program, started by the first who asks: what tests want, each with a vhost of its own
/// ([`Node::vhost`]).
///
/// It is RabbitMQ 4 where [`RABBITMQ_VERSION`] says `4`, so that one suite can be run on both. It ends with the
/// program, and its directory with it.
///
/// # Errors
///
/// As [`Node::start`]. A later caller tries again.
pub async fn shared() -> Result<&'static Node, StartError> {
    static NODE: OnceCell<Node> = OnceCell::const_new();
    let flavour = wanted_flavour().unwrap_or_default();
    NODE.get_or_try_init(|| Node::start(NodeOptions { flavour, ..NodeOptions::default() })).await
}

/// The variable that says which RabbitMQ tests run on: `3` (what the machine has installed) or `4`. Without it, tests
/// that need none run on none, and those that do on the installed one.
pub const RABBITMQ_VERSION: &str = "WARREN_RABBITMQ";

/// The RabbitMQ that [`RABBITMQ_VERSION`] asks for, if it asks for one.
///
/// # Panics
///
/// If it is neither `3` nor `4`.
#[must_use]
pub fn wanted_flavour() -> Option<Flavour> {
    match std::env::var(RABBITMQ_VERSION).unwrap_or_default().as_str() {
        "" => None,
        "3" => Some(Flavour::Debian),
        "4" => Some(Flavour::Trixie),
        other => panic!("{RABBITMQ_VERSION} is 3 or 4, not {other:?}"),
    }
}
