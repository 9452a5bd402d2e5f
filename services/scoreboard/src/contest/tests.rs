use warren_proto::{
    grading::{GroupResult, Judgement, Language},
    scoreboard::{Contestant, PenaltyPolicy, Problem, ScoreMode},
};

use super::*;

const START_MS: i64 = 1_700_000_000_000;

fn spring() -> Contest {
    Contest {
        contest: "spring".to_owned(),
        title: "Spring Cup".to_owned(),
        rules: Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false },
        starts_at_ms: START_MS,
        duration_ms: 1000,
        freeze_ms: Some(800),
        thawed: false,
        problems: vec![Problem { id: "sum".to_owned(), points: 100.into() }],
        contestants: vec![Contestant { id: "teams:mx:ana".to_owned(), name: Some("Ana".to_owned()) }],
    }
}

fn refusal(spoil: impl FnOnce(&mut Contest)) -> String {
    let mut contest = spring();
    check(&contest).expect("it was right");
    spoil(&mut contest);
    check(&contest).expect_err("it is wrong now").message
}

#[test]
fn names_are_what_grading_takes() {
    let message = refusal(|contest| contest.contest = "spring cup".to_owned());
    assert_eq!(message, r#"contest: "spring cup" is not 1 to 32 of A-Z a-z 0-9 _ -"#);
    let message = refusal(|contest| contest.contest.clear());
    assert_eq!(message, r#"contest: "" is not 1 to 32 of A-Z a-z 0-9 _ -"#);
    assert!(refusal(|contest| contest.problems[0].id = "x".repeat(33)).starts_with("problems[0].id: "));
    assert!(refusal(|contest| contest.title = " ".to_owned()).starts_with("title: "));
}

#[test]
fn what_a_board_cannot_show_is_refused() {
    assert!(refusal(|contest| contest.problems.push(contest.problems[0].clone())).ends_with("is there twice"));
    assert!(refusal(|contest| contest.contestants.push(contest.contestants[0].clone())).ends_with("is there twice"));
    assert!(refusal(|contest| contest.freeze_ms = Some(1001)).starts_with("freeze_ms: "));
    let message = refusal(|contest| {
        contest.rules = Rules::Points {
            score_mode: ScoreMode::Partial,
            penalty_type: PenaltyType::ProblemOpen,
            penalty_minutes: 0,
            penalty_policy: PenaltyPolicy::Sum,
        };
    });
    assert!(message.starts_with("rules.penalty_type: "), "{message}");
}

fn submission() -> Submission {
    Submission {
        submission: "s1".to_owned(),
        problem: "sum".to_owned(),
        language: Language::Cpp,
        contest: Some("spring".to_owned()),
        contestant: Some("teams:mx:ana".to_owned()),
        submitted_at_ms: START_MS + 500,
        judgement: Some(Judgement {
            verdict: Verdict::Pa,
            score: "0.25".parse().unwrap(),
            time_ms: 17,
            memory_bytes: 1,
            message: None,
            judged_by: "runner-1".to_owned(),
            groups: vec![GroupResult { group: "easy".to_owned(), score: "0.25".parse().unwrap(), cases: vec![] }],
        }),
    }
}

#[test]
fn practice_is_not_kept() {
    let practice = Submission { contest: None, ..submission() };
    assert_eq!(StoredRun::from_event(practice), Ok(None));
}

#[test]
fn events_that_no_board_can_show_are_refused() {
    let nobodys = Submission { contestant: None, ..submission() };
    let status = StoredRun::from_event(nobodys).unwrap_err();
    assert_eq!(status.message, "contestant: a contest's submission needs one");

    let mut generous = submission();
    generous.judgement.as_mut().unwrap().groups[0].score = "1.5".parse().unwrap();
    let status = StoredRun::from_event(generous).unwrap_err();
    assert_eq!(status.message, r#"judgement.groups["easy"].score: 1.5 is not between 0 and 1"#);
}

#[test]
fn a_run_counts_from_the_contests_start() {
    let stored = StoredRun::from_event(submission()).unwrap().unwrap();
    let expected = Run {
        id: "s1".to_owned(),
        contestant: "teams:mx:ana".to_owned(),
        problem: "sum".to_owned(),
        time_ms: 500,
        verdict: Some(Verdict::Pa),
        score: Some("0.25".parse().unwrap()),
        groups: [("easy".to_owned(), "0.25".parse().unwrap())].into(),
        runtime_ms: 17,
        opened_ms: 0,
    };
    assert_eq!(request(spring(), vec![stored], Audience::Public).runs, [expected]);
}

#[test]
fn runs_before_the_start_or_of_strangers_are_left_out() {
    let stored = |change: fn(&mut StoredRun)| {
        let mut run = StoredRun::from_event(submission()).unwrap().unwrap();
        change(&mut run);
        request(spring(), vec![run], Audience::Jury).runs.len()
    };
    assert_eq!(stored(|_| {}), 1);
    assert_eq!(stored(|run| run.submitted_at_ms = START_MS), 1);
    assert_eq!(stored(|run| run.submitted_at_ms = START_MS - 1), 0);
    assert_eq!(stored(|run| run.submitted_at_ms = i64::MIN), 0);
    assert_eq!(stored(|run| run.contestant = "bob".to_owned()), 0);
    assert_eq!(stored(|run| run.problem = "product".to_owned()), 0);
}

#[test]
fn the_freeze_lasts_from_its_start_until_the_thaw() {
    let frozen = |now_ms| is_frozen(&spring(), START_MS + now_ms);
    assert_eq!([-1, 0, 799, 800, 1000, 100_000].map(frozen), [false, false, false, true, true, true]);
    let thawed = Contest { thawed: true, ..spring() };
    assert!(!is_frozen(&thawed, START_MS + 900));
    assert_eq!(request(thawed, vec![], Audience::Public).freeze_ms, None);
    assert_eq!(request(spring(), vec![], Audience::Public).freeze_ms, Some(800));
    assert!(!is_frozen(&Contest { freeze_ms: None, ..spring() }, START_MS + 900));
}
