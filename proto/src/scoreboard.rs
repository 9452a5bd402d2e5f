//! Standings: computed from runs alone ([`Compute`]), or of a stored contest ([`Get`]).

mod board;
mod rules;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use warren_rpc::{Effect, Method};

pub use self::{
    board::{Cell, Row},
    rules::{PenaltyPolicy, PenaltyType, Rules, ScoreMode},
};
use crate::{Decimal, grading::Verdict};

/// Computes a board from nothing but its request: the same request, the same board.
#[derive(Debug)]
pub struct Compute;

impl Method for Compute {
    const NAME: &'static str = "scoreboard.compute";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = 15 << 20;
    type Request = ComputeRequest;
    type Reply = ComputeReply;
}

/// What [`Compute`] takes. A board may take 15 MiB as well, which is estimated before it is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputeRequest {
    /// How runs become ranks.
    pub rules: Rules,
    /// Length of the contest, 1 ms to ten years: runs at or after it do not count.
    pub duration_ms: u64,
    /// From when on, since the start, the public sees tries and pending only, at most `duration_ms`; absent: never.
    #[serde(default)]
    pub freeze_ms: Option<u64>,
    /// For whom.
    pub audience: Audience,
    /// Problems in the board's order, at most 1,000, their ids distinct.
    pub problems: Vec<Problem>,
    /// Who takes part, at most 20,000, their ids distinct.
    pub contestants: Vec<Contestant>,
    /// Runs in any order, at most 100,000, their ids distinct.
    pub runs: Vec<Run>,
}

/// For whom a board is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Sees everything.
    Jury,
    /// Sees no verdict of the freeze.
    #[default]
    Public,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// Its id: 1 to 128 bytes without control characters; in a stored contest its name in grading.
    pub id: String,
    /// What it is worth by points, 0 to 1,000,000; absent: 100. The ICPC rule does not look at it.
    #[serde(default = "default_points")]
    pub points: Decimal,
}

fn default_points() -> Decimal {
    100.into()
}

/// Somebody who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contestant {
    /// Their id: 1 to 128 bytes without control characters.
    pub id: String,
    /// Their name, at most 512 bytes; absent: the id.
    #[serde(default)]
    pub name: Option<String>,
}

/// A submission as the board sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its id: 1 to 128 bytes without control characters.
    pub id: String,
    /// Whose.
    pub contestant: String,
    /// For which problem.
    pub problem: String,
    /// When, since the contest's start.
    pub time_ms: u64,
    /// What the judge said; absent: not judged yet.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Share of the problem's points, 0 to 1; absent: 1 for `AC`, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Decimal>,
    /// Share of the problem's points by group, each 0 to 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Decimal>,
    /// How long it ran, at most ten years.
    #[serde(default)]
    pub runtime_ms: u64,
    /// When its contestant first opened the problem, since the contest's start.
    #[serde(default)]
    pub opened_ms: u64,
}

/// What [`Compute`] answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputeReply {
    /// Rows by rank; those of equal rank by the contestant's id.
    pub rows: Vec<Row>,
}

/// Answers a stored contest's board as of now, of at most 1,000,000 runs.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "scoreboard.get";
    const EFFECT: Effect = Effect::Repeatable;
    const BODY_BYTES_MAX: usize = 15 << 20;
    type Request = GetRequest;
    type Reply = GetReply;
}

/// What [`Get`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The contest's id: 1 to 32 of `A-Z a-z 0-9 _ -`.
    pub contest: String,
    /// For whom; absent: the public.
    #[serde(default)]
    pub audience: Audience,
}

/// What [`Get`] answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GetReply {
    /// The contest's id.
    pub contest: String,
    /// Its name.
    pub title: String,
    /// Whether verdicts are hidden from the public now.
    pub frozen: bool,
    /// Rows by rank; those of equal rank by the contestant's id.
    pub rows: Vec<Row>,
}
