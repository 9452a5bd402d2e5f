//! How runs become ranks.

use serde::{Deserialize, Serialize};

/// How runs become ranks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Rules {
    /// Problems solved, then penalty, then the minute of the last accepted run.
    Icpc {
        /// Minutes for each counted rejection before the first accepted run, at most 1,000,000; absent: 20.
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
        /// What each earlier run adds to a run's penalty, in the unit of its type; at most 1,000,000.
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
    /// Whole minutes since the contestant opened the problem ([`Run::opened_ms`](super::Run::opened_ms)). Not in a
    /// stored contest: grading does not record it.
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
