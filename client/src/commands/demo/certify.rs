//! Issues the demo's certificates, and writes them to files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use warren_proto::{
    certificates::{self, IssueRequest},
    contests::Contest,
    scoreboard::GetReply,
};

use super::super::{Session, certificate};
use crate::failure::Failure;

/// Places up to this are printed; the others get a certificate of participation.
const CUTOFF: u32 = 3;

/// Makes the folder, and tries to write there: before the contest, not after it.
pub(super) fn make_folder(out: &Path) -> Result<(), Failure> {
    let probe = out.join(".warren-demo");
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&probe, b""))
        .and_then(|()| fs::remove_file(&probe))
        .map_err(|error| Failure::usage(format!("--out {}: {error}", out.display())))
}

pub(super) async fn all(
    session: &Session,
    contest: &Contest,
    board: &GetReply,
    out: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let mut paths = Vec::with_capacity(board.rows.len());
    for row in &board.rows {
        let contestant = contest.contestants.iter().find(|contestant| contestant.id == row.contestant);
        let name = contestant.and_then(|contestant| contestant.name.clone());
        let request = IssueRequest {
            contest: contest.contest.clone(),
            contest_title: contest.title.clone(),
            person: row.contestant.clone(),
            name: name.unwrap_or_else(|| row.contestant.clone()),
            place: (row.rank <= CUTOFF).then_some(row.rank),
            date: None,
        };
        let issued = session.client.call_with::<certificates::Issue>(&request, session.options()).await?;
        let path = out.join(format!("{}.pdf", row.contestant));
        certificate::save(session, &issued.code, &path).await?;
        paths.push(path);
    }
    Ok(paths)
}
