use insta::assert_snapshot;
use warren_proto::scoreboard::{ComputeRequest, PenaltyPolicy, PenaltyType, Rules, ScoreMode};

use super::{BigDecimal, hundredths};
use crate::testing::{board, by_points, contest};

/// The board without the contestants who did nothing.
fn lines(request: &ComputeRequest) -> String {
    board(request).lines().filter(|line| line.contains('[')).map(|line| format!("{line}\n")).collect()
}

fn partial(penalty_type: PenaltyType, penalty_minutes: u64, penalty_policy: PenaltyPolicy) -> Rules {
    Rules::Points { score_mode: ScoreMode::Partial, penalty_type, penalty_minutes, penalty_policy }
}

#[test]
fn the_best_run_makes_the_cell_and_all_are_tries() {
    let runs = ["t1 A 10 PA score=0.3", "t1 A 20 PA score=0.7", "t1 A 30 PA score=0.5", "t1 A 40 WA"];
    let request = contest(by_points(ScoreMode::Partial), &runs);
    assert_snapshot!(lines(&request), @"1 t1 solved 0 penalty 20 points 70 A[4t 70]");
}

#[test]
fn compile_judge_and_validator_errors_are_not_looked_at() {
    let runs = ["t1 A 10 CE score=1", "t1 A 20 JE score=1", "t1 A 30 VE score=1", "t1 A 40 PA score=0.5"];
    let rules = partial(PenaltyType::ContestStart, 20, PenaltyPolicy::Sum);
    assert_snapshot!(lines(&contest(rules, &runs)), @"1 t1 solved 0 penalty 40 points 50 A[1t 50]");
}

#[test]
fn without_a_score_an_accepted_run_has_all_points_and_others_none() {
    let request = contest(by_points(ScoreMode::Partial), &["t1 A 10 PA", "t1 B 10 AC"]);
    assert_snapshot!(lines(&request), @"1 t1 solved 1 penalty 10 points 100 A[1t] B[1t @10 first 100]");
}

#[test]
fn as_many_points_for_less_penalty_replace_the_cell() {
    let rules = partial(PenaltyType::Runtime, 0, PenaltyPolicy::Sum);
    let runs =
        ["t1 A 10 PA score=0.5 runtime=900", "t1 A 20 PA score=0.5 runtime=300", "t1 A 30 PA score=0.5 runtime=400"];
    assert_snapshot!(lines(&contest(rules, &runs)), @"1 t1 solved 0 penalty 300 points 50 A[3t 50]");
}

#[test]
fn a_run_without_points_takes_no_penalty() {
    let rules = partial(PenaltyType::ContestStart, 20, PenaltyPolicy::Sum);
    assert_snapshot!(lines(&contest(rules, &["t1 A 10 WA", "t1 A 20 PA score=0"])), @"1 t1 solved 0 penalty 0 A[2t]");
}

#[test]
fn every_earlier_try_adds_to_a_runs_penalty() {
    let rules = partial(PenaltyType::ContestStart, 20, PenaltyPolicy::Sum);
    let runs = ["t1 A 10 PA score=0.5", "t1 A 20 WA", "t1 A 30 AC", "t1 A 40 AC"];
    assert_snapshot!(lines(&contest(rules, &runs)), @"1 t1 solved 1 penalty 70 points 100 A[4t @30 first 100]");
}

