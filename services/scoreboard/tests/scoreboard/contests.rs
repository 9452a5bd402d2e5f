//! Contests to compute boards of, and how to find a cell on them.

use std::{fs, path::Path};

use warren_proto::{
    grading::Verdict,
    scoreboard::{Audience, Cell, ComputeReply, ComputeRequest, Contestant, Problem, Row, Rules, Run},
};

pub(super) const MINUTE_MS: u64 = 60_000;

pub(super) const ICPC: Rules = Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false };

/// The text of a file of `tests/data`; `SOURCES.md` there says where each is from.
pub(super) fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A contest without runs, for the jury.
pub(super) fn contest(rules: Rules, duration_ms: u64) -> ComputeRequest {
    let (problems, contestants, runs) = (vec![], vec![], vec![]);
    ComputeRequest { rules, duration_ms, freeze_ms: None, audience: Audience::Jury, problems, contestants, runs }
}

pub(super) fn problem(id: &str) -> Problem {
    Problem { id: id.to_owned(), points: 100.into() }
}

pub(super) fn contestant(id: &str) -> Contestant {
    Contestant { id: id.to_owned(), name: None }
}

pub(super) fn run(id: impl Into<String>, contestant: &str, problem: &str, time_ms: u64, verdict: Verdict) -> Run {
    Run {
        id: id.into(),
        contestant: contestant.to_owned(),
        problem: problem.to_owned(),
        time_ms,
        verdict: Some(verdict),
        score: None,
        groups: Default::default(),
        runtime_ms: 0,
        opened_ms: 0,
    }
}

pub(super) fn row<'a>(board: &'a ComputeReply, contestant: &str) -> &'a Row {
    board.rows.iter().find(|row| row.contestant == contestant).expect("a row for each contestant")
}

pub(super) fn cell<'a>(board: &'a ComputeReply, contestant: &str, problem: &str) -> &'a Cell {
    let cells = &row(board, contestant).problems;
    cells.iter().find(|cell| cell.problem == problem).expect("a cell for each problem")
}
