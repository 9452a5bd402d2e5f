//! The largest request is computed at once: no loop over runs stands inside another.

use std::time::{Duration, Instant};

use warren_proto::{
    grading::Verdict,
    scoreboard::{ComputeRequest, PenaltyPolicy, PenaltyType, Rules, ScoreMode},
};
use warren_scoreboard::compute;

use super::contests;

/// A hundred times what an unoptimised build takes; a quadratic loop takes minutes.
const PATIENCE: Duration = Duration::from_secs(60);

fn largest(rules: Rules) -> ComputeRequest {
    let mut request = contests::contest(rules, 300 * contests::MINUTE_MS);
    request.problems = (0..10).map(|n| contests::problem(&format!("P{n}"))).collect();
    request.contestants = (0..10_000).map(|n| contests::contestant(&format!("c{n}"))).collect();
    let verdicts = [Verdict::Wa, Verdict::Pa, Verdict::Ac];
    request.runs = (0..100_000_usize)
        .map(|n| {
            let (contestant, problem) = (format!("c{}", n * 7 % 10_000), format!("P{}", n * 3 % 10));
            let mut run =
                contests::run(n.to_string(), &contestant, &problem, n as u64 * 97 % 18_000_000, verdicts[n % 3]);
            run.score = Some(format!("0.{}", n % 1000).parse().expect("a share"));
            run.groups = [("easy", n % 50), ("hard", n % 47)]
                .map(|(group, percent)| (group.to_owned(), format!("0.{percent:02}").parse().expect("a share")))
                .into();
            run
        })
        .collect();
    request
}

#[test]
fn a_hundred_thousand_runs_are_computed_at_once() {
    let points = |score_mode| Rules::Points {
        score_mode,
        penalty_type: PenaltyType::ContestStart,
        penalty_minutes: 20,
        penalty_policy: PenaltyPolicy::Sum,
    };
    for rules in [contests::ICPC, points(ScoreMode::Partial), points(ScoreMode::MaxPerGroup)] {
        let request = largest(rules);
        let started = Instant::now();
        let board = compute(&request).expect("a valid contest");
        let took = started.elapsed();
        eprintln!("{:?}: {took:?}", request.rules);
        assert_eq!(board.rows.len(), 10_000);
        assert!(took < PATIENCE, "{took:?}");
    }
}
