//! What a board shows.

use serde::{Deserialize, Serialize};

use crate::Decimal;

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
