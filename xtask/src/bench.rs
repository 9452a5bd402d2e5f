//! `cargo xtask bench`: what was promised, measured side by side with what it is promised against, in one run.
//!
//! [`broker`]: the embedded broker beside RabbitMQ. What every benchmark needs: [`build`] (release programs),
//! [`program`] (running them), [`series`] (medians), [`table`] and [`page`] (saying it), [`machine`] (where it was
//! measured).

mod broker;
mod build;
mod machine;
mod page;
mod program;
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
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.what {
        What::Broker(arguments) => broker::run(arguments),
    }
}
