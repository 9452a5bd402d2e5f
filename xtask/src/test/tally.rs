//! How many tests passed, failed and were skipped, read from what `cargo test` prints.

/// The totals of a run of `cargo test` over many test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Marked `ignore`: the long ones.
    pub(crate) ignored: usize,
    /// The names of the failed tests.
    pub(crate) failures: Vec<String>,
    /// `NAME: REASON` of the tests that skipped themselves. libtest counts them as passed.
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// Takes one line of the output.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
            self.ignored += number_before(counts, " ignored");
        } else if let Some(test) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.failures.push(test.to_owned());
        }
    }

    /// `N passed, N failed, N skipped`: those that skipped themselves are no passes, those left for `--long` are
    /// skipped.
    pub(crate) fn line(&self) -> String {
        let passed = self.passed.saturating_sub(self.skipped.len());
        format!("{passed} passed, {} failed, {} skipped", self.failed, self.skipped.len() + self.ignored)
    }
}

/// 12 from `ok. 12 passed; 0 failed` for ` passed`, 0 if there is none.
fn number_before(text: &str, word: &str) -> usize {
    let end = text.find(word).unwrap_or(0);
    let start = text[..end].rfind(' ').map_or(0, |space| space + 1);
    text[start..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_add_up() {
        let mut tally = Tally::default();
        tally.read("test a::b ... ok");
        tally.read("test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        tally.read("test c::d ... FAILED");
        tally.read("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        assert_eq!(tally.line(), "15 passed, 1 failed, 2 skipped");
        assert_eq!(tally.failures, ["c::d"]);
    }

    #[test]
    fn a_test_that_skipped_itself_did_not_pass() {
        let mut tally = Tally { skipped: vec!["a: gcc is not installed".to_owned()], ..Tally::default() };
        tally.read("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s");
        assert_eq!(tally.line(), "11 passed, 0 failed, 1 skipped");
    }
}
