//! `cargo xtask broker`: a RabbitMQ node in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use warren_rabbitmq::{Flavour, Node, NodeOptions, trixie};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which RabbitMQ: 3 is the one that Debian installs, 4 is Debian trixie's in a directory of its own (root only)
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=4))]
    rabbitmq: u8,
    /// The AMQP port on 127.0.0.1 [default: a free one]
    #[arg(long)]
    port: Option<u16>,
    /// Keep data, log and configuration in this directory [default: a temporary one]
    #[arg(long)]
    directory: Option<PathBuf>,
    /// A line for rabbitmq.conf, such as "consumer_timeout = 2000"; may be given several times
    #[arg(long = "configuration", value_name = "LINE")]
    configuration: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let options = NodeOptions {
        flavour: installed(arguments.rabbitmq)?,
        port: arguments.port,
        directory: arguments.directory.clone(),
        configuration: arguments.configuration.clone(),
        ..NodeOptions::default()
    };
    tokio::runtime::Runtime::new()?.block_on(until_interrupted(options))?;
    Ok(ExitCode::SUCCESS)
}

/// RabbitMQ 3 or 4, installed.
pub(crate) fn installed(rabbitmq: u8) -> anyhow::Result<Flavour> {
    if rabbitmq == 4 {
        install_rabbitmq_4()?;
        return Ok(Flavour::Trixie);
    }
    warren_debian::ensure(&warren_rabbitmq::missing_packages())?;
    Ok(Flavour::Debian)
}

/// Installs RabbitMQ 4's root directory, if it is not there.
pub(crate) fn install_rabbitmq_4() -> anyhow::Result<()> {
    if !trixie::is_installed(&trixie::root()?) {
        warren_debian::ensure(&["debootstrap"])?;
        trixie::install().context("cannot install RabbitMQ 4")?;
    }
    Ok(())
}

async fn until_interrupted(options: NodeOptions) -> anyhow::Result<()> {
    let (mut interrupts, mut terminations) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangups = signal(SignalKind::hangup())?;
    let mut ended = std::pin::pin!(async {
        tokio::select! {
            _ = interrupts.recv() => (),
            _ = terminations.recv() => (),
            _ = hangups.recv() => (),
        }
    });
    let node = tokio::select! {
        node = Node::start(options) => node?,
        () = &mut ended => return Ok(()),
    };
    println!("{}", node.url());
    eprintln!("RabbitMQ runs in {}; Ctrl-C ends it", node.directory().display());
    ended.await;
    eprintln!("stopping RabbitMQ");
    node.stop().await?;
    Ok(())
}
