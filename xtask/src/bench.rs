//! `cargo xtask bench`: what was promised, measured side by side with what it is promised against, in one run.
//!
//! [`broker`]: the embedded broker beside RabbitMQ. [`rpc`]: calls beside lapin by hand and other libraries. What every
//! benchmark needs: [`build`] (release programs), [`peers`] (where those of others are), [`program`] (running them),
//! [`series`] (medians), [`number`], [`table`], [`chart`] and [`page`] (saying it), [`machine`] (where it was
//! measured).

mod broker;
mod build;
mod chart;
mod machine;
mod number;
mod page;
mod peers;
mod program;
mod rpc;
mod series;
mod table;

use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// The embedded broker beside RabbitMQ: some three minutes once everything is built
    Broker(broker::Arguments),
    /// Calls beside lapin by hand and other libraries, on RabbitMQ: some six minutes once everything is built
    Rpc(rpc::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        What::Broker(arguments) => broker::run(arguments),
        What::Rpc(arguments) => rpc::run(arguments),
    }
}
