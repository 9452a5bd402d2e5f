//! Boards by points: omegaUp's rule (`Scoreboard.php`, `DAO/RunsGroups.php`).
//!
//! - `CE`, `JE` and `VE` are not looked at. Every other judged run is a try, also after all points are won.
//! - `partial`, `all_or_nothing`: a run's points are its score's share of the problem's, rounded half up to 2 decimals.
//!   Its penalty is that of [`PenaltyType`] and [`Points::penalty_per_try`] for each try before it. It replaces the
//!   cell if it has more points, or as many for less penalty; so a run without points never brings a penalty.
//! - `max_per_group`: the cell has the best score of each group over all runs, at most all points together. Its
//!   penalty is the largest of the runs' own: there omegaUp adds nothing for tries, and lets the contest's
//!   [`PenaltyPolicy`] decide between cells only.
//! - A cell is solved once it shows all of the problem's points; a problem worth nothing, by a full score.

use std::{cmp::Reverse, collections::BTreeMap, sync::LazyLock};

use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive};
use warren_proto::{
    Decimal,
    grading::Verdict,
    scoreboard::{PenaltyPolicy, PenaltyType, Problem, ScoreMode},
};

use super::{CellSummary, Scoring, Total, minutes};
use crate::freeze::{Judged, SeenRun};

/// The settings of the rule, and what each problem is worth.
#[derive(Debug)]
pub(crate) struct Points<'a> {
    pub(crate) score_mode: ScoreMode,
    pub(crate) penalty_type: PenaltyType,
    /// In the unit of [`Self::penalty_type`].
    pub(crate) penalty_per_try: u64,
    pub(crate) penalty_policy: PenaltyPolicy,
    pub(crate) problems: &'a [Problem],
}

/// What is known so far of a contestant's work on a problem.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell<'a> {
    tries: u32,
    pending: u32,
    solved_at_ms: Option<u64>,
    points_hundredths: u64,
    penalty: u64,
    groups: BestOfGroups<'a>,
}

/// The best score of each group, under `max_per_group`.
#[derive(Clone, Debug, Default)]
struct BestOfGroups<'a> {
    best: BTreeMap<&'a str, &'a BigDecimal>,
    sum: BigDecimal,
    /// The largest of the runs' own penalties.
    penalty: u64,
}

impl<'a> BestOfGroups<'a> {
    fn raise(&mut self, group: &'a str, score: &'a BigDecimal) {
        let best = self.best.get(group).copied();
        if best.is_none_or(|best| score > best) {
            self.sum += score;
            if let Some(best) = best {
                self.sum -= best;
            }
            self.best.insert(group, score);
        }
    }
}

impl<'a> Points<'a> {
    /// A run's own penalty, without what earlier tries add.
    fn run_penalty(&self, time_ms: u64, judged: &Judged<'_>) -> u64 {
        match self.penalty_type {
            PenaltyType::None => 0,
            PenaltyType::Runtime => judged.runtime_ms,
            PenaltyType::ContestStart => minutes(time_ms),
            // Clocks differ: who hands in before opening has used no time.
            PenaltyType::ProblemOpen => minutes(time_ms.saturating_sub(judged.opened_ms)),
        }
    }

    fn take_run(&self, cell: &mut Cell<'a>, run: &SeenRun<'a>, judged: &Judged<'a>) {
        let score = score(judged);
        let counts = self.score_mode == ScoreMode::Partial || score >= one();
        let points_hundredths = if counts { self.points_hundredths(run.problem, score) } else { 0 };
        let penalty = self.run_penalty(run.time_ms, judged) + self.penalty_per_try * u64::from(cell.tries);
        if (points_hundredths, Reverse(penalty)) > (cell.points_hundredths, Reverse(cell.penalty)) {
            cell.points_hundredths = points_hundredths;
            cell.penalty = penalty;
        }
        if counts && self.is_everything(run.problem, score, points_hundredths) {
            cell.solved_at_ms.get_or_insert(run.time_ms);
        }
    }

