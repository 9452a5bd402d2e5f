//! `warren board CONTEST`.

use warren_proto::{
    contests,
    scoreboard::{self, Audience},
};

use super::Session;
use crate::{cli::Board, failure::Failure, output};

pub(super) async fn run(session: &Session, board: &Board) -> Result<(), Failure> {
    let audience = if board.jury { Audience::Jury } else { Audience::Public };
    show(session, &board.contest, audience).await
}

/// Prints a contest's board.
pub(super) async fn show(session: &Session, contest: &str, audience: Audience) -> Result<(), Failure> {
    let request = scoreboard::GetRequest { contest: contest.to_owned(), audience };
    let board = session.client.call_with::<scoreboard::Get>(&request, session.options()).await?;
    let request = contests::GetRequest { contest: contest.to_owned() };
    let contest = session.client.call_with::<contests::Get>(&request, session.options()).await?;
    session.output.value_or(&board, || output::board(&contest, &board))
}
