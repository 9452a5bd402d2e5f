//! The ICPC rule, as the World Finals' and DOMjudge's boards apply it (`ScoreboardService::calculateScoreRow`).
//!
//! A solved problem costs the minute of its first accepted run and [`Icpc::penalty_minutes`] for each counted rejection
//! before. Rows stand by problems solved, penalty, then the minute of the last accepted run. Nothing after the first
//! accepted run of a cell is looked at, pending runs included.

use std::cmp::Reverse;

use warren_proto::grading::Verdict;

use super::{CellSummary, Scoring, Total, minutes};
use crate::freeze::SeenRun;

/// The settings of the rule.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Icpc {
    /// Minutes for each counted rejection before the first accepted run.
    pub(crate) penalty_minutes: u64,
    /// Whether `CE` counts as a rejection; `JE` never does.
    pub(crate) penalize_compile_errors: bool,
}

/// What is known so far of a contestant's work on a problem.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    tries: u32,
    pending: u32,
    solved_at_ms: Option<u64>,
}

impl Icpc {
    fn is_free(self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Je => true,
            Verdict::Ce => !self.penalize_compile_errors,
            _ => false,
        }
    }

    /// What a cell adds to its row's penalty: nothing until it is solved.
    fn penalty(self, cell: &Cell) -> Option<u64> {
        // The accepted run is the last of the tries.
        let rejections = u64::from(cell.tries.saturating_sub(1));
        cell.solved_at_ms.map(|time_ms| minutes(time_ms) + self.penalty_minutes * rejections)
    }
}

impl<'a> Scoring<'a> for Icpc {
    type Cell = Cell;
    type Standing = (Reverse<u32>, u64, u64);

    fn count(&self, cell: &mut Cell, run: &SeenRun<'a>) {
        if cell.solved_at_ms.is_some() {
            return;
        }
        match &run.judged {
            None => cell.pending += 1,
            Some(judged) if self.is_free(judged.verdict) => {}
            Some(judged) => {
                cell.tries += 1;
                if judged.verdict == Verdict::Ac {
                    cell.solved_at_ms = Some(run.time_ms);
                }
            }
        }
    }

    fn summary(&self, cell: &Cell) -> CellSummary {
        CellSummary { tries: cell.tries, pending: cell.pending, solved_at_ms: cell.solved_at_ms, points_hundredths: 0 }
    }

