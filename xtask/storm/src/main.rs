//! The storm (`cargo xtask storm`): calls with effects, while instances are killed, connections cut and the broker
//! restarted at random. After it, every call has ended, each accepted one got its own reply and had its effect once,
//! nothing waits in a queue, and the caller holds no more memory than before.
//!
//! One program in three roles: `run` calls, makes the faults and judges; `instance` serves, and is killed; `broker` is
//! the embedded broker in a process of its own, so that the caller's memory is the caller's.
//!
//! Reading order: [`method`] and [`store`] (what is called, and its effect), [`instance`], [`target`] and [`embedded`]
//! (brokers), [`faults`], [`calls`], [`judgement`].
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod calls;
mod embedded;
mod faults;
mod instance;
mod judgement;
mod method;
mod run;
mod store;
mod target;

use std::{alloc::System, path::PathBuf, process::ExitCode, time::Duration};

use cap::Cap;
use clap::{Parser, Subcommand, ValueEnum};

/// Counts the bytes that are alive.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

#[derive(Debug, Parser)]
#[command(about = "Calls with effects, while everything around them is killed")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Make the storm, and judge
    Run(Run),
    /// Serve until standard input ends
    #[command(hide = true)]
    Instance { url: String, store: PathBuf },
    /// Be a broker until standard input ends
    #[command(hide = true)]
    Broker,
}

#[derive(Debug, Clone, clap::Args)]
struct Run {
    /// What the faults are drawn from: the same seed draws the same ones
    #[arg(long)]
    seed: u64,
    /// The broker: RabbitMQ 3.10, RabbitMQ 4.0, or the embedded one
    #[arg(long, value_enum, default_value = "embedded")]
    rabbitmq: Flavour,
    /// How many calls
    #[arg(long, default_value_t = 10_000)]
    calls: usize,
    /// How long the faults go on; the calls are spread over it
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many instances serve
    #[arg(long, default_value_t = 4)]
    instances: usize,
    /// How the counts are printed
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

impl Run {
    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flavour {
    #[value(name = "3")]
    RabbitMq3,
    #[value(name = "4")]
    RabbitMq4,
    Embedded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("WARREN_LOG").unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = match Arguments::parse().role {
        Role::Run(arguments) => run::run(&arguments).await,
        Role::Instance { url, store } => instance::serve(&url, &store).await.map(|()| true),
        Role::Broker => embedded::serve().await.map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The bytes that this process holds.
fn live_bytes() -> usize {
    ALLOCATOR.allocated()
}

/// Waits for the end of standard input: of whoever started this.
async fn input_ends() {
    // An error means that it has ended.
    let read = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    let _ = read.await;
}
