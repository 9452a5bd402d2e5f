//! What omegaUp's own tests expect of its scoreboard.

use serde_json::Value;
use warren_proto::{
    Decimal,
    scoreboard::{PenaltyPolicy, PenaltyType, Problem, Rules, ScoreMode},
};
use warren_scoreboard::compute;

use super::contests::{self, MINUTE_MS, row};

#[test]
fn omegaups_vectors_hold() {
    let text = contests::read("omegaup.json");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(!vectors.is_empty());
    for vector in &vectors {
        check(vector);
    }
}

fn check(vector: &Value) {
    let from = |field: &str| vector[field].clone();
    let score_mode: ScoreMode = serde_json::from_value(from("score_mode")).expect("a score mode");
    let penalty_policy: PenaltyPolicy = serde_json::from_value(from("penalty_calc_policy")).expect("a penalty policy");
    let penalty_type = PenaltyType::ContestStart;
    let rules = Rules::Points { score_mode, penalty_type, penalty_minutes: 0, penalty_policy };
    let mut request = contests::contest(rules, 1000 * MINUTE_MS);

    let points: Vec<i64> = serde_json::from_value(from("problem_points")).expect("points");
    let problem = |(index, points): (usize, i64)| Problem { id: index.to_string(), points: points.into() };
    request.problems = points.into_iter().enumerate().map(problem).collect();
    for (index, run) in vector["runs"].as_array().expect("runs").iter().enumerate() {
        let (user, problem) = (run["user"].to_string(), run["problem"].to_string());
        if request.contestants.iter().all(|contestant| contestant.id != user) {
            request.contestants.push(contests::contestant(&user));
        }
        let time_ms = run["submit_delay"].as_u64().expect("minutes") * MINUTE_MS;
        let verdict = serde_json::from_value(run["verdict"].clone()).expect("a verdict");
        let mut made = contests::run(format!("{index:04}"), &user, &problem, time_ms, verdict);
        made.score = Some(run["score"].to_string().parse().expect("a score"));
        request.runs.push(made);
    }

    let board = compute(&request).expect("a valid contest");
    let expected = &vector["expected"];
    let ranks: Vec<_> = board.rows.iter().map(|row| Value::from(row.rank)).collect();
    if let Some(places) = expected["places_in_order"].as_array() {
        assert_eq!(ranks, *places, "{}", vector["name"]);
    }
    let first = row(&board, &expected["first"]["user"].to_string());
    assert_eq!(first.rank, 1);
    assert_eq!(first.points, decimal(&expected["first"]["points"]));
    assert_eq!(Decimal::from(first.penalty as i64), decimal(&expected["first"]["penalty"]));
    for (cell, expected) in first.problems.iter().zip(expected["first"]["problems"].as_array().into_iter().flatten()) {
        assert_eq!(cell.points, decimal(&expected["points"]));
        assert_eq!(Value::from(cell.tries), expected["runs"]);
    }
}

fn decimal(value: &Value) -> Decimal {
    value.to_string().parse().expect("a number")
}
