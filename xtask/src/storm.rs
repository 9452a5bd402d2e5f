//! `cargo xtask storm`: builds the storm (`xtask/storm`) and makes it. Its own arguments are passed on: `--seed N`,
//! `--rabbitmq 3|4|embedded`, `--calls N`, `--seconds N`, `-o json`.

use std::process::{Command, ExitCode};

use anyhow::Context;

use crate::{broker, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the storm takes: `--seed N`, and what `--help` behind `--` says
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    storm: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let flavour = arguments.storm.windows(2).find(|pair| pair[0] == "--rabbitmq").map(|pair| pair[1].as_str());
    match flavour {
        Some("3") => warren_debian::ensure(&warren_rabbitmq::missing_packages())?,
        Some("4") => broker::install_rabbitmq_4()?,
        _ => {}
    }
    // The whole workspace's build, which the tests have made already.
    let built = workspace::cargo().args(["build", "--workspace", "--bin", "warren-storm"]).status();
    anyhow::ensure!(built.context("cannot run cargo")?.success(), "the storm cannot be built");
    let program = workspace::target().join("debug/warren-storm");
    let status = Command::new(&program).arg("run").args(&arguments.storm).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
