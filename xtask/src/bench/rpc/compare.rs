//! Two figures beside each other, and what their ratio must be.

use super::super::number::number;
use super::super::series::Series;
use super::super::table::{Row, Verdict};

/// What the ratio of our median and the other must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(super) fn text(self) -> String {
        match self {
            Bound::AtLeast(times) => format!(">= {times} times"),
            Bound::AtMost(times) => format!("<= {times} times"),
        }
    }

    /// What is no number is held by no bound.
    fn verdict(self, ratio: f64) -> Verdict {
        Verdict::of(match self {
            Bound::AtLeast(times) => ratio >= times,
            Bound::AtMost(times) => ratio <= times,
        })
    }
}

/// The row for two figures that `text` writes; skipped, with what there is, if theirs is missing.
pub(super) fn row(
    what: &str,
    bound: Bound,
    ours: &Series,
    theirs: &Result<Series, String>,
    text: impl Fn(f64) -> String,
) -> Row {
    let (theirs_text, ratio, verdict) = match theirs {
        Ok(theirs) => {
            let ratio = ours.median() / theirs.median();
            (theirs.text(&text), number(ratio, 2), bound.verdict(ratio))
        }
        Err(why) => (why.clone(), String::new(), Verdict::Skipped),
    };
    Row { what: what.to_owned(), bound: bound.text(), ours: ours.text(&text), theirs: theirs_text, ratio, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(bound: Bound, ours: &[f64], theirs: &[f64]) -> Row {
        let [ours, theirs] = [ours, theirs].map(|values| values.iter().copied().collect::<Series>());
        row("calls", bound, &ours, &Ok(theirs), |value| number(value, 0))
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let row = compared(Bound::AtLeast(1.8), &[10.0, 20.0, 90.0], &[10.0, 5.0, 11.0]);
        assert_eq!((row.ratio.as_str(), row.verdict), ("2.00", Verdict::Held));
        assert_eq!((row.ours.as_str(), row.theirs.as_str()), ("20 (10 to 90)", "10 (5 to 11)"));
    }

    #[test]
    fn a_bound_is_held_up_to_its_edge_and_missed_beyond() {
        let verdict = |bound, ours| compared(bound, &[ours], &[100.0]).verdict;
        assert_eq!(verdict(Bound::AtLeast(0.9), 90.0), Verdict::Held);
        assert_eq!(verdict(Bound::AtLeast(0.9), 89.9), Verdict::Missed);
        assert_eq!(verdict(Bound::AtMost(1.1), 110.0), Verdict::Held);
        assert_eq!(verdict(Bound::AtMost(1.1), 110.2), Verdict::Missed);
        assert_eq!(compared(Bound::AtMost(1.1), &[], &[1.0]).verdict, Verdict::Missed);
    }

    #[test]
    fn without_the_other_figure_a_row_is_skipped_with_the_reason() {
        let ours = [1.0].into_iter().collect();
        let row = row("calls", Bound::AtLeast(1.25), &ours, &Err("no kanin".to_owned()), |value| number(value, 0));
        assert_eq!((row.ours.as_str(), row.theirs.as_str(), row.ratio.as_str()), ("1", "no kanin", ""));
        assert_eq!((row.verdict, row.bound.as_str()), (Verdict::Skipped, ">= 1.25 times"));
    }
}
