use super::*;
use crate::testing::{ICPC, contest};

/// What is said of a request that was right before `spoil`.
fn refusal(spoil: impl FnOnce(&mut ComputeRequest)) -> String {
    let mut valid = contest(ICPC, &["t1 A 10 AC", "t1 A 20 WA", "t2 B 30 ?", "t2 C 40 AC"]);
    request(&valid).expect("it was right");
    spoil(&mut valid);
    let status = request(&valid).expect_err("it is wrong now");
    assert_eq!(status.code, warren_rpc::Code::InvalidArgument);
    status.message
}

#[test]
fn a_run_of_somebody_or_something_unknown_is_refused() {
    let message = refusal(|request| request.runs[3].contestant = "t9".to_owned());
    assert_eq!(message, r#"runs[3].contestant: "t9" is not among the contestants"#);
    let message = refusal(|request| request.runs[1].problem = "Z".repeat(100));
    assert_eq!(message, format!(r#"runs[1].problem: "{}"… is not among the problems"#, "Z".repeat(64)));
}

#[test]
fn ids_that_are_there_twice_are_refused() {
    let message = refusal(|request| request.problems[2].id = "A".to_owned());
    assert_eq!(message, r#"problems[2].id: "A" is there twice"#);
    let message = refusal(|request| request.contestants[1].id = "t1".to_owned());
    assert_eq!(message, r#"contestants[1].id: "t1" is there twice"#);
    let message = refusal(|request| request.runs[3].id = "r001".to_owned());
    assert_eq!(message, r#"runs[3].id: "r001" is there twice"#);
}

#[test]
fn ids_that_cannot_be_shown_are_refused() {
    let allowed = "is not 1 to 128 bytes without control characters";
    assert_eq!(refusal(|request| request.problems[0].id.clear()), format!(r#"problems[0].id: "" {allowed}"#));
    let message = refusal(|request| request.contestants[0].id = "a\nb".to_owned());
    assert_eq!(message, format!(r#"contestants[0].id: "a\nb" {allowed}"#));
}

#[test]
fn scores_are_shares() {
    let message = refusal(|request| request.runs[0].score = Some("1.01".parse().unwrap()));
    assert_eq!(message, "runs[0].score: 1.01 is not between 0 and 1");
    let message = refusal(|request| {
        request.runs[0].groups.insert("easy".to_owned(), "-0.1".parse().unwrap());
    });
    assert_eq!(message, r#"runs[0].groups["easy"]: -0.1 is not between 0 and 1"#);
}

#[test]
fn numbers_stay_within_what_a_board_can_show() {
    let message = refusal(|request| request.problems[1].points = (-1).into());
    assert_eq!(message, "problems[1].points: -1 is not between 0 and 1000000");
    let message = refusal(|request| request.runs[2].runtime_ms = u64::MAX);
    assert_eq!(message, "runs[2].runtime_ms: at most 316224000000, not 18446744073709551615");
    let message =
        refusal(|request| request.rules = Rules::Icpc { penalty_minutes: u64::MAX, penalize_compile_errors: false });
    assert_eq!(message, "rules.penalty_minutes: at most 1000000, not 18446744073709551615");
}

#[test]
fn a_contest_has_a_length_and_freezes_within_it() {
    assert_eq!(refusal(|request| request.duration_ms = 0), "duration_ms: a contest takes at least 1 ms");
    let message = refusal(|request| request.freeze_ms = Some(18_000_001));
    assert_eq!(message, "freeze_ms: 18000001 is after the contest's end, 18000000");
}

#[test]
fn what_is_too_much_is_refused() {
    let contestants =
        |count: usize| (0..count).map(|n| Contestant { id: n.to_string(), name: None }).collect::<Vec<_>>();
    let problems = |count: usize| (0..count).map(|n| Problem { id: n.to_string(), points: 1.into() }).collect();

    assert_eq!(refusal(|request| request.problems = problems(1001)), "problems: at most 1000, not 1001");
    let message = refusal(|request| request.contestants = contestants(20_001));
    assert_eq!(message, "contestants: at most 20000, not 20001");
    let message = refusal(|request| {
        let run = request.runs[0].clone();
        request.runs = (0..100_001).map(|n| Run { id: n.to_string(), ..run.clone() }).collect();
    });
    assert_eq!(message, "runs: at most 100000, not 100001");
    let message = refusal(|request| {
        request.problems = problems(100);
        request.contestants = contestants(20_000);
    });
    assert!(message.starts_with("contestants and problems: a board of 20000 x 100 cells may take "), "{message}");
    let message = refusal(|request| request.contestants[0].name = Some("x".repeat(513)));
    assert_eq!(message, "contestants[0].name: at most 512 bytes, not 513");
}
