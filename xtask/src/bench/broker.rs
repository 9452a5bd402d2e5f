//! `cargo xtask bench broker`: what the embedded broker must reach, beside RabbitMQ.
//!
//! Each part measures in turn, ours then RabbitMQ's, as often as `--runs` says; a row shows the median, and the least
//! and most. Both brokers are processes of their own, met over TCP by the same programs.

mod calls;
mod connections;
mod memory;
mod start;
mod throughput;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;
use tokio::runtime::Runtime;
use warren_rabbitmq::{Node, NodeOptions};

use super::program::Program;
use super::table::{Row, Verdict};
use super::{build, machine, page, peers, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The cargo workspace with the programs `raw` and `batched` [default: ../shared/peers beside the repository, if it
    /// is there]
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// How often each speed is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=25))]
    runs: u8,
    /// Measure this part alone; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Write the table into docs/benchmarks.md
    #[arg(long, conflicts_with = "only")]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How soon a connection is accepted
    Start,
    /// Calls by the peers' programs
    Calls,
    /// Publish, deliver and ack through one queue
    Throughput,
    /// Ten thousand idle connections
    Connections,
    /// Resident memory, idle and with a million messages: last, because a RabbitMQ that was full is slower
    Memory,
}

/// What every part needs.
struct Bench {
    /// The folder of our programs.
    examples: PathBuf,
    /// The folder of the peers' programs.
    peers: Option<PathBuf>,
    runs: u8,
    runtime: Runtime,
    node: Node,
    /// How long RabbitMQ took until it talked AMQP, in milliseconds.
    node_start_ms: f64,
    /// Its resident memory before anybody used it.
    node_idle_mib: f64,
}

/// The embedded broker in a process of its own.
struct Listening {
    program: Program,
    url: String,
}

impl Bench {
    fn new(arguments: &Arguments) -> anyhow::Result<Bench> {
        warren_debian::ensure(&warren_rabbitmq::missing_packages())?;
        let examples = build::examples("warren-broker")?;
        let peers = peers::directory(arguments.peers.as_deref())?;
        let peers = peers.map(|directory| build::programs(&directory, &["raw", "batched"])).transpose()?;
        let runtime = Runtime::new()?;
        let began = Instant::now();
        let node = runtime.block_on(Node::start(NodeOptions::default()))?;
        let node_start_ms = began.elapsed().as_secs_f64() * 1e3;
        let node_idle_mib = resident_mib(&runtime, &node)?;
        Ok(Bench { examples, peers, runs: arguments.runs, runtime, node, node_start_ms, node_idle_mib })
    }

    fn listen(&self) -> anyhow::Result<Listening> {
        let program = Program::start(&self.examples, "listen", &[])?;
        let url = program.line()?;
        Ok(Listening { program, url })
    }

    fn node_resident_mib(&self) -> anyhow::Result<f64> {
        resident_mib(&self.runtime, &self.node)
    }

    fn measure(&self, part: Part) -> anyhow::Result<Vec<Row>> {
        eprintln!("bench: {}", part.to_possible_value().expect("no part is hidden").get_name());
        match part {
            Part::Start => start::measure(self),
            Part::Calls => calls::measure(self),
            Part::Throughput => throughput::measure(self),
            Part::Connections => connections::measure(self),
            Part::Memory => memory::measure(self),
        }
    }
}

fn resident_mib(runtime: &Runtime, node: &Node) -> anyhow::Result<f64> {
    let id = runtime.block_on(node.process_id()).context("RabbitMQ is running")?;
    super::program::resident_mib(id)
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let load = machine::load();
    let bench = Bench::new(arguments)?;
    let all = Part::value_variants();
    let mut rows = Vec::new();
    for part in all.iter().filter(|part| arguments.only.is_empty() || arguments.only.contains(part)) {
        rows.extend(bench.measure(*part)?);
    }
    let version = bench.runtime.block_on(bench.node.ctl(&["version"]))?;
    bench.runtime.block_on(bench.node.stop())?;
    let text = report(&rows, version.trim(), bench.runs, &load);
    println!("{text}");
    if arguments.write {
        page::write("broker", &text)?;
    }
    let reached = rows.iter().all(|row| row.verdict != Verdict::Missed);
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(rows: &[Row], version: &str, runs: u8, load: &str) -> String {
    let table = table::markdown(["embedded", &format!("RabbitMQ {version}")], rows);
    format!(
        "## The embedded broker beside RabbitMQ\n\n\
         `cargo xtask bench broker --runs {runs} --write`. Speeds are medians of {runs} runs in turn, with the least \
         and most of them; both brokers are processes of their own on loopback, clients included in the machine's \
         load.\n\n\
         {}; load before the build: {load}.\n\n{table}",
        machine::describe()
    )
}
