//! Who makes the calls, ours and the peers, and one run of each.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use super::super::program::whole_result_of;
use super::super::series::Series;
use super::super::{build, peers};
use super::Bench;

/// A program of others that makes the same calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Peer {
    /// As tables call it.
    pub(super) name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// How many calls show its speed: fewer for the slow.
    pub(super) calls: u32,
}

pub(super) const RAW: Peer = Peer { name: "raw", program: "raw", arguments: &[], calls: 40_000 };
pub(super) const BATCHED: Peer = Peer { name: "batched", program: "batched", arguments: &[], calls: 40_000 };
pub(super) const CONFIRMED: Peer =
    Peer { name: "confirmed --contract", program: "confirmed", arguments: &["--contract"], calls: 40_000 };
pub(super) const KANIN: Peer = Peer { name: "kanin", program: "kanin", arguments: &[], calls: 40_000 };
pub(super) const RUSTSTREAM: Peer =
    Peer { name: "ruststream-lapin", program: "ruststream", arguments: &[], calls: 20_000 };
const ALL: [Peer; 5] = [RAW, BATCHED, CONFIRMED, KANIN, RUSTSTREAM];

/// What a run is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) calls: u32,
    pub(super) in_flight: u16,
    pub(super) prefetch: u16,
}

/// What a run measured.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Figures {
    pub(super) calls_per_s: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) cpu_us_per_call: f64,
}

/// Runs of a peer; or why there are none.
type Runs = Result<Vec<Figures>, String>;

/// The same load by ours and by peers, in turn.
pub(super) struct Turns {
    ours: Vec<Figures>,
    theirs: Vec<Runs>,
}

impl Turns {
    /// One figure of ours.
    pub(super) fn ours(&self, figure: fn(&Figures) -> f64) -> Series {
        self.ours.iter().map(figure).collect()
    }

    /// The same of a peer, by its place.
    pub(super) fn theirs(&self, peer: usize, figure: fn(&Figures) -> f64) -> Result<Series, String> {
        self.theirs[peer].as_ref().map(|runs| runs.iter().map(figure).collect()).map_err(Clone::clone)
    }
}

/// The peers' programs: where they are, or why they are not.
pub(super) struct Peers(Vec<(Peer, Result<PathBuf, String>)>);

impl Peers {
    pub(super) fn build(given: Option<&Path>) -> anyhow::Result<Peers> {
        let directory = peers::directory(given)?;
        let built = |peer: &Peer| {
            let directory = directory.as_ref().ok_or("no peers: give their workspace with --peers")?;
            build::programs(directory, &[peer.program]).map_err(|_| format!("{} cannot be built", peer.program))
        };
        Ok(Peers(ALL.iter().map(|peer| (*peer, built(peer))).collect()))
    }

    fn folder(&self, peer: Peer) -> Result<PathBuf, String> {
        let known = self.0.iter().find(|(known, _)| *known == peer);
        known.map_or_else(|| Err(format!("{} is unknown", peer.name)), |(_, folder)| folder.clone())
    }
}

impl Bench {
    /// Ours and then each peer, once a turn. A peer that fails once is left out of all turns, out loud.
    pub(super) fn in_turn(&self, load: Load, peers: &[Peer]) -> anyhow::Result<Turns> {
        let mut ours = Vec::new();
        let mut theirs: Vec<Runs> = vec![Ok(Vec::new()); peers.len()];
        for _ in 0..self.runs {
            ours.push(self.ours(load, &[])?);
            for (peer, runs) in peers.iter().zip(&mut theirs) {
                let Ok(figures) = runs else { continue };
                match self.theirs(*peer, load) {
                    Ok(measured) => figures.push(measured),
                    Err(why) => {
                        eprintln!("bench: {} is skipped: {why}", peer.name);
                        *runs = Err(why);
                    }
                }
            }
        }
        Ok(Turns { ours, theirs })
    }

    /// One run of ours, with more arguments.
    pub(super) fn ours(&self, load: Load, more: &[&str]) -> anyhow::Result<Figures> {
        let numbers = numbers(load);
        let mut arguments = vec!["--url", &self.url, "bench", "echo", "-o", "json"];
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.extend(more);
        figures("warren", &whole_result_of(&self.warren, "warren", &arguments)?)
    }

    fn theirs(&self, peer: Peer, load: Load) -> Result<Figures, String> {
        let folder = self.peers.folder(peer)?;
        let numbers = numbers(Load { calls: load.calls.min(self.calls(peer.calls)), ..load });
        let mut arguments = vec!["--url", &self.url];
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.extend(peer.arguments);
        let line = whole_result_of(&folder, peer.program, &arguments);
        line.and_then(|line| figures(peer.program, &line)).map_err(|error| format!("{error:#}"))
    }
}

fn numbers(Load { calls, in_flight, prefetch }: Load) -> Vec<String> {
    let named = [("calls", calls), ("inflight", in_flight.into()), ("payload", 256), ("prefetch", prefetch.into())];
    named.iter().map(|(name, value)| format!("--{name}={value}")).collect()
}

fn figures(program: &str, line: &str) -> anyhow::Result<Figures> {
    serde_json::from_str(line).with_context(|| format!("{program} printed {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_program_becomes_figures() {
        let line = r#"{"peer":"warren","calls":100,"inflight":64,"payload":256,"calls_per_s":45000.0,"p50_us":1400,
            "p99_us":3000,"p999_us":4000,"cpu_us_per_call":21.5}"#;
        let figures = figures("warren", line).unwrap();
        assert_eq!((figures.calls_per_s, figures.p50_us, figures.cpu_us_per_call), (45_000.0, 1_400.0, 21.5));
        assert!(super::figures("warren", "error: no broker").unwrap_err().to_string().contains("no broker"));
    }

    #[test]
    fn a_load_is_told_as_the_programs_take_it() {
        let load = Load { calls: 5_000, in_flight: 1, prefetch: 256 };
        assert_eq!(numbers(load), ["--calls=5000", "--inflight=1", "--payload=256", "--prefetch=256"]);
    }
}