#[test]
fn the_penalty_is_of_the_contests_type() {
    let runs = ["t1 A 10 AC runtime=1234 opened=120000", "t1 B 5 AC runtime=6 opened=999999999"];
    let penalty = |penalty_type, penalty_policy| {
        let board = board(&contest(partial(penalty_type, 0, penalty_policy), &runs));
        board.split(' ').nth(5).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(penalty(PenaltyType::None, PenaltyPolicy::Sum), 0);
    assert_eq!(penalty(PenaltyType::Runtime, PenaltyPolicy::Sum), 1240);
    assert_eq!(penalty(PenaltyType::Runtime, PenaltyPolicy::Max), 1234);
    assert_eq!(penalty(PenaltyType::ContestStart, PenaltyPolicy::Sum), 15);
    assert_eq!(penalty(PenaltyType::ContestStart, PenaltyPolicy::Max), 10);
    assert_eq!(penalty(PenaltyType::ProblemOpen, PenaltyPolicy::Sum), 8);
}

#[test]
fn all_or_nothing_looks_at_full_scores_only() {
    let runs = ["t1 A 10 PA score=0.999", "t1 A 20 AC score=1", "t2 A 30 PA score=0.9"];
    assert_snapshot!(lines(&contest(by_points(ScoreMode::AllOrNothing), &runs)), @r"
    1 t1 solved 1 penalty 20 points 100 A[2t @20 first 100]
    2 t2 solved 0 penalty 0 A[1t]
    ");
}

#[test]
fn the_best_of_each_group_adds_up() {
    let runs = [
        "t1 A 10 PA easy:0.3 hard:0",
        "t1 A 25 PA easy:0.1 hard:0.7",
        "t1 A 40 WA easy:0 hard:0",
        "t2 A 50 PA easy:0.3",
    ];
    let rules = Rules::Points {
        score_mode: ScoreMode::MaxPerGroup,
        penalty_type: PenaltyType::ContestStart,
        penalty_minutes: 20,
        penalty_policy: PenaltyPolicy::Sum,
    };
    assert_snapshot!(lines(&contest(rules, &runs)), @r"
    1 t1 solved 1 penalty 40 points 100 A[3t @25 first 100]
    2 t2 solved 0 penalty 50 points 30 A[1t 30]
    ");
}

#[test]
fn a_run_without_groups_is_one_group() {
    let runs = ["t1 A 10 PA score=0.4", "t1 A 20 PA score=0.6", "t1 B 5 AC", "t1 C 5 WA"];
    let request = contest(by_points(ScoreMode::MaxPerGroup), &runs);
    assert_snapshot!(lines(&request), @"1 t1 solved 1 penalty 25 points 160 A[2t 60] B[1t @5 first 100] C[1t]");
}

#[test]
fn groups_that_were_rounded_win_no_more_and_no_less_than_all_points() {
    let runs = ["t1 A 10 AC a:0.334 b:0.334 c:0.334", "t2 A 20 AC a:0.33333333 b:0.33333333 c:0.33333333"];
    assert_snapshot!(lines(&contest(by_points(ScoreMode::MaxPerGroup), &runs)), @r"
    1 t1 solved 1 penalty 10 points 100 A[1t @10 first 100]
    2 t2 solved 1 penalty 20 points 100 A[1t @20 100]
    ");
}

#[test]
fn points_are_rounded_half_up_in_each_cell() {
    let rounded = |text: &str| hundredths(&text.parse::<BigDecimal>().unwrap());
    assert_eq!(rounded("0.005"), 1);
    assert_eq!(rounded("0.00499999999999999999999999"), 0);
    assert_eq!(rounded("2.675"), 268);

    let mut request = contest(by_points(ScoreMode::Partial), &["t1 A 1 PA score=0.33335", "t1 B 1 PA score=0.33335"]);
    assert_snapshot!(lines(&request), @"1 t1 solved 0 penalty 2 points 66.68 A[1t 33.34] B[1t 33.34]");
    request.problems[0].points = "0.1".parse().unwrap();
    assert_snapshot!(lines(&request), @"1 t1 solved 0 penalty 2 points 33.37 A[1t 0.03] B[1t 33.34]");
}

#[test]
fn more_points_count_only_if_the_board_shows_them() {
    let runs = ["t1 A 10 PA score=0.333333", "t1 A 20 PA score=0.333334"];
    assert_snapshot!(
        lines(&contest(by_points(ScoreMode::Partial), &runs)),
        @"1 t1 solved 0 penalty 10 points 33.33 A[2t 33.33]"
    );
}

#[test]
fn a_problem_worth_nothing_is_solved_by_a_full_score() {
    let mut request =
        contest(by_points(ScoreMode::Partial), &["t1 A 10 PA score=0.5", "t1 A 20 AC", "t2 A 30 PA score=0.9"]);
    request.problems[0].points = 0.into();
    assert_snapshot!(lines(&request), @r"
    1 t1 solved 1 penalty 0 A[2t @20 first]
    1 t2 solved 0 penalty 0 A[1t]
    ");
}

#[test]
fn rows_stand_by_points_then_penalty_and_equals_share_a_rank() {
    let runs = ["t3 A 10 AC", "t2 B 10 AC", "t1 A 11 AC", "t4 A 1 PA score=0.9999"];
    assert_snapshot!(board(&contest(by_points(ScoreMode::Partial), &runs)), @r"
    1 t2 solved 1 penalty 10 points 100 B[1t @10 first 100]
    1 t3 solved 1 penalty 10 points 100 A[1t @10 first 100]
    3 t1 solved 1 penalty 11 points 100 A[1t @11 100]
    4 t4 solved 0 penalty 1 points 99.99 A[1t 99.99]
    ");
}

#[test]
fn unjudged_runs_are_pending_even_after_all_points() {
    let runs = ["t1 A 10 AC", "t1 A 20 ?"];
    let request = contest(by_points(ScoreMode::Partial), &runs);
    assert_snapshot!(lines(&request), @"1 t1 solved 1 penalty 10 points 100 A[1t 1p @10 first 100]");
}
