//! What is printed about the steps, and whether all is well.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::tally::Tally;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<(&'static str, Outcome, Duration)>,
}

impl Report {
    /// Runs a step that must succeed, and says whether it did. The later ones run even if it does not.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> anyhow::Result<()>) -> bool {
        self.run(name, Outcome::Failed, work).is_some()
    }

    /// Runs a step without which some tests skip themselves.
    pub(crate) fn optional_step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> Option<T> {
        self.run(name, Outcome::Skipped, work)
    }

    fn run<T>(&mut self, name: &'static str, or_else: Outcome, work: impl FnOnce() -> anyhow::Result<T>) -> Option<T> {
        println!("==> {name}");
        let started = Instant::now();
        let result = work().inspect_err(|error| println!("{name}: {error:#}"));
        let outcome = if result.is_ok() { Outcome::Passed } else { or_else };
        let took = started.elapsed();
        println!("<== {name}: {} in {:.1} s", word(outcome), took.as_secs_f64());
        self.steps.push((name, outcome, took));
        result.ok()
    }

    /// Prints the summary. With `skips_fail`, a step or a test that was skipped is a failure; a test left for `--long`
    /// is none.
    pub(crate) fn finish(&self, tally: &Tally, skips_fail: bool) -> ExitCode {
        println!("\nsummary");
        for (name, outcome, took) in &self.steps {
            println!("  {:<8} {name} ({:.1} s)", word(*outcome), took.as_secs_f64());
        }
        for test in &tally.failures {
            println!("  FAILED   test {test}");
        }
        for test in &tally.skipped {
            println!("  SKIPPED  test {test}");
        }
        if tally.ignored > 0 {
            println!("  {} tests wait for `cargo xtask test --long`", tally.ignored);
        }
        let passed = self.passed(tally, skips_fail);
        if !passed {
            let unskipped = self.passed(tally, false);
            println!("\n{}", if unskipped { "failed: CI=true, so nothing may be skipped" } else { "failed" });
        }
        println!("{}", tally.line());
        if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn passed(&self, tally: &Tally, skips_fail: bool) -> bool {
        let steps_passed = self.steps.iter().all(|(_, outcome, _)| match outcome {
            Outcome::Passed => true,
            Outcome::Failed => false,
            Outcome::Skipped => !skips_fail,
        });
        steps_passed && tally.failed == 0 && (tally.skipped.is_empty() || !skips_fail)
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "SKIPPED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_steps_run_after_a_failure_and_the_whole_fails() {
        let mut report = Report::default();
        report.step("first", || anyhow::bail!("no"));
        let mut ran = false;
        report.step("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert!(!report.passed(&Tally::default(), false));
    }

    #[test]
    fn a_skip_is_a_failure_only_where_a_machine_runs_the_tests() {
        let mut report = Report::default();
        report.step("first", || Ok(()));
        let skipping = Tally { skipped: vec!["a: no gcc".to_owned()], ..Tally::default() };
        assert!(report.passed(&skipping, false));
        assert!(!report.passed(&skipping, true));
        assert_eq!(report.optional_step("second", || -> anyhow::Result<()> { anyhow::bail!("offline") }), None);
        assert!(report.passed(&Tally::default(), false));
        assert!(!report.passed(&Tally::default(), true));
    }

    #[test]
    fn a_test_left_for_the_long_run_is_no_failure() {
        let tally = Tally { ignored: 2, ..Tally::default() };
        assert!(Report::default().passed(&tally, true));
    }
}
