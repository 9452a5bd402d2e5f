//! Standings: computed from runs alone ([`Compute`]), or of a stored contest ([`Get`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use warren_rpc::Method;

use crate::{Decimal, grading::Verdict};

/// Computes a board from nothing but its request: the same request, the same board.
#[derive(Debug)]
pub struct Compute;

impl Method for Compute {
    const NAME: &'static str = "scoreboard.compute";
    const BODY_BYTES_MAX: usize = 15 << 20;
    type Request = ComputeRequest;
    type Reply = ComputeReply;
}

/// What [`Compute`] takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputeRequest {
    /// How runs become ranks.
    pub rules: Rules,
    /// Length of the contest: runs at or after it do not count.
    pub duration_ms: u64,
    /// From when on the public sees tries and pending only; absent: never.
    #[serde(default)]
    pub freeze_ms: Option<u64>,
    /// For whom.
    pub audience: Audience,
    /// Problems in the board's order.
    pub problems: Vec<Problem>,
    /// Who takes part.
    pub contestants: Vec<Contestant>,
    /// Runs in any order.
    pub runs: Vec<Run>,
}

/// How runs become ranks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Rules {
    /// Problems solved, then penalty, then the minute of the last accepted run.
    Icpc {
        /// Minutes for each counted rejection before the first accepted run.
        #[serde(default = "default_icpc_penalty_minutes")]
        penalty_minutes: u64,
        /// Whether `CE` counts as a rejection.
        #[serde(default)]
        penalize_compile_errors: bool,
    },
    /// Points, then penalty (omegaUp's rules).
    Points {
        /// Which runs make a cell.
        score_mode: ScoreMode,
        /// What a run costs.
        #[serde(default)]
        penalty_type: PenaltyType,
        /// What each earlier run adds to a run's penalty, in the unit of its type.
        #[serde(default)]
        penalty_minutes: u64,
        /// How a row's penalty comes from its cells'.
        #[serde(default)]
        penalty_policy: PenaltyPolicy,
    },
}

fn default_icpc_penalty_minutes() -> u64 {
    20
}

/// Which runs make a cell of a board by points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreMode {
    /// The best run.
    Partial,
    /// The best run, which has all points or none.
    AllOrNothing,
    /// The best of each group over all runs.
    MaxPerGroup,
}

/// What a run costs on a board by points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PenaltyType {
    /// Nothing.
    #[default]
    None,
    /// Its run time in ms.
    Runtime,
    /// Whole minutes since the contest's start.
    ContestStart,
    /// Whole minutes since the contestant opened the problem ([`Run::opened_ms`]).
    ProblemOpen,
}

/// How a row's penalty comes from its cells'.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PenaltyPolicy {
    /// All together.
    #[default]
    Sum,
    /// The largest.
    Max,
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
    /// Its id.
    pub id: String,
    /// What it is worth by points; absent: 100. The ICPC rule does not look at it.
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
    /// Their id.
    pub id: String,
    /// Their name; absent: the id.
    #[serde(default)]
    pub name: Option<String>,
}

/// A submission as the board sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its id.
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
    /// Share of the problem's points by group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Decimal>,
    /// How long it ran.
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

/// A contestant's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// 1, 2, 2, 4: equals share a rank.
    pub rank: u32,
    /// Whose.
    pub contestant: String,
    /// Problems solved.
    pub solved: u32,
    /// Minutes (ICPC), or the unit of the penalty type.
    pub penalty: u64,
    /// Points, to 2 decimals; 0 under the ICPC rule.
    pub points: Decimal,
    /// Cells in the order of the problems.
    pub problems: Vec<Cell>,
}

/// What a contestant made of a problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Which.
    pub problem: String,
    /// Counted runs: up to the first accepted (ICPC), all (points).
    pub tries: u32,
    /// Runs without a verdict that this audience may see.
    pub pending: u32,
    /// Whether it is solved (all points).
    pub solved: bool,
    /// When it was solved, since the contest's start.
    pub time_ms: Option<u64>,
    /// Points, to 2 decimals; 0 under the ICPC rule.
    pub points: Decimal,
    /// Whether nobody solved it before, and no earlier run is still unjudged.
    pub first_to_solve: bool,
}

/// Answers a stored contest's board as of now.
#[derive(Debug)]
pub struct Get;

impl Method for Get {
    const NAME: &'static str = "scoreboard.get";
    const BODY_BYTES_MAX: usize = 15 << 20;
    type Request = GetRequest;
    type Reply = GetReply;
}

/// What [`Get`] takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRequest {
    /// The contest's id.
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
