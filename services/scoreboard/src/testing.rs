//! Boards in few words, for the unit tests.

use std::fmt::Write as _;

use warren_proto::scoreboard::{
    Audience, Cell, ComputeReply, ComputeRequest, Contestant, PenaltyPolicy, PenaltyType, Problem, Rules, Run,
    ScoreMode,
};

use crate::compute;

pub(crate) const MINUTE_MS: u64 = 60_000;

pub(crate) const ICPC: Rules = Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false };

pub(crate) fn by_points(score_mode: ScoreMode) -> Rules {
    let (penalty_type, penalty_policy) = (PenaltyType::ContestStart, PenaltyPolicy::Sum);
    Rules::Points { score_mode, penalty_type, penalty_minutes: 0, penalty_policy }
}

/// The jury's request of a contest of five hours with the problems A, B and C (100 points each). A run is written
/// `CONTESTANT PROBLEM MINUTE VERDICT`, with `?` for none, then any of `score=`, `runtime=`, `opened=` (ms) and
/// `GROUP:SCORE`; its id is its place. Contestants are `t1` to `t4`.
pub(crate) fn contest(rules: Rules, runs: &[&str]) -> ComputeRequest {
    let problem = |id: &str| Problem { id: id.to_owned(), points: 100.into() };
    let contestant = |id: &str| Contestant { id: id.to_owned(), name: None };
    ComputeRequest {
        rules,
        duration_ms: 300 * MINUTE_MS,
        freeze_ms: None,
        audience: Audience::Jury,
        problems: ["A", "B", "C"].map(problem).into(),
        contestants: ["t1", "t2", "t3", "t4"].map(contestant).into(),
        runs: runs.iter().enumerate().map(|(index, text)| run(index, text)).collect(),
    }
}

fn run(index: usize, text: &str) -> Run {
    let mut words = text.split(' ');
    let mut word = || words.next().expect("CONTESTANT PROBLEM MINUTE VERDICT");
    let (contestant, problem, minute, verdict) = (word().to_owned(), word().to_owned(), word(), word());
    let verdict = (verdict != "?").then(|| serde_json::from_value(verdict.into()).expect("a verdict"));
    let time_ms = minute.parse::<u64>().expect("a minute") * MINUTE_MS;
    let mut run = Run {
        id: format!("r{index:03}"),
        contestant,
        problem,
        time_ms,
        verdict,
        score: None,
        groups: Default::default(),
        runtime_ms: 0,
        opened_ms: 0,
    };
    for word in words {
        match word.split_once(['=', ':']).expect("KEY=VALUE or GROUP:SCORE") {
            ("score", value) => run.score = Some(value.parse().expect("a score")),
            ("runtime", value) => run.runtime_ms = value.parse().expect("milliseconds"),
            ("opened", value) => run.opened_ms = value.parse().expect("milliseconds"),
            (group, value) => {
                run.groups.insert(group.to_owned(), value.parse().expect("a score"));
            }
        }
    }
    run
}

/// The board of the request, a line a row: rank, contestant, problems solved, penalty, points, and the cells that have
/// anything: `A[2t 1p @20 first 50]` is 2 tries, 1 pending, solved in minute 20 before all others, 50 points.
pub(crate) fn board(request: &ComputeRequest) -> String {
    let reply = compute(request).expect("a valid request");
    let mut text = String::new();
    for row in &reply.rows {
        write!(text, "{} {} solved {} penalty {}", row.rank, row.contestant, row.solved, row.penalty).unwrap();
        if row.points != 0.into() {
            write!(text, " points {}", row.points).unwrap();
        }
        for cell in &row.problems {
            text.push_str(&cell_text(cell));
        }
        text.push('\n');
    }
    text
}

fn cell_text(cell: &Cell) -> String {
    let mut words = Vec::new();
    if cell.tries > 0 {
        words.push(format!("{}t", cell.tries));
    }
    if cell.pending > 0 {
        words.push(format!("{}p", cell.pending));
    }
    assert_eq!(cell.solved, cell.time_ms.is_some());
    words.extend(cell.time_ms.map(|time_ms| format!("@{}", time_ms / MINUTE_MS)));
    if cell.first_to_solve {
        words.push("first".to_owned());
    }
    if cell.points != 0.into() {
        words.push(cell.points.to_string());
    }
    if words.is_empty() { String::new() } else { format!(" {}[{}]", cell.problem, words.join(" ")) }
}

/// The cell of a contestant and a problem.
pub(crate) fn cell<'a>(reply: &'a ComputeReply, contestant: &str, problem: &str) -> &'a Cell {
    let row = reply.rows.iter().find(|row| row.contestant == contestant).expect("a row");
    row.problems.iter().find(|cell| cell.problem == problem).expect("a cell")
}
