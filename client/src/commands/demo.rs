//! `warren demo`: the contest of `examples/contest` from end to end.

mod certify;
mod judge;
mod script;

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use warren_proto::{
    contests::{self, Contest},
    scoreboard::{self, Audience},
};

use self::script::Script;
use super::{Session, board, problem};
use crate::{
    cli::{Demo, Form},
    failure::Failure,
    output::{Output, note, print},
};

/// How long the board may take to hear of the last verdict.
const BOARD_WAIT: Duration = Duration::from_secs(30);

/// Between two looks at the board.
const BOARD_PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn run(session: &Session, demo: &Demo) -> Result<(), Failure> {
    // It is for people, also where it is piped to a pager.
    let form = if session.output.form == Form::Json { Form::Json } else { Form::Table };
    let session = &Session { output: Output { form }, ..session.clone() };
    certify::make_folder(&demo.out)?;
    let script = Script::read()?;
    for (name, package) in script.packages()? {
        let stored = problem::put(session, name, package).await?;
        note(&format!("problem {}: {} cases", stored.problem, stored.cases.len()));
    }
    let mut contest = session.client.call_with::<contests::Put>(&script.contest, session.options()).await?;
    note(&format!("contest {}: {} submissions are handed in and judged ...", contest.title, script.submissions.len()));

    let judged = judge::all(session, &script).await?;
    await_board(session, &contest, judged.iter().filter(|outcome| outcome.counts()).count()).await?;
    if session.output.form != Form::Json {
        print("\nThe board that the public saw at the end, frozen since minute 90:")?;
        board::show(session, &contest.contest, Audience::Public).await?;
    }
    contest.thawed = true;
    let contest = session.client.call_with::<contests::Put>(&contest, session.options()).await?;
    let request = scoreboard::GetRequest { contest: contest.contest.clone(), audience: Audience::Public };
    let final_board = session.client.call_with::<scoreboard::Get>(&request, session.options()).await?;
    let paths = certify::all(session, &contest, &final_board, &demo.out).await?;
    report(session, &judged, &contest, &final_board, &paths).await?;

    match judged.iter().filter(|outcome| !outcome.as_expected).count() {
        0 => Ok(()),
        wrong => Err(Failure::internal(format!("{wrong} verdicts are not what the example says"))),
    }
}

async fn report(
    session: &Session,
    judged: &[judge::Outcome],
    contest: &Contest,
    final_board: &scoreboard::GetReply,
    paths: &[PathBuf],
) -> Result<(), Failure> {
    if session.output.form == Form::Json {
        let verdicts: Vec<_> = judged.iter().map(|outcome| &outcome.submission).collect();
        return session.output.value(&json!({"verdicts": verdicts, "board": final_board, "certificates": paths}));
    }
    print("\nThe final board:")?;
    board::show(session, &contest.contest, Audience::Public).await?;
    print("\nCertificates:")?;
    for path in paths {
        print(&path.display().to_string())?;
    }
    Ok(())
}

/// Waits until the board has all verdicts: it hears of them by events.
async fn await_board(session: &Session, contest: &Contest, runs: usize) -> Result<(), Failure> {
    let request = scoreboard::GetRequest { contest: contest.contest.clone(), audience: Audience::Jury };
    let complete = async {
        loop {
            let board = session.client.call_with::<scoreboard::Get>(&request, session.options()).await?;
            let tries: u32 = board.rows.iter().flat_map(|row| &row.problems).map(|cell| cell.tries).sum();
            if tries as usize == runs {
                return Ok(());
            }
            tokio::time::sleep(BOARD_PAUSE).await;
        }
    };
    tokio::time::timeout(BOARD_WAIT, complete)
        .await
        .unwrap_or_else(|_| Err(Failure::internal("the board did not hear of all verdicts")))
}
