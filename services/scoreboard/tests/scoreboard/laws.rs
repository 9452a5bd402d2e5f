//! What holds for every board.

use proptest::{prelude::*, sample::select};
use warren_proto::{
    grading::Verdict,
    scoreboard::{
        Audience, Cell, ComputeReply, ComputeRequest, PenaltyPolicy, PenaltyType, Row, Rules, Run, ScoreMode,
    },
};
use warren_scoreboard::compute;

use super::contests::{self, MINUTE_MS};

const FREEZE_MS: u64 = 20 * MINUTE_MS;
const DURATION_MS: u64 = 30 * MINUTE_MS;

fn rules() -> impl Strategy<Value = Rules> {
    let icpc = (0_u64..30, any::<bool>()).prop_map(|(penalty_minutes, penalize_compile_errors)| Rules::Icpc {
        penalty_minutes,
        penalize_compile_errors,
    });
    let points = (
        select(vec![ScoreMode::Partial, ScoreMode::AllOrNothing, ScoreMode::MaxPerGroup]),
        select(vec![PenaltyType::None, PenaltyType::Runtime, PenaltyType::ContestStart, PenaltyType::ProblemOpen]),
        0_u64..30,
        select(vec![PenaltyPolicy::Sum, PenaltyPolicy::Max]),
    )
        .prop_map(|(score_mode, penalty_type, penalty_minutes, penalty_policy)| Rules::Points {
            score_mode,
            penalty_type,
            penalty_minutes,
            penalty_policy,
        });
    prop_oneof![icpc, points]
}

fn run() -> impl Strategy<Value = Run> {
    let share = || (0_u32..=4).prop_map(|quarters| format!("{}e-2", quarters * 25).parse().expect("a share"));
    (
        (0..4_usize, 0..3_usize),
        // Few different moments, so that they coincide; some at the freeze, some after the end.
        (0_u64..35).prop_map(|minute| minute * MINUTE_MS),
        prop::option::weighted(0.8, select(Verdict::ALL.to_vec())),
        prop::option::of(share()),
        prop::collection::btree_map(select(vec!["easy".to_owned(), "hard".to_owned()]), share(), 0..3),
        (0_u64..1000, 0_u64..DURATION_MS),
    )
        .prop_map(|((contestant, problem), time_ms, verdict, score, groups, (runtime_ms, opened_ms))| {
            let (id, contestant, problem) = (String::new(), format!("t{contestant}"), format!("P{problem}"));
            Run { id, contestant, problem, time_ms, verdict, score, groups, runtime_ms, opened_ms }
        })
}

fn request() -> impl Strategy<Value = ComputeRequest> {
    (rules(), prop::collection::vec(run(), 0..40)).prop_map(|(rules, mut runs)| {
        for (index, run) in runs.iter_mut().enumerate() {
            run.id = format!("r{index:02}");
        }
        let mut request = contests::contest(rules, DURATION_MS);
        request.freeze_ms = Some(FREEZE_MS);
        request.problems = ["P0", "P1", "P2"].map(contests::problem).into();
        request.contestants = ["t0", "t1", "t2", "t3"].map(contests::contestant).into();
        request.runs = runs;
        request
    })
}

fn board(request: &ComputeRequest) -> ComputeReply {
    compute(request).expect("a valid request")
}

fn public(request: &ComputeRequest) -> ComputeReply {
    board(&ComputeRequest { audience: Audience::Public, ..request.clone() })
}

