//! The flags of `warren bench`.

use std::time::Duration;

use clap::{Args, Subcommand};

/// Measure calls over a broker.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Echo calls: client and service in this process, each with a connection. Leaves its queue on the
    /// broker.
    Echo(Echo),
}

/// How much work.
#[derive(Args, Debug)]
pub(crate) struct Echo {
    /// Calls that are measured, after a tenth of them to warm up.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) calls: u64,
    /// Calls unanswered at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) inflight: u16,
    /// Bytes in a request, and in its reply.
    #[arg(long, default_value_t = 256, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) payload: u32,
    /// Unsettled requests that an instance holds at a time.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) prefetch: u16,
    /// Instances of the service.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) instances: u16,
    /// How long the handler waits before it answers.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s", value_name = "TIME")]
    pub(crate) work: Duration,
    /// A `Once` method: a quorum queue, and replies kept in SQLite.
    #[arg(long)]
    pub(crate) once: bool,
}
