//! The event feed of EUC 2025: freeze, thaw, a rejudgement, and the first-to-solve awards that were given.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use warren_proto::{
    grading::Verdict,
    scoreboard::{Audience, ComputeRequest},
};
use warren_scoreboard::compute;

use super::contests::{self, MINUTE_MS};

/// What the tests need of a feed.
struct Feed {
    request: ComputeRequest,
    /// Problem to teams.
    first_to_solve: BTreeMap<String, Vec<String>>,
}

fn euc_2025() -> Feed {
    let text = contests::read("euc-2025.ndjson");
    // Events repeat an object as it changes; the last one holds. A rejudgement is another judgement of the submission.
    let mut objects: BTreeMap<(String, String), Value> = BTreeMap::new();
    let mut judgements: BTreeMap<String, Verdict> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut event: Value = serde_json::from_str(line).expect("a JSON object a line");
        let data = event["data"].take();
        if event["type"] == "judgements" {
            if let Some(verdict) = data["judgement_type_id"].as_str() {
                judgements.insert(text_of(&data, "submission_id"), verdict_of(verdict));
            }
        } else if let Some(id) = event["id"].as_str() {
            objects.insert((text_of(&event, "type"), id.to_owned()), data);
        }
    }
    Feed::new(&objects, &judgements)
}

impl Feed {
    fn new(objects: &BTreeMap<(String, String), Value>, judgements: &BTreeMap<String, Verdict>) -> Self {
        let of_type = |wanted: &'static str| objects.iter().filter(move |((kind, _), _)| kind == wanted);
        let (_, contest) = of_type("contest").next().expect("a contest");
        let duration_ms = span_ms(&text_of(contest, "duration"));
        let freeze_ms = duration_ms - span_ms(&text_of(contest, "scoreboard_freeze_duration"));
        let mut request =
            ComputeRequest { freeze_ms: Some(freeze_ms), ..contests::contest(contests::ICPC, duration_ms) };

        request.problems = of_type("problems").map(|((_, id), _)| contests::problem(id)).collect();
        request.contestants = of_type("teams").map(|((_, id), _)| contests::contestant(id)).collect();
        let run = |((_, id), submission): (&(String, String), &Value)| {
            let time_ms = span_ms(&text_of(submission, "contest_time"));
            let (team, problem) = (text_of(submission, "team_id"), text_of(submission, "problem_id"));
            contests::run(id, &team, &problem, time_ms, judgements[id])
        };
        request.runs = of_type("submissions").map(run).collect();

        let award = |((_, id), award): (&(String, String), &Value)| {
            let problem = id.strip_prefix("first-to-solve-").expect("no other awards are in the feed").to_owned();
            (problem, serde_json::from_value(award["team_ids"].clone()).expect("texts"))
        };
        Self { first_to_solve: of_type("awards").map(award).collect(), request }
    }
}

fn text_of(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_else(|| panic!("{object} without a text {field}")).to_owned()
}

fn verdict_of(judgement_type: &str) -> Verdict {
    match judgement_type {
        // "no output": rejected, with penalty
        "NO" => Verdict::Wa,
        other => serde_json::from_value(other.into()).expect("a verdict"),
    }
}

/// A CLICS `RELTIME`: `4:59:57.228`.
fn span_ms(reltime: &str) -> u64 {
    let (clock, ms) = reltime.split_once('.').expect("milliseconds");
    let seconds = clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<u64>().expect("a number"));
    seconds * 1000 + ms.parse::<u64>().expect("a number")
}

#[test]
fn the_awards_of_euc_2025_go_to_those_who_solved_first() {
    let feed = euc_2025();
    assert_eq!((feed.request.contestants.len(), feed.request.runs.len()), (53, 856));
    assert_eq!(feed.first_to_solve.len(), 11);

    let board = compute(&feed.request).expect("a valid contest");
    for (problem, teams) in &feed.first_to_solve {
        let ours: Vec<_> = board
            .rows
            .iter()
            .filter(|row| row.problems.iter().any(|cell| cell.problem == *problem && cell.first_to_solve))
            .map(|row| row.contestant.clone())
            .collect();
        assert_eq!(ours, *teams, "{problem}");
    }
}

#[test]
fn in_the_freeze_of_euc_2025_the_public_sees_the_board_before_it_and_pending_runs() {
    let feed = euc_2025();
    let freeze_ms = feed.request.freeze_ms.expect("a freeze");
    let public = compute(&ComputeRequest { audience: Audience::Public, ..feed.request.clone() }).expect("valid");
    let mut before = feed.request.clone();
    before.runs.retain(|run| run.time_ms < freeze_ms);
    let before = compute(&before).expect("valid");

    let mut pending_total = 0;
    for (row, row_before) in public.rows.iter().zip(&before.rows) {
        assert_eq!((row.rank, &row.contestant), (row_before.rank, &row_before.contestant));
        for (cell, cell_before) in row.problems.iter().zip(&row_before.problems) {
            let frozen = feed.request.runs.iter().filter(|run| {
                run.time_ms >= freeze_ms && run.contestant == row.contestant && run.problem == cell.problem
            });
            let pending = if cell_before.solved { 0 } else { u32::try_from(frozen.count()).unwrap() };
            assert_eq!(*cell, warren_proto::scoreboard::Cell { pending, ..cell_before.clone() });
            pending_total += pending;
        }
    }
    assert!(pending_total > 100, "the freeze of EUC 2025 was busy, not {pending_total} runs");
}

#[test]
fn the_thawed_board_of_euc_2025_is_the_jurys() {
    let feed = euc_2025();
    let jury = compute(&feed.request).expect("valid");
    let thawed = ComputeRequest { freeze_ms: None, audience: Audience::Public, ..feed.request.clone() };
    assert_eq!(compute(&thawed).expect("valid"), jury);

    let solved_late: BTreeSet<_> = jury
        .rows
        .iter()
        .filter(|row| row.problems.iter().any(|cell| cell.time_ms.is_some_and(|time_ms| time_ms >= 240 * MINUTE_MS)))
        .map(|row| &row.contestant)
        .collect();
    assert!(!solved_late.is_empty(), "the thaw of EUC 2025 showed something");
}
