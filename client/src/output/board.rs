//! A contest's board, for people.

use std::collections::BTreeMap;

use warren_proto::{
    contests::Contest,
    scoreboard::{Cell, GetReply, Rules},
};

use super::value::empty_table;

/// Draws a board: a row a contestant, a column a problem.
pub(crate) fn board(contest: &Contest, board: &GetReply) -> String {
    let icpc = matches!(contest.rules, Rules::Icpc { .. });
    let names: BTreeMap<&str, &str> = contest
        .contestants
        .iter()
        .map(|contestant| (contestant.id.as_str(), contestant.name.as_deref().unwrap_or(&contestant.id)))
        .collect();
    let mut table = empty_table();
    let mut header = vec!["#".to_owned(), "contestant".to_owned()];
    header.push(if icpc { "solved" } else { "points" }.to_owned());
    header.push("penalty".to_owned());
    header.extend(contest.problems.iter().map(|problem| problem.id.clone()));
    table.set_header(header);
    for row in &board.rows {
        let name = names.get(row.contestant.as_str()).copied().unwrap_or(&row.contestant);
        let mut cells = vec![row.rank.to_string(), name.to_owned()];
        cells.push(if icpc { row.solved.to_string() } else { row.points.to_string() });
        cells.push(row.penalty.to_string());
        cells.extend(row.problems.iter().map(|cell| draw(cell, icpc)));
        table.add_row(cells);
    }
    let frozen = if board.frozen { " (frozen)" } else { "" };
    format!("{}{frozen}\n{table}\n* first to solve, ? pending, (n) tries", board.title)
}

fn draw(cell: &Cell, icpc: bool) -> String {
    let mut parts = Vec::new();
    if cell.tries > 0 {
        let result = match (icpc, cell.solved) {
            (true, true) => format!("+{}'", cell.time_ms.unwrap_or_default() / 60_000),
            (true, false) => "-".to_owned(),
            (false, _) => cell.points.to_string(),
        };
        parts.push(format!("{result} ({})", cell.tries));
    }
    if cell.first_to_solve {
        parts.push("*".to_owned());
    }
    if cell.pending > 0 {
        parts.push(format!("{}?", cell.pending));
    }
    parts.join(" ")
}
