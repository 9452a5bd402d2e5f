//! `docs/benchmarks.md`: each benchmark owns the part between its two marks.

use std::fs;

use anyhow::Context;

use crate::workspace;

const HEAD: &str = "# Benchmarks\n\nWritten by `cargo xtask bench`, one part a benchmark.\n";

/// Puts `text` in the place of the part `name`, or at the end if there is none yet.
pub(super) fn write(name: &str, text: &str) -> anyhow::Result<()> {
    let path = workspace::root().join("docs/benchmarks.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
    fs::write(&path, with_part(&page, name, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file that the page shows, beside it.
pub(super) fn write_beside(name: &str, text: &str) -> anyhow::Result<()> {
    let path = workspace::root().join("docs").join(name);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn with_part(page: &str, name: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let (before, after) = match (page.split_once(&begin), page.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => (before.to_owned(), after),
        _ => (format!("{page}\n"), ""),
    };
    format!("{before}{begin}{text}{end}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_added_once_and_replaced_after_that() {
        let page = with_part(&with_part("# Head\n", "one", "1\n"), "two", "2\n");
        let again = with_part(&page, "one", "changed\n");
        assert_eq!(
            again,
            "# Head\n\n<!-- one: begin -->\nchanged\n<!-- one: end -->\n\n<!-- two: begin -->\n2\n<!-- two: end -->\n"
        );
    }
}