proptest! {
    #[test]
    fn the_order_of_runs_and_contestants_does_not_matter(
        (request, runs, contestants) in request().prop_flat_map(|request| {
            let runs = Just(request.runs.clone()).prop_shuffle();
            let contestants = Just(request.contestants.clone()).prop_shuffle();
            (Just(request), runs, contestants)
        })
    ) {
        let shuffled = ComputeRequest { runs, contestants, ..request.clone() };
        prop_assert_eq!(board(&shuffled), board(&request));
    }

    #[test]
    fn ranks_follow_the_order(request in request()) {
        let rows = board(&request).rows;
        prop_assert_eq!(rows.len(), 4);
        for (index, row) in rows.iter().enumerate() {
            let first_equal = rows.iter().position(|other| other.rank == row.rank).expect("itself");
            prop_assert_eq!(row.rank as usize, first_equal + 1);
            let Some(above) = index.checked_sub(1).map(|above| &rows[above]) else { continue };
            let merits = |row: &Row| (row.points.clone(), row.solved, std::cmp::Reverse(row.penalty));
            match request.rules {
                Rules::Icpc { .. } => prop_assert!(merits(above) >= merits(row)),
                Rules::Points { .. } => {
                    prop_assert!(above.points > row.points || above.penalty <= row.penalty);
                    let equal = (&above.points, above.penalty) == (&row.points, row.penalty);
                    prop_assert_eq!(equal, above.rank == row.rank);
                }
            }
            if above.rank == row.rank {
                prop_assert!(above.contestant < row.contestant);
                prop_assert_eq!((&above.points, above.penalty), (&row.points, row.penalty));
            }
        }
    }

    #[test]
    fn rows_are_made_of_their_cells(request in request()) {
        for row in board(&request).rows {
            let solved = row.problems.iter().filter(|cell| cell.solved).count();
            prop_assert_eq!(row.solved as usize, solved);
            let points: bigdecimal::BigDecimal =
                row.problems.iter().map(|cell| cell.points.clone().into_inner()).sum();
            prop_assert_eq!(row.points.into_inner(), points);
            prop_assert!(row.problems.iter().all(|cell| cell.solved == cell.time_ms.is_some()));
            prop_assert!(row.problems.iter().all(|cell| cell.solved || !cell.first_to_solve));
        }
    }

    #[test]
    fn the_public_learns_nothing_of_a_verdict_of_the_freeze(
        request in request(),
        others in prop::collection::vec(run(), 40),
    ) {
        let mut otherwise = request.clone();
        for (run, other) in otherwise.runs.iter_mut().zip(others).filter(|(run, _)| run.time_ms >= FREEZE_MS) {
            run.verdict = other.verdict;
            run.score = other.score;
            run.groups = other.groups;
            run.runtime_ms = other.runtime_ms;
            run.opened_ms = other.opened_ms;
        }
        prop_assert_eq!(public(&otherwise), public(&request));
    }

    #[test]
    fn in_the_freeze_the_public_sees_the_board_before_it_and_counts(request in request()) {
        let mut before = request.clone();
        before.runs.retain(|run| run.time_ms < FREEZE_MS);
        let (public, before) = (public(&request), board(&before));
        let icpc = matches!(request.rules, Rules::Icpc { .. });
        let late = |row: &Row, cell: &Cell| {
            let frozen = FREEZE_MS..DURATION_MS;
            let here = |run: &&Run| run.contestant == row.contestant && run.problem == cell.problem;
            request.runs.iter().filter(here).filter(|run| frozen.contains(&run.time_ms)).count()
        };
        let mut expected = before;
        for row in &mut expected.rows {
            let late: Vec<_> = row.problems.iter().map(|cell| late(row, cell)).collect();
            for (cell, late) in row.problems.iter_mut().zip(late) {
                if !(icpc && cell.solved) {
                    cell.pending += u32::try_from(late).expect("few");
                }
            }
        }
        prop_assert_eq!(public, expected);
    }

    #[test]
    fn a_rejection_changes_no_other_row(request in request(), rejected in run()) {
        let before = board(&request);
        let contestant = rejected.contestant.clone();
        let verdict = Some(Verdict::Wa);
        let mut request = request;
        let groups = Default::default();
        request.runs.push(Run { id: "rejected".to_owned(), verdict, score: None, groups, ..rejected });
        let after = board(&request);
        for row in before.rows.iter().filter(|row| row.contestant != contestant) {
            // Others may only move against the contestant's own row.
            let same = Row { rank: row.rank, ..contests::row(&after, &row.contestant).clone() };
            prop_assert_eq!(row, &same);
        }
    }

    #[test]
    fn an_icpc_rejection_never_helps(request in request(), rejected in run()) {
        let mut request = ComputeRequest { rules: contests::ICPC, ..request };
        let contestant = rejected.contestant.clone();
        let before = contests::row(&board(&request), &contestant).clone();
        request.runs.push(Run { id: "rejected".to_owned(), verdict: Some(Verdict::Wa), ..rejected });
        let after = board(&request);
        let after = contests::row(&after, &contestant);
        prop_assert!(after.solved == before.solved && after.penalty >= before.penalty && after.rank >= before.rank);
    }

    #[test]
    fn first_to_solve_is_who_would_be_first_whatever_the_judge_says(
        request in request(),
        others in prop::collection::vec(select(Verdict::ALL.to_vec()), 40),
    ) {
        let before = board(&ComputeRequest { rules: contests::ICPC, ..request.clone() });
        let mut judged = ComputeRequest { rules: contests::ICPC, ..request };
        for (run, verdict) in judged.runs.iter_mut().zip(others) {
            run.verdict.get_or_insert(verdict);
        }
        let after = board(&judged);
        for row in &before.rows {
            for cell in row.problems.iter().filter(|cell| cell.first_to_solve) {
                prop_assert!(contests::cell(&after, &row.contestant, &cell.problem).first_to_solve);
            }
        }
    }
}
