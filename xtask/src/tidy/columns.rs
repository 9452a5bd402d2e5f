//! The width of lines: rustfmt leaves comments, literals and macros as they are. A literal can be broken too: with a
//! backslash, or where what it says allows it.

use super::Source;

const COLUMNS_MAX: usize = 120;

pub(super) fn violations(source: &Source) -> Vec<String> {
    let path = source.path.display();
    let widths = source.text.lines().map(|line| line.chars().count()).enumerate();
    widths
        .filter(|(_, columns)| *columns > COLUMNS_MAX)
        .map(|(at, columns)| format!("{path}:{}: {columns} columns, at most {COLUMNS_MAX} are allowed", at + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_120_characters_is_the_widest_allowed() {
        let line = |columns: usize| format!("{}\n", "é".repeat(columns));
        let source = Source { path: "a.rs".into(), text: line(120) + &line(121) };
        assert_eq!(violations(&source), ["a.rs:2: 121 columns, at most 120 are allowed"]);
    }
}
