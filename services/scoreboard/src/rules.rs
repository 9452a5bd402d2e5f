//! How runs become cells, and cells become a row: the part in which contests differ.

pub(crate) mod icpc;
pub(crate) mod points;

use crate::freeze::SeenRun;

const MINUTE_MS: u64 = 60_000;

/// A contest's rule. Runs arrive in the order of their times (then ids), whoever they are of.
pub(crate) trait Scoring<'a> {
    /// What is known so far of a contestant's work on a problem.
    type Cell: Clone + Default;

    /// Orders rows: the least comes first, equals share a rank.
    type Standing: Ord;

    /// Takes a run into its cell.
    fn count(&self, cell: &mut Self::Cell, run: &SeenRun<'a>);

    /// What the board shows of a cell.
    fn summary(&self, cell: &Self::Cell) -> CellSummary;

    /// What the board shows of a row.
    fn total(&self, cells: &[Self::Cell]) -> Total<Self::Standing>;
}

/// What the board shows of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CellSummary {
    pub(crate) tries: u32,
    pub(crate) pending: u32,
    /// When it was solved, since the contest's start.
    pub(crate) solved_at_ms: Option<u64>,
    /// Hundredths of a point.
    pub(crate) points_hundredths: u64,
}

/// What the board shows of a row, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Total<Standing> {
    pub(crate) standing: Standing,
    pub(crate) solved: u32,
    pub(crate) penalty: u64,
    /// Hundredths of a point.
    pub(crate) points_hundredths: u64,
}

/// Whole minutes of a span, as boards count them: 59.999 s are 0.
fn minutes(span_ms: u64) -> u64 {
    span_ms / MINUTE_MS
}
