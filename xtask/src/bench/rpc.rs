//! `cargo xtask bench rpc`: what calls must reach, on a RabbitMQ of its own, beside lapin by hand and other libraries.
//!
//! Each part measures in turn, ours and then each peer, as often as `--runs` says; a row shows the median, and the
//! least and most. What is compared makes the same calls: `warren bench echo` and the peers' programs have client and
//! server in one process and print the same line of JSON. The memory of a client is measured by
//! `rpc-core/examples/memory`.

mod alone;
mod compare;
mod contestants;
mod in_flight;
mod instances;
mod many;
mod memory;
mod once;
mod prefetch;
mod rates;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use tokio::runtime::Runtime;
use warren_rabbitmq::{Node, NodeOptions};

use self::contestants::Peers;
use super::chart::{self, Bar};
use super::table::{Row, Verdict};
use super::{build, machine, page, table};
use crate::broker;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The cargo workspace with the peers' programs [default: ../shared/peers beside the repository, if it is there]
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// How often each figure is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=25))]
    runs: u8,
    /// Which RabbitMQ: 3 is the one that Debian installs, 4 is Debian trixie's (root only)
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(3..=4))]
    rabbitmq: u8,
    /// Measure this part alone; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// A twentieth of the calls: to see that every part runs, for the figures say little
    #[arg(long)]
    quick: bool,
    /// Write the table into docs/benchmarks.md, and its chart beside it
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    write: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Calls a second and their cost, 64 in flight, beside every peer
    Rates,
    /// One call in flight: its latency
    Alone,
    /// One instance with prefetch 1
    Prefetch,
    /// A `Once` method: quorum queue, replies in SQLite
    Once,
    /// Handlers that sleep: 16 instances beside one
    Instances,
    /// Memory of a client with 10,000 calls in flight, and after them
    InFlight,
    /// Memory of a client over a million calls
    Many,
}

/// What every part needs.
struct Bench {
    /// The folder of the `warren` program.
    warren: PathBuf,
    /// The folder of our other programs.
    examples: PathBuf,
    peers: Peers,
    runs: u8,
    is_quick: bool,
    url: String,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    rows: Vec<Row>,
    /// Calls a second with 64 in flight, of all who make them.
    bars: Vec<Bar>,
}

impl Bench {
    fn new(arguments: &Arguments, url: String) -> anyhow::Result<Bench> {
        Ok(Bench {
            warren: build::program("warren")?,
            examples: build::example("warren-rpc", "memory")?,
            peers: Peers::build(arguments.peers.as_deref())?,
            runs: arguments.runs,
            is_quick: arguments.quick,
            url,
        })
    }

    /// As many as that, or fewer if it is to be quick.
    fn calls(&self, calls: u32) -> u32 {
        if self.is_quick { calls / 20 } else { calls }
    }

    fn measure(&self, part: Part, measured: &mut Measured) -> anyhow::Result<()> {
        eprintln!("bench: {}", part.to_possible_value().expect("no part is hidden").get_name());
        let rows = match part {
            Part::Rates => {
                let (rows, bars) = rates::measure(self)?;
                measured.bars = bars;
                rows
            }
            Part::Alone => alone::measure(self)?,
            Part::Prefetch => prefetch::measure(self)?,
            Part::Once => once::measure(self)?,
            Part::Instances => instances::measure(self)?,
            Part::InFlight => in_flight::measure(self)?,
            Part::Many => many::measure(self)?,
        };
        measured.rows.extend(rows);
        Ok(())
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let load = machine::load();
    let flavour = broker::installed(arguments.rabbitmq)?;
    let runtime = Runtime::new()?;
    let node = runtime.block_on(Node::start(NodeOptions { flavour, ..NodeOptions::default() }))?;
    let bench = Bench::new(arguments, node.url())?;
    let mut measured = Measured::default();
    let all = Part::value_variants().iter();
    for part in all.filter(|part| arguments.only.is_empty() || arguments.only.contains(part)) {
        bench.measure(*part, &mut measured)?;
    }
    let version = runtime.block_on(node.ctl(&["version"]))?.trim().to_owned();
    runtime.block_on(node.stop())?;
    let chart = format!("benchmarks-rpc-{}.svg", arguments.rabbitmq);
    let text = report(&measured, arguments, [&version, &load, &chart]);
    println!("{text}");
    if arguments.write {
        page::write_beside(&chart, &drawn(&measured.bars, &version, bench.runs))?;
        page::write(&format!("rpc-{}", arguments.rabbitmq), &text)?;
    }
    let reached = measured.rows.iter().all(|row| row.verdict != Verdict::Missed);
    Ok(if reached { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn drawn(bars: &[Bar], version: &str, runs: u8) -> String {
    let title = format!("Calls a second on RabbitMQ {version}");
    let subtitle =
        format!("Echo of 256 bytes, 64 calls in flight: the median of {runs} runs in turn; lines show least and most");
    chart::svg(&title, &subtitle, bars)
}

fn report(measured: &Measured, arguments: &Arguments, [version, load, chart]: [&str; 3]) -> String {
    let Arguments { runs, rabbitmq, .. } = arguments;
    let picture = format!("![Calls a second of Warren and others]({chart})\n\n");
    let picture = if measured.bars.is_empty() { String::new() } else { picture };
    let table = table::markdown(["Warren", "beside it"], &measured.rows);
    format!(
        "## Calls beside lapin by hand and other libraries, on RabbitMQ {version}\n\n\
         `cargo xtask bench rpc --rabbitmq {rabbitmq} --runs {runs} --write`. An echo of 256 bytes, prefetch 256 where \
         nothing else is said, client and service in one process, each with a connection, and in a \
         session of its own beside the broker's; figures are medians of {runs} runs in turn, with the least and most \
         of them. Of Warren every reply is confirmed before its request \
         is acked, and every request is confirmed and mandatory; `raw` and `batched` confirm nothing.\n\n\
         {}; load before the build: {load}.\n\n\
         {picture}{table}",
        machine::describe()
    )
}
