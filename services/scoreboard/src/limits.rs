//! What a contest may be at most, so that a board is computed at once and fits a message.

use warren_proto::scoreboard::{Compute, Contestant, Problem};
use warren_rpc::Method;

/// Most runs of a request.
pub(crate) const RUNS_MAX: usize = 100_000;

/// Most runs that a stored contest's board is computed from: they come from the store, not in a message.
pub(crate) const STORED_RUNS_MAX: usize = 1_000_000;

/// Most contestants.
pub(crate) const CONTESTANTS_MAX: usize = 20_000;

/// Most problems.
pub(crate) const PROBLEMS_MAX: usize = 1_000;

/// Most bytes of a stored contest as JSON, so that it can be answered as it was put.
pub(crate) const CONTEST_BYTES_MAX: usize = warren_proto::contests::CONTEST_BYTES_MAX - (64 << 10);

/// Most bytes of a contestant's name.
pub(crate) const NAME_BYTES_MAX: usize = 512;

/// Most points that a problem may be worth.
pub(crate) const POINTS_MAX: i64 = 1_000_000;

/// Longest contest and longest run: ten years. With the other limits no penalty comes near 2^53, which is where JSON
/// readers that know only floats would start to round.
pub(crate) const SPAN_MS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

/// Most minutes for a rejection.
pub(crate) const PENALTY_MINUTES_MAX: u64 = 1_000_000;

/// Most bytes of a board: a reply's limit, less some for what surrounds the rows.
pub(crate) const BOARD_BYTES_MAX: usize = Compute::BODY_BYTES_MAX - (64 << 10);

/// Most bytes of a cell as JSON, without its problem's id: field names, punctuation and the longest numbers.
const CELL_BYTES: usize = 128;

/// Most bytes of a row as JSON, without its contestant's id and its cells.
const ROW_BYTES: usize = 128;

/// How many bytes a board has at most. JSON is the longer codec; an id has no control characters, so it is at most
/// doubled by escapes.
pub(crate) fn board_bytes_max(contestants: &[Contestant], problems: &[Problem]) -> usize {
    let cells: usize = problems.iter().map(|problem| CELL_BYTES + 2 * problem.id.len()).sum();
    contestants.iter().map(|contestant| ROW_BYTES + 2 * contestant.id.len() + cells).sum()
}

#[cfg(test)]
mod tests {
    use warren_host::ids::PERSON_BYTES_MAX;
    use warren_proto::scoreboard::{Cell, Row};

    use super::*;

    #[test]
    fn no_board_is_longer_than_its_estimate() {
        let id = "\"".repeat(PERSON_BYTES_MAX);
        let cell = Cell {
            problem: id.clone(),
            tries: STORED_RUNS_MAX as u32,
            pending: STORED_RUNS_MAX as u32,
            solved: false,
            time_ms: Some(SPAN_MS_MAX),
            points: "999999.99".parse().unwrap(),
            first_to_solve: false,
        };
        let row = Row {
            rank: CONTESTANTS_MAX as u32,
            contestant: id.clone(),
            solved: PROBLEMS_MAX as u32,
            penalty: 1 << 53,
            points: "999999999.99".parse().unwrap(),
            problems: vec![cell; 2],
        };
        let problem = Problem { id: id.clone(), points: 1.into() };
        let estimate = board_bytes_max(&[Contestant { id, name: None }], &[problem.clone(), problem]);
        let json = serde_json::to_string(&row).unwrap().len();
        assert!(json < estimate, "{json} bytes, estimated as {estimate}");
    }
}
