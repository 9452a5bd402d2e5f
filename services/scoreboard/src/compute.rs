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

fn board<'a, S: Scoring<'a>>(request: &'a ComputeRequest, runs: &[SeenRun<'a>], scoring: &S) -> Vec<Row> {
    let columns = request.problems.len();
    let mut cells = vec![S::Cell::default(); request.contestants.len() * columns];
    let mut firsts = vec![FirstToSolve::default(); columns];
    for run in runs {
        scoring.count(&mut cells[run.contestant * columns + run.problem], run);
        if run.judged.is_none() {
            firsts[run.problem].note_unjudged(run);
        }
    }

    let cells_of = |contestant: usize| &cells[contestant * columns..(contestant + 1) * columns];
    for contestant in 0..request.contestants.len() {
        for (cell, first) in cells_of(contestant).iter().zip(&mut firsts) {
            if let Some(time_ms) = scoring.summary(cell).solved_at_ms {
                first.note_solved(time_ms);
            }
        }
    }

    let totals: Vec<_> = (0..request.contestants.len()).map(|contestant| scoring.total(cells_of(contestant))).collect();
    let standings: Vec<_> = totals.iter().map(|total| &total.standing).collect();
    rank(&standings, |contestant| &request.contestants[contestant].id)
        .into_iter()
        .map(|(contestant, rank)| Row {
            problems: shown_cells(request, scoring, cells_of(contestant), &firsts, contestant),
            ..shown_row(&request.contestants[contestant].id, rank, &totals[contestant])
        })
        .collect()
}

fn shown_row<Standing>(contestant: &str, rank: u32, total: &Total<Standing>) -> Row {
    Row {
        rank,
        contestant: contestant.to_owned(),
        solved: total.solved,
        penalty: total.penalty,
        points: points::from_hundredths(total.points_hundredths),
        problems: Vec::new(),
    }
}

fn shown_cells<'a, S: Scoring<'a>>(
    request: &ComputeRequest,
    scoring: &S,
    cells: &[S::Cell],
    firsts: &[FirstToSolve],
    contestant: usize,
) -> Vec<Cell> {
    let shown = |((problem, cell), first): ((&warren_proto::scoreboard::Problem, &S::Cell), &FirstToSolve)| {
        let summary = scoring.summary(cell);
        Cell {
            problem: problem.id.clone(),
            tries: summary.tries,
            pending: summary.pending,
            solved: summary.solved_at_ms.is_some(),
            time_ms: summary.solved_at_ms,
            points: points::from_hundredths(summary.points_hundredths),
            first_to_solve: summary.solved_at_ms.is_some_and(|time_ms| first.is_first(contestant, time_ms)),
        }
    };
    request.problems.iter().zip(cells).zip(firsts).map(shown).collect()
}