    fn total(&self, cells: &[Cell]) -> Total<Self::Standing> {
        let mut total = Total { standing: (Reverse(0), 0, 0), solved: 0, penalty: 0, points_hundredths: 0 };
        let mut last_accepted_minute = 0;
        for cell in cells {
            if let (Some(penalty), Some(time_ms)) = (self.penalty(cell), cell.solved_at_ms) {
                total.solved += 1;
                total.penalty += penalty;
                last_accepted_minute = last_accepted_minute.max(minutes(time_ms));
            }
        }
        total.standing = (Reverse(total.solved), total.penalty, last_accepted_minute);
        total
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use warren_proto::scoreboard::Rules;

    use crate::testing::{ICPC, MINUTE_MS, board, contest};

    /// The board without the contestants who did nothing.
    fn lines(rules: Rules, runs: &[&str]) -> String {
        let board = board(&contest(rules, runs));
        board.lines().filter(|line| line.contains('[')).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn a_solved_problem_costs_its_minute_and_the_rejections_before() {
        let runs = ["t1 A 10 WA", "t1 A 20 TLE", "t1 A 30 AC", "t1 B 40 RTE"];
        assert_snapshot!(lines(ICPC, &runs), @"1 t1 solved 1 penalty 70 A[3t @30 first] B[1t]");
    }

    #[test]
    fn a_minute_is_rounded_down() {
        let mut request = contest(ICPC, &["t1 A 10 AC"]);
        request.runs[0].time_ms = 11 * MINUTE_MS - 1;
        assert!(board(&request).starts_with("1 t1 solved 1 penalty 10 "));
    }

    #[test]
    fn compile_errors_are_free_unless_the_contest_says_otherwise() {
        let runs = ["t1 A 10 CE", "t1 A 30 AC"];
        assert_snapshot!(lines(ICPC, &runs), @"1 t1 solved 1 penalty 30 A[1t @30 first]");
        let strict = Rules::Icpc { penalty_minutes: 5, penalize_compile_errors: true };
        assert_snapshot!(lines(strict, &runs), @"1 t1 solved 1 penalty 35 A[2t @30 first]");
    }

    #[test]
    fn judge_errors_are_always_free() {
        let strict = Rules::Icpc { penalty_minutes: 20, penalize_compile_errors: true };
        assert_snapshot!(lines(strict, &["t1 A 10 JE", "t1 A 30 AC"]), @"1 t1 solved 1 penalty 30 A[1t @30 first]");
    }

    #[test]
    fn nothing_counts_after_the_first_accepted_run() {
        let runs = ["t1 A 10 AC", "t1 A 20 WA", "t1 A 30 AC", "t1 A 40 ?"];
        assert_snapshot!(lines(ICPC, &runs), @"1 t1 solved 1 penalty 10 A[1t @10 first]");
    }

    #[test]
    fn an_unjudged_run_is_pending_and_no_try() {
        assert_snapshot!(lines(ICPC, &["t1 A 10 ?", "t1 A 20 AC"]), @"1 t1 solved 1 penalty 20 A[1t 1p @20 first]");
    }

    #[test]
    fn runs_at_the_end_or_after_do_not_count() {
        let mut request = contest(ICPC, &["t1 A 300 AC", "t2 A 301 ?", "t3 A 300 AC"]);
        request.runs[2].time_ms -= 1;
        assert_snapshot!(board(&request), @r"
        1 t3 solved 1 penalty 299 A[1t @299 first]
        2 t1 solved 0 penalty 0
        2 t2 solved 0 penalty 0
        2 t4 solved 0 penalty 0
        ");
    }

    #[test]
    fn rows_stand_by_solved_then_penalty_then_last_accepted() {
        let runs = [
            // 2 solved, penalty 60, last in minute 40
            "t3 A 20 AC",
            "t3 B 40 AC",
            // 2 solved, penalty 60, last in minute 50
            "t1 A 10 AC",
            "t1 B 50 AC",
            // 2 solved, penalty 50
            "t4 A 25 AC",
            "t4 B 25 AC",
            // 1 solved, penalty 1
            "t2 C 1 AC",
        ];
        assert_snapshot!(lines(ICPC, &runs), @r"
        1 t4 solved 2 penalty 50 A[1t @25] B[1t @25 first]
        2 t3 solved 2 penalty 60 A[1t @20] B[1t @40]
        3 t1 solved 2 penalty 60 A[1t @10 first] B[1t @50]
        4 t2 solved 1 penalty 1 C[1t @1 first]
        ");
    }

    #[test]
    fn the_last_accepted_run_is_compared_by_its_minute() {
        let mut request = contest(ICPC, &["t2 A 10 AC", "t1 B 10 AC", "t3 A 11 AC"]);
        request.runs[0].time_ms += 30_000;
        assert_snapshot!(board(&request), @r"
        1 t1 solved 1 penalty 10 B[1t @10 first]
        1 t2 solved 1 penalty 10 A[1t @10 first]
        3 t3 solved 1 penalty 11 A[1t @11]
        4 t4 solved 0 penalty 0
        ");
    }

    #[test]
    fn runs_of_one_moment_are_taken_by_id() {
        let mut request = contest(ICPC, &["t1 A 10 AC", "t1 A 10 WA"]);
        assert!(board(&request).starts_with("1 t1 solved 1 penalty 10 A[1t @10 first]"));
        request.runs[0].id = "r999".to_owned();
        assert!(board(&request).starts_with("1 t1 solved 1 penalty 30 A[2t @10 first]"));
    }
}
