//! `cargo xtask storm`: installs the broker that is asked for, builds the storm (`xtask/storm`) and makes it.

use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{broker, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the faults are drawn from: the same seed draws the same ones
    #[arg(long)]
    seed: u64,
    /// The broker: RabbitMQ 3.10, RabbitMQ 4.0 (root only), or the embedded one
    #[arg(long, value_parser = ["3", "4", "embedded"], default_value = "embedded")]
    rabbitmq: String,
    /// How many calls [default: 10000]
    #[arg(long)]
    calls: Option<usize>,
    /// How long the faults go on; the calls are spread over it [default: 60]
    #[arg(long)]
    seconds: Option<u64>,
    /// How many instances serve [default: 4]
    #[arg(long)]
    instances: Option<usize>,
    /// How the counts are printed
    #[arg(short, long, value_parser = ["table", "json"], default_value = "table")]
    output: String,
}

impl Arguments {
    /// What the storm is told; what was not said, it knows best.
    fn passed_on(&self) -> Vec<String> {
        let said = [
            ("--seed", Some(self.seed.to_string())),
            ("--rabbitmq", Some(self.rabbitmq.clone())),
            ("--calls", self.calls.map(|calls| calls.to_string())),
            ("--seconds", self.seconds.map(|seconds| seconds.to_string())),
            ("--instances", self.instances.map(|instances| instances.to_string())),
            ("--output", Some(self.output.clone())),
        ];
        said.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?))).collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Ok(rabbitmq) = arguments.rabbitmq.parse() {
        broker::installed(rabbitmq)?;
    }
    // The whole workspace's build, which the tests have made already.
    let built = workspace::cargo().args(["build", "--workspace", "--bin", "warren-storm"]).status();
    anyhow::ensure!(built.context("cannot run cargo")?.success(), "the storm cannot be built");
    let program = workspace::target().join("debug/warren-storm");
    let status = Command::new(&program).arg("run").args(arguments.passed_on()).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        storm: Arguments,
    }

    #[test]
    fn the_broker_is_known_however_it_is_written_and_all_is_passed_on() {
        let passed_on = |line: &[&str]| Line::try_parse_from(line).unwrap().storm.passed_on();
        let written = [
            ["storm", "--seed", "7", "--rabbitmq=4", "--calls=9"].as_slice(),
            &["storm", "--rabbitmq", "4", "--seed=7", "--calls", "9"],
        ];
        for line in written {
            assert_eq!(passed_on(line), ["--seed=7", "--rabbitmq=4", "--calls=9", "--output=table"]);
        }
        assert_eq!(passed_on(&["storm", "--seed=7"]), ["--seed=7", "--rabbitmq=embedded", "--output=table"]);
    }
}
