//! `cargo xtask test`: everything that must pass. Cheap steps first; all of them run, and the summary names what
//! failed.
//!
//! Clippy and `cargo doc` share their build of the dependencies, the tests and their documentation theirs.

mod node;
mod python;
mod report;
mod steps;
mod tally;

use std::process::ExitCode;

use anyhow::Context;

use crate::{broker, tidy, workspace};
use report::Report;
use steps::Step;
use tally::Tally;

/// What the tests of all crates need beside Rust.
const PACKAGES: [&str; 9] =
    ["bubblewrap", "g++", "gcc", "iproute2", "poppler-utils", "procps", "python3", "python3-venv", "rabbitmq-server"];

/// The library's suite, and that of processes that are killed: on the embedded broker unless told otherwise.
const RPC: &[&str] = &["--test", "rpc", "--test", "faults"];
/// The broker's, which runs on the embedded broker and on RabbitMQ 3 in one.
const BROKER: &[&str] = &["--test", "broker"];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Also run what takes minutes: the tests marked `ignore`, and the library's and the broker's on RabbitMQ 4 (root
    /// only)
    #[arg(long)]
    long: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    warren_debian::ensure(&[&PACKAGES[..], node::packages()].concat())?;
    if arguments.long {
        broker::install_rabbitmq_4()?;
    }
    let skipped_file = workspace::target().join("skipped-tests");
    std::fs::create_dir_all(workspace::target()).context("cannot make the target directory")?;
    std::fs::write(&skipped_file, "").with_context(|| format!("cannot write {}", skipped_file.display()))?;

    let mut report = Report::default();
    report.step("format", || steps::cargo(&["fmt", "--all", "--check"]).run());
    report.step("tidy", || tidy::check(workspace::root()));
    report
        .step("clippy", || steps::cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]).run());
    report.step("documentation", || {
        steps::cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings").run()
    });
    let python = report.optional_step("python packages", python::environment);
    let node_modules = report.optional_step("node packages", node::modules);

    let mut environment = vec![(warren_debian::SKIPPED_FILE, skipped_file.clone())];
    environment.extend(python.map(|python| ("WARREN_PYTHON", python)));
    environment.extend(node_modules.map(|modules| ("WARREN_NODE_MODULES", modules)));

    let mut tally = Tally::default();
    let tests = test_step(arguments.long).envs(&environment);
    if !report.step("tests", || tests.run_and_read(|line| tally.read(line))) {
        // What did not compile, or was killed, prints no result.
        tally.failed = tally.failed.max(1);
    }
    report.step("the library on RabbitMQ 3", || {
        on_rabbitmq("3", RPC).envs(&environment).run_and_read(|line| tally.read(line))
    });
    if arguments.long {
        let suites = [RPC, BROKER].concat();
        report.step("library and broker suite on RabbitMQ 4", || {
            on_rabbitmq("4", &suites).envs(&environment).run_and_read(|line| tally.read(line))
        });
    }
    tally.skipped = std::fs::read_to_string(&skipped_file)?.lines().map(str::to_owned).collect();
    Ok(report.finish(&tally, is_ci()))
}

fn test_step(long: bool) -> Step {
    let step = steps::cargo(&["test", "--workspace", "--no-fail-fast"]);
    if long { step.arguments(&["--", "--include-ignored"]) } else { step }
}

/// What the suites promise on the embedded broker, they promise on this RabbitMQ.
fn on_rabbitmq(version: &str, suites: &[&str]) -> Step {
    // The whole workspace, so that its build is the one that is there.
    steps::cargo(&["test", "--workspace", "--no-fail-fast"])
        .arguments(suites)
        .env(warren_rabbitmq::RABBITMQ_VERSION, version)
}

/// Whether a machine runs this: a test that skips itself is a failure then.
fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}
