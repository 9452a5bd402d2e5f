//! The service behind a real broker: what a caller and grading see of it.

use std::{future::Future, time::Duration};

use warren_proto::{
    contests::{Contest, Get, GetRequest, Put},
    grading::{Judged, Judgement, Language, Submission, Submitted, Verdict},
    scoreboard::{self, Audience, GetReply},
};
use warren_rpc::{CallError, Client, ClientOptions, Code, Running, ServeOptions};

use super::contests::{self, MINUTE_MS};

const START_MS: i64 = 1_700_000_000_000;

/// Between two looks at a board that an event is to change: nobody tells a caller that an event arrived.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A vhost with one instance of the service, over a store of its own.
struct Site {
    client: Client,
    running: Running,
    _store: tempfile::TempDir,
    _broker: warren_testing::TestBroker,
}

impl Site {
    /// Nothing where a RabbitMQ was asked for and is not installed: the test is then reported as skipped.
    async fn start(test: &str) -> Option<Self> {
        let broker = warren_testing::broker(test).await?;
        let client = Client::connect(&broker.url, ClientOptions::default()).await.expect("a connection");
        let store = tempfile::tempdir().expect("a directory");
        let service = warren_scoreboard::service(store.path()).await.expect("a store");
        let running = service.serve(&client, ServeOptions::default()).await.expect("an instance");
        Some(Self { client, running, _store: store, _broker: broker })
    }

    async fn stop(self) {
        self.running.shutdown().await;
        self.client.close().await;
    }

    async fn board(&self, audience: Audience) -> GetReply {
        let request = scoreboard::GetRequest { contest: "spring".to_owned(), audience };
        self.client.call::<scoreboard::Get>(&request).await.expect("a board")
    }

    /// The jury's board, once it is as wanted: events take their time.
    async fn board_when(&self, wanted: impl Fn(&GetReply) -> bool) -> GetReply {
        let poll = async {
            loop {
                let board = self.board(Audience::Jury).await;
                if wanted(&board) {
                    return board;
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        };
        within(poll).await
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens within 20 s")
}

fn spring() -> Contest {
    Contest {
        contest: "spring".to_owned(),
        title: "Spring Cup".to_owned(),
        rules: contests::ICPC,
        starts_at_ms: START_MS,
        duration_ms: 300 * MINUTE_MS,
        freeze_ms: Some(240 * MINUTE_MS),
        thawed: false,
        problems: vec![contests::problem("sum")],
        contestants: ["ana", "bob"].map(contests::contestant).into(),
    }
}

fn submission(contestant: &str, minute: i64, verdict: Option<Verdict>) -> Submission {
    Submission {
        submission: format!("{contestant}-{minute}"),
        problem: "sum".to_owned(),
        language: Language::Python,
        contest: Some("spring".to_owned()),
        contestant: Some(contestant.to_owned()),
        submitted_at_ms: START_MS + minute * 60_000,
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

fn status(error: &CallError) -> (Code, &str) {
    match error {
        CallError::Status(status) => (status.code, &status.message),
        other => panic!("{other} is not a status"),
    }
}

#[tokio::test]
async fn a_contest_goes_from_events_to_a_board() {
    let Some(site) = Site::start("events-to-board").await else { return };
    assert_eq!(site.client.call::<Put>(&spring()).await.expect("stored"), spring());

    site.client.publish::<Submitted>(&submission("bob", 250, None)).await.expect("published");
    let board = site.board_when(|board| board.rows.iter().any(|row| row.problems[0].pending == 1)).await;
    assert!(board.rows.iter().all(|row| row.solved == 0));

    site.client.publish::<Judged>(&submission("bob", 250, Some(Verdict::Ac))).await.expect("published");
    let board = site.board_when(|board| board.rows[0].solved == 1).await;
    assert_eq!((board.title.as_str(), board.frozen), ("Spring Cup", true));
    assert_eq!((board.rows[0].contestant.as_str(), board.rows[0].penalty), ("bob", 250));
    assert!(board.rows[0].problems[0].first_to_solve);

    let public = site.board(Audience::Public).await;
    assert!(public.frozen && public.rows.iter().all(|row| row.solved == 0));

    let thawed = Contest { thawed: true, ..spring() };
    site.client.call::<Put>(&thawed).await.expect("replaced");
    let public = site.board(Audience::Public).await;
    assert_eq!((public.frozen, public.rows), (false, board.rows));
    site.stop().await;
}

#[tokio::test]
async fn wrong_events_harm_nobody() {
    let Some(site) = Site::start("wrong-events").await else { return };
    site.client.call::<Put>(&spring()).await.expect("stored");
    let nobodys = Submission { contestant: None, ..submission("x", 1, Some(Verdict::Ac)) };
    site.client.publish::<Judged>(&nobodys).await.expect("published");
    site.client.publish::<Judged>(&submission("ana", 5, None)).await.expect("published");
    site.client.publish::<Judged>(&submission("ana", 10, Some(Verdict::Ac))).await.expect("published");
    let board = site.board_when(|board| board.rows[0].solved == 1).await;
    assert_eq!(board.rows[0].problems[0].pending, 0);
    site.stop().await;
}

#[tokio::test]
async fn callers_are_told_what_is_wrong() {
    let Some(site) = Site::start("refusals").await else { return };
    let unknown = GetRequest { contest: "autumn".to_owned() };
    let error = site.client.call::<Get>(&unknown).await.expect_err("there is none");
    assert_eq!(status(&error), (Code::NotFound, r#"there is no contest "autumn""#));

    let mut request = contests::contest(contests::ICPC, MINUTE_MS);
    request.problems = vec![contests::problem("A")];
    request.runs = vec![contests::run("r1", "t9", "A", 0, Verdict::Ac)];
    let error = site.client.call::<scoreboard::Compute>(&request).await.expect_err("t9 is nobody");
    assert_eq!(status(&error), (Code::InvalidArgument, r#"runs[0].contestant: "t9" is not among the contestants"#));

    request.contestants = vec![contests::contestant("t9")];
    let board = site.client.call::<scoreboard::Compute>(&request).await.expect("a board");
    assert_eq!(board, warren_scoreboard::compute(&request).expect("the same board"));
    site.stop().await;
}
