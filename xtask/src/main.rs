//! What a maintainer runs: `cargo xtask COMMAND`. One module a command.
//!
//! `test` is everything that must pass; `bench` measures what was promised; `storm` breaks what can break; `broker` is
//! a RabbitMQ to try things against.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

mod bench;
mod broker;
mod storm;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "What a maintainer of Warren runs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything that must pass: format, tidy, clippy, documentation, tests
    Test(test::Arguments),
    /// Check the rules of style that a program can check (a part of `test`)
    Tidy,
    /// Measure what was promised, beside what it is promised against
    Bench(bench::Arguments),
    /// Call while everything around is killed, and see that no promise is broken
    Storm(storm::Arguments),
    /// Run a RabbitMQ node of its own until Ctrl-C, and leave nothing behind
    Broker(broker::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Tidy => tidy::check(workspace::root()).map(|()| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Storm(arguments) => storm::run(&arguments),
        Command::Broker(arguments) => broker::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        let missing = error.downcast_ref::<warren_debian::Missing>();
        ExitCode::from(if missing.is_some() { warren_debian::Missing::EXIT_CODE } else { 1 })
    })
}