    fn take_groups(&self, cell: &mut Cell<'a>, run: &SeenRun<'a>, judged: &Judged<'a>) {
        if judged.groups.is_empty() {
            cell.groups.raise("", score(judged));
        }
        for (group, score) in judged.groups {
            cell.groups.raise(group, score);
        }
        cell.groups.penalty = cell.groups.penalty.max(self.run_penalty(run.time_ms, judged));

        // Shares that were rounded up may sum to a little more than everything.
        let share = std::cmp::min(&cell.groups.sum, one());
        cell.points_hundredths = self.points_hundredths(run.problem, share);
        cell.penalty = if cell.points_hundredths > 0 { cell.groups.penalty } else { 0 };
        if self.is_everything(run.problem, share, cell.points_hundredths) {
            cell.solved_at_ms.get_or_insert(run.time_ms);
        }
    }

    fn points_hundredths(&self, problem: usize, share: &BigDecimal) -> u64 {
        hundredths(&(&*self.problems[problem].points * share))
    }

    /// Whether these are all points of the problem, as far as the board shows them.
    fn is_everything(&self, problem: usize, share: &BigDecimal, points_hundredths: u64) -> bool {
        match hundredths(&self.problems[problem].points) {
            0 => share >= one(),
            all => points_hundredths >= all,
        }
    }
}

impl<'a> Scoring<'a> for Points<'a> {
    type Cell = Cell<'a>;
    type Standing = (Reverse<u64>, u64);

    fn count(&self, cell: &mut Cell<'a>, run: &SeenRun<'a>) {
        let Some(judged) = &run.judged else {
            cell.pending += 1;
            return;
        };
        if matches!(judged.verdict, Verdict::Ce | Verdict::Je | Verdict::Ve) {
            return;
        }
        match self.score_mode {
            ScoreMode::Partial | ScoreMode::AllOrNothing => self.take_run(cell, run, judged),
            ScoreMode::MaxPerGroup => self.take_groups(cell, run, judged),
        }
        cell.tries += 1;
    }

    fn summary(&self, cell: &Cell<'a>) -> CellSummary {
        CellSummary {
            tries: cell.tries,
            pending: cell.pending,
            solved_at_ms: cell.solved_at_ms,
            points_hundredths: cell.points_hundredths,
        }
    }

    fn total(&self, cells: &[Cell<'a>]) -> Total<Self::Standing> {
        let mut total = Total { standing: (Reverse(0), 0), solved: 0, penalty: 0, points_hundredths: 0 };
        for cell in cells {
            total.solved += u32::from(cell.solved_at_ms.is_some());
            total.points_hundredths += cell.points_hundredths;
            total.penalty = match self.penalty_policy {
                PenaltyPolicy::Sum => total.penalty + cell.penalty,
                PenaltyPolicy::Max => total.penalty.max(cell.penalty),
            };
        }
        total.standing = (Reverse(total.points_hundredths), total.penalty);
        total
    }
}

/// The share of the points that a run won: what it says, else all for `AC` and nothing for the rest.
fn score<'a>(judged: &Judged<'a>) -> &'a BigDecimal {
    match (judged.score, judged.verdict) {
        (Some(score), _) => score,
        (None, Verdict::Ac) => one(),
        (None, _) => zero(),
    }
}

/// Hundredths of a point, rounded half up.
fn hundredths(points: &BigDecimal) -> u64 {
    let rounded = (points * BigDecimal::from(100)).with_scale_round(0, RoundingMode::HalfUp);
    rounded.to_u64().expect("validation keeps points and shares between 0 and 1,000,000")
}

/// Points as the board shows them.
pub(crate) fn from_hundredths(hundredths: u64) -> Decimal {
    BigDecimal::new(hundredths.into(), 2).into()
}

fn zero() -> &'static BigDecimal {
    static ZERO: LazyLock<BigDecimal> = LazyLock::new(|| BigDecimal::from(0));
    &ZERO
}

fn one() -> &'static BigDecimal {
    static ONE: LazyLock<BigDecimal> = LazyLock::new(|| BigDecimal::from(1));
    &ONE
}

#[cfg(test)]
mod tests;
