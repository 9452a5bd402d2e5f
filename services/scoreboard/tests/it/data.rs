//! Real contests, which lie beside the repository where they are at hand.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
};

use warren_proto::{
    grading::Verdict,
    scoreboard::{Audience, Cell, ComputeReply, ComputeRequest, Contestant, Problem, Row, Rules, Run},
};

pub(crate) const MINUTE_MS: u64 = 60_000;

pub(crate) const ICPC: Rules = Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false };

/// The text of a file of the data folder. Without the folder nothing, said loudly.
///
/// # Panics
///
/// If the folder is there and the file is not, or cannot be read: then the test would check nothing unnoticed.
pub(crate) fn read(file: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        // Not `eprintln!`, which the test harness would keep to itself.
        let _ = writeln!(io::stderr(), "SKIPPED: {file} is not checked, for there is no folder {}", folder.display());
        return None;
    }
    let path = folder.join(file);
    Some(fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// A contest without runs, for the jury.
pub(crate) fn contest(rules: Rules, duration_ms: u64) -> ComputeRequest {
    let (problems, contestants, runs) = (vec![], vec![], vec![]);
    ComputeRequest { rules, duration_ms, freeze_ms: None, audience: Audience::Jury, problems, contestants, runs }
}

pub(crate) fn problem(id: &str) -> Problem {
    Problem { id: id.to_owned(), points: 100.into() }
}

pub(crate) fn contestant(id: &str) -> Contestant {
    Contestant { id: id.to_owned(), name: None }
}

pub(crate) fn run(id: impl Into<String>, contestant: &str, problem: &str, time_ms: u64, verdict: Verdict) -> Run {
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

pub(crate) fn row<'a>(board: &'a ComputeReply, contestant: &str) -> &'a Row {
    board.rows.iter().find(|row| row.contestant == contestant).expect("a row for each contestant")
}

pub(crate) fn cell<'a>(board: &'a ComputeReply, contestant: &str, problem: &str) -> &'a Cell {
    let cells = &row(board, contestant).problems;
    cells.iter().find(|cell| cell.problem == problem).expect("a cell for each problem")
}
