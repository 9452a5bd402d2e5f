//! A benchmark's table: each bound beside what was measured.

use std::fmt::Write;

/// Whether a bound was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Held,
    Missed,
    /// There is no bound: the figure is for scale.
    Unbound,
    /// It was not measured; the row says why.
    Skipped,
}

impl Verdict {
    pub(super) fn of(held: bool) -> Verdict {
        if held { Verdict::Held } else { Verdict::Missed }
    }

    fn text(self) -> &'static str {
        match self {
            Verdict::Held => "held",
            Verdict::Missed => "**missed**",
            Verdict::Unbound => "",
            Verdict::Skipped => "**skipped**",
        }
    }
}

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) bound: String,
    pub(super) ours: String,
    pub(super) theirs: String,
    pub(super) ratio: String,
    pub(super) verdict: Verdict,
}

impl Row {
    /// What could not be measured, and why.
    pub(super) fn skipped(what: &str, bound: &str, why: &str) -> Row {
        Row {
            what: what.to_owned(),
            bound: bound.to_owned(),
            ours: why.to_owned(),
            theirs: String::new(),
            ratio: String::new(),
            verdict: Verdict::Skipped,
        }
    }
}

/// The rows as a Markdown table; `columns` are the heads of ours and theirs.
pub(super) fn markdown(columns: [&str; 2], rows: &[Row]) -> String {
    let mut text = format!("| | bound | {} | {} | ratio | |\n", columns[0], columns[1]);
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let Row { what, bound, ours, theirs, ratio, verdict } = row;
        writeln!(text, "| {what} | {bound} | {ours} | {theirs} | {ratio} | {} |", verdict.text())
            .expect("a text can be written to");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_its_bound_and_whether_it_was_held() {
        let row = Row {
            what: "start".into(),
            bound: "< 20 ms".into(),
            ours: "3 ms".into(),
            theirs: "4,000 ms".into(),
            ratio: String::new(),
            verdict: Verdict::of(true),
        };
        let text = markdown(["ours", "theirs"], &[row, Row::skipped("calls", ">= 2.0", "no peers")]);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            ["| start | < 20 ms | 3 ms | 4,000 ms |  | held |", "| calls | >= 2.0 | no peers |  |  | **skipped** |"]
        );
    }
}
