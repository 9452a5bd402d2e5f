//! The board that DOMjudge's own tests of its results start from: nine teams, ties, and teams that solved nothing.

use warren_proto::grading::Verdict;
use warren_scoreboard::compute;

use super::contests::{self, MINUTE_MS, cell, row};

/// A team, the problems that it solved at the first try with their minutes, and its place and penalty in the results.
///
/// From DOMjudge at `a023fd3e`, `webapp/tests/Unit/Fixtures/sample`; who has no place in its table solved nothing.
type Team = (&'static str, &'static [(&'static str, u64)], u32, u64);

const TEAMS: [Team; 9] = [
    ("A", &[("A", 1), ("B", 5), ("C", 10), ("D", 20)], 1, 36),
    ("B", &[("B", 2), ("C", 3)], 2, 5),
    ("C", &[("B", 2), ("C", 3)], 2, 5),
    ("D", &[("D", 12)], 4, 12),
    ("E", &[("D", 13)], 5, 13),
    ("F", &[("D", 14)], 6, 14),
    ("G", &[("D", 15)], 7, 15),
    ("H", &[], 8, 0),
    ("I", &[], 8, 0),
];

/// The problems and who solved them first.
const FIRST_TO_SOLVE: [(&str, &[&str]); 4] = [("A", &["A"]), ("B", &["B", "C"]), ("C", &["B", "C"]), ("D", &["D"])];

#[test]
fn the_sample_board_has_its_places_penalties_and_first_solvers() {
    let mut request = contests::contest(contests::ICPC, 300 * MINUTE_MS);
    request.problems = FIRST_TO_SOLVE.iter().map(|(label, _)| contests::problem(label)).collect();
    for (team, solved, ..) in TEAMS {
        request.contestants.push(contests::contestant(team));
        for (label, minute) in solved {
            let id = format!("{team}{label}");
            request.runs.push(contests::run(id, team, label, minute * MINUTE_MS, Verdict::Ac));
        }
    }

    let board = compute(&request).expect("a valid contest");
    for (team, solved, place, penalty) in TEAMS {
        let row = row(&board, team);
        assert_eq!((row.rank, row.solved as usize, row.penalty), (place, solved.len(), penalty), "{team}");
        for (label, firsts) in FIRST_TO_SOLVE {
            assert_eq!(cell(&board, team, label).first_to_solve, firsts.contains(&team), "{team} {label}");
        }
    }
}
