//! From runs to a board: one pass over the runs, one over the cells, one sort of the rows.

use std::collections::HashMap;

use warren_proto::scoreboard::{Cell, ComputeReply, ComputeRequest, Row, Rules};
use warren_rpc::Status;

use crate::{
    first_to_solve::FirstToSolve,
    freeze::{Freeze, SeenRun},
    rank::rank,
    rules::{Scoring, Total, icpc::Icpc, points, points::Points},
    validate,
};

/// Computes a board from nothing but its request: the same request, the same board.
///
/// The order of runs and contestants in the request does not matter; that of problems is the board's.
///
/// # Errors
///
/// `invalid_argument` if the request is wrong; the message names the place: `runs[3].contestant: ...`.
pub fn compute(request: &ComputeRequest) -> Result<ComputeReply, Status> {
    validate::request(request)?;
    Ok(standings(request))
}

/// The board of a request whose contest is valid. Runs of contestants or problems that it does not name are left out.
pub(crate) fn standings(request: &ComputeRequest) -> ComputeReply {
    let runs = seen_runs(request);
    let rows = match request.rules {
        Rules::Icpc { penalty_minutes, penalize_compile_errors } => {
            board(request, &runs, &Icpc { penalty_minutes, penalize_compile_errors })
        }
        Rules::Points { score_mode, penalty_type, penalty_minutes, penalty_policy } => {
            let penalty_per_try = penalty_minutes;
            let problems = &request.problems;
            board(request, &runs, &Points { score_mode, penalty_type, penalty_per_try, penalty_policy, problems })
        }
    };
    ComputeReply { rows }
}

/// The runs that count, as the audience sees them, by their times and then their ids.
fn seen_runs(request: &ComputeRequest) -> Vec<SeenRun<'_>> {
    let contestants: HashMap<&str, usize> = request.contestants.iter().map(|one| one.id.as_str()).zip(0..).collect();
    let problems: HashMap<&str, usize> = request.problems.iter().map(|one| one.id.as_str()).zip(0..).collect();
    let freeze = Freeze::of(request);

    let mut runs: Vec<_> = request.runs.iter().filter(|run| run.time_ms < request.duration_ms).collect();
    runs.sort_unstable_by(|a, b| (a.time_ms, &a.id).cmp(&(b.time_ms, &b.id)));
    runs.into_iter()
        .filter_map(|run| {
            let contestant = *contestants.get(run.contestant.as_str())?;
            let problem = *problems.get(run.problem.as_str())?;
            Some(freeze.show(run, contestant, problem))
        })
        .collect()
}

fn board<'a, S: Scoring<'a>>(request: &'a ComputeRequest, runs: &[SeenRun<'a>], scoring: &'a S) -> Vec<Row> {
    let grid = Grid::fill(request, runs, scoring);
    let totals: Vec<_> = (0..request.contestants.len()).map(|row| scoring.total(grid.cells(row))).collect();
    let standings: Vec<_> = totals.iter().map(|total| &total.standing).collect();
    let ranked = rank(&standings, |row| &request.contestants[row].id);
    ranked.into_iter().map(|(row, rank)| grid.show(row, rank, &totals[row])).collect()
}

/// All cells of a board, in the request's order.
struct Grid<'a, S: Scoring<'a>> {
    request: &'a ComputeRequest,
    scoring: &'a S,
    /// Row by row.
    cells: Vec<S::Cell>,
    /// A problem each.
    firsts: Vec<FirstToSolve>,
}

impl<'a, S: Scoring<'a>> Grid<'a, S> {
    fn fill(request: &'a ComputeRequest, runs: &[SeenRun<'a>], scoring: &'a S) -> Self {
        let (rows, columns) = (request.contestants.len(), request.problems.len());
        let mut cells = vec![S::Cell::default(); rows * columns];
        let mut firsts = vec![FirstToSolve::default(); columns];
        for run in runs {
            scoring.count(&mut cells[run.contestant * columns + run.problem], run);
            if run.judged.is_none() {
                firsts[run.problem].note_unjudged(run);
            }
        }
        for (cell, problem) in cells.iter().zip((0..columns).cycle()) {
            if let Some(time_ms) = scoring.summary(cell).solved_at_ms {
                firsts[problem].note_solved(time_ms);
            }
        }
        Self { request, scoring, cells, firsts }
    }

    fn cells(&self, row: usize) -> &[S::Cell] {
        let columns = self.firsts.len();
        &self.cells[row * columns..(row + 1) * columns]
    }

    fn show(&self, row: usize, rank: u32, total: &Total<S::Standing>) -> Row {
        let cells = self.request.problems.iter().zip(self.cells(row)).zip(&self.firsts);
        Row {
            rank,
            contestant: self.request.contestants[row].id.clone(),
            solved: total.solved,
            penalty: total.penalty,
            points: points::from_hundredths(total.points_hundredths),
            problems: cells.map(|((problem, cell), first)| self.show_cell(row, &problem.id, cell, first)).collect(),
        }
    }

    fn show_cell(&self, row: usize, problem: &str, cell: &S::Cell, first: &FirstToSolve) -> Cell {
        let summary = self.scoring.summary(cell);
        Cell {
            problem: problem.to_owned(),
            tries: summary.tries,
            pending: summary.pending,
            solved: summary.solved_at_ms.is_some(),
            time_ms: summary.solved_at_ms,
            points: points::from_hundredths(summary.points_hundredths),
            first_to_solve: summary.solved_at_ms.is_some_and(|time_ms| first.is_first(row, time_ms)),
        }
    }
}
