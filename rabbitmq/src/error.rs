//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The flavour's programs are not on this machine.
    #[error("{program} is missing: {hint}")]
    NotInstalled {
        /// The program that was looked for.
        program: PathBuf,
        /// How to get it.
        hint: &'static str,
    },
    /// The node's process ended before it talked AMQP.
    #[error("rabbitmq ended while it started ({status}); from its log:\n{log}")]
    Ended {
        /// How the process ended.
        status: String,
        /// The errors in the node's log, or its last lines.
        log: String,
    },
    /// The node does not talk AMQP yet, and was killed.
    #[error("rabbitmq was not ready after {after:?} and was killed; from its log:\n{log}")]
    Timeout {
        /// [`crate::NodeOptions::start_timeout`].
        after: Duration,
        /// The errors in the node's log, or its last lines.
        log: String,
    },
    /// The directory belongs to a node that runs.
    #[error("another node runs in {}", .0.display())]
    DirectoryInUse(PathBuf),
    /// The node runs already.
    #[error("the node runs already")]
    Running,
    /// A file, process or port could not be had.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl StartError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
        let what = what.into();
        move |source| StartError::Io { what, source }
    }
}

/// Why a command to a node, or a signal, had no success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The command ran and said no.
    #[error("rabbitmqctl {arguments} failed ({status}):\n{output}")]
    Refused {
        /// The command's arguments, as typed.
        arguments: String,
        /// How it ended.
        status: String,
        /// What it printed, both streams.
        output: String,
    },
    /// There is no process to signal.
    #[error("the node does not run")]
    NotRunning,
    /// The command could not be run.
    #[error("cannot run rabbitmqctl or signal the node: {0}")]
    Io(#[from] io::Error),
}
