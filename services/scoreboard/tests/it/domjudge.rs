//! DOMjudge's sample contest: nine teams, ties, and the table of results that DOMjudge makes of them.

use std::collections::BTreeMap;

use serde_json::Value;
use warren_proto::grading::Verdict;
use warren_scoreboard::compute;

use crate::data::{self, MINUTE_MS, cell, row};

#[test]
fn the_sample_board_has_its_solved_times_penalties_and_first_solvers() {
    let (Some(board), Some(problems)) =
        (data::read("clics/sample-scoreboard.json"), data::read("clics/sample-problems.json"))
    else {
        return;
    };
    let expected: Value = serde_json::from_str(&board).expect("JSON");
    let problems: Vec<Value> = serde_json::from_str(&problems).expect("JSON");
    let mut request = data::contest(data::ICPC, 300 * MINUTE_MS);
    request.problems = problems.iter().map(|problem| data::problem(problem["label"].as_str().unwrap())).collect();
    let rows = expected["rows"].as_array().expect("rows");
    for team in rows {
        let id = team["team_id"].as_str().unwrap();
        request.contestants.push(data::contestant(id));
        for solved in team["problems"].as_array().unwrap().iter().filter(|cell| cell["solved"] == true) {
            assert_eq!(solved["num_judged"], 1);
            let (label, minute) = (solved["label"].as_str().unwrap(), solved["time"].as_u64().unwrap());
            request.runs.push(data::run(format!("{id}{label}"), id, label, minute * MINUTE_MS, Verdict::Ac));
        }
    }

    let board = compute(&request).expect("a valid contest");
    for team in rows {
        let id = team["team_id"].as_str().unwrap();
        assert_eq!(row(&board, id).penalty, team["score"]["total_time"].as_u64().unwrap(), "{id}");
        for expected in team["problems"].as_array().unwrap() {
            let ours = cell(&board, id, expected["label"].as_str().unwrap());
            assert_eq!(
                ours.first_to_solve,
                expected["first_to_solve"].as_bool().unwrap_or_default(),
                "{id} {expected}"
            );
        }
    }
    compare_with_results(&board);
}

/// The table has the rank, problems solved and penalty of each team by its ICPC id; none for those who solved nothing.
fn compare_with_results(board: &warren_proto::scoreboard::ComputeReply) {
    let teams = data::read("clics/sample-teams.json").expect("the folder is there");
    let teams: Vec<Value> = serde_json::from_str(&teams).expect("JSON");
    let by_icpc_id: BTreeMap<_, _> = teams.iter().map(|team| (team["icpc_id"].as_str(), team["id"].as_str())).collect();
    let results = data::read("clics/expected-results-full-ranked.tsv").expect("the folder is there");
    let mut teams_seen = 0;
    for line in results.lines().skip(1) {
        let fields: Vec<_> = line.split('\t').collect();
        let row = row(board, by_icpc_id[&Some(fields[0])].expect("an id"));
        assert_eq!((row.solved.to_string().as_str(), row.penalty.to_string().as_str()), (fields[3], fields[4]));
        if !fields[1].is_empty() {
            assert_eq!(row.rank.to_string(), fields[1], "{line}");
        }
        teams_seen += 1;
    }
    assert_eq!(teams_seen, 9);
}
