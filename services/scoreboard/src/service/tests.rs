use warren_proto::{
    grading::{Judgement, Language, Verdict},
    scoreboard::{Audience, Contestant, Problem, Rules},
};
use warren_rpc::Code;

use super::*;

const START_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;

async fn state() -> (tempfile::TempDir, State) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join(STORE_FILE)).await.unwrap();
    (directory, State { store })
}

fn spring() -> Contest {
    Contest {
        contest: "spring".to_owned(),
        title: "Spring Cup".to_owned(),
        rules: Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: false },
        starts_at_ms: START_MS,
        duration_ms: 300 * 60_000,
        freeze_ms: Some(240 * 60_000),
        thawed: false,
        problems: vec![Problem { id: "sum".to_owned(), points: 100.into() }],
        contestants: ["ana", "bob"].map(|id| Contestant { id: id.to_owned(), name: None }).into(),
    }
}

fn submission(contestant: &str, minute: i64, verdict: Option<Verdict>) -> Submission {
    Submission {
        submission: format!("{contestant}-{minute}"),
        problem: "sum".to_owned(),
        language: Language::Python,
        contest: Some("spring".to_owned()),
        contestant: Some(contestant.to_owned()),
        submitted_at_ms: START_MS + minute * MINUTE_MS,
        judgement: verdict.map(|verdict| Judgement {
            verdict,
            score: i64::from(verdict == Verdict::Ac).into(),
            time_ms: 1,
            memory_bytes: 1,
            message: None,
            judged_by: "runner-1".to_owned(),
            groups: vec![],
        }),
    }
}

/// The board as pairs of a contestant and (solved, tries, pending).
async fn cells(state: &State, audience: Audience) -> Vec<(String, (bool, u32, u32))> {
    let request = GetRequest { contest: "spring".to_owned(), audience };
    let rows = state.board(request, START_MS).await.unwrap().rows;
    let cell =
        |row: &warren_proto::scoreboard::Row| (row.problems[0].solved, row.problems[0].tries, row.problems[0].pending);
    rows.iter().map(|row| (row.contestant.clone(), cell(row))).collect()
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let (_directory, state) = state().await;
    let status = state.contest("autumn").await.unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (Code::NotFound, r#"there is no contest "autumn""#));
    let request = GetRequest { contest: "winter".to_owned(), audience: Audience::Public };
    let status = state.board(request, 0).await.unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (Code::NotFound, r#"there is no contest "winter""#));
}

#[tokio::test]
async fn a_wrong_contest_is_not_stored() {
    let (_directory, state) = state().await;
    let wrong = Contest { freeze_ms: Some(u64::MAX), ..spring() };
    assert_eq!(state.put_contest(wrong).await.unwrap_err().code, Code::InvalidArgument);
    assert_eq!(state.contest("spring").await.unwrap_err().code, Code::NotFound);
}

#[tokio::test]
async fn runs_reported_before_the_contest_was_stored_count() {
    let (_directory, state) = state().await;
    state.record(submission("bob", 10, Some(Verdict::Ac))).await.unwrap();
    state.record(submission("bob", 10, None)).await.unwrap();
    state.record(submission("ana", 20, None)).await.unwrap();
    state.record(Submission { contest: None, ..submission("ana", 30, None) }).await.unwrap();
    assert_eq!(state.put_contest(spring()).await.unwrap(), spring());
    let expected = [("bob".to_owned(), (true, 1, 0)), ("ana".to_owned(), (false, 0, 1))];
    assert_eq!(cells(&state, Audience::Jury).await, expected);
}

#[tokio::test]
async fn the_public_sees_verdicts_of_the_freeze_after_the_thaw() {
    let (_directory, state) = state().await;
    state.put_contest(spring()).await.unwrap();
    state.record(submission("bob", 250, Some(Verdict::Ac))).await.unwrap();
    let hidden = [("ana".to_owned(), (false, 0, 0)), ("bob".to_owned(), (false, 0, 1))];
    let shown = [("bob".to_owned(), (true, 1, 0)), ("ana".to_owned(), (false, 0, 0))];
    assert_eq!(cells(&state, Audience::Public).await, hidden);
    assert_eq!(cells(&state, Audience::Jury).await, shown);
    state.put_contest(Contest { thawed: true, ..spring() }).await.unwrap();
    assert_eq!(cells(&state, Audience::Public).await, shown);
}

#[tokio::test]
async fn a_board_says_whether_it_is_frozen() {
    let (_directory, state) = state().await;
    state.put_contest(spring()).await.unwrap();
    let frozen = async |minute: i64| {
        let request = GetRequest { contest: "spring".to_owned(), audience: Audience::Public };
        state.board(request, START_MS + minute * MINUTE_MS).await.unwrap().frozen
    };
    assert!(!frozen(239).await);
    assert!(frozen(240).await);
    assert!(frozen(1000).await);
}
