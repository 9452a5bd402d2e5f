//! What an audience may see of a run.
//!
//! Everything a verdict brings with it (score, run time) stands inside [`SeenRun::judged`], so that a rule cannot
//! look at what is hidden: during the freeze not even `CE` shows (DOMjudge, pull request 582).

use std::collections::BTreeMap;

use warren_proto::{
    Decimal,
    grading::Verdict,
    scoreboard::{Audience, ComputeRequest, Run},
};

/// From when on an audience sees no verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Freeze {
    from_ms: Option<u64>,
}

impl Freeze {
    /// The freeze of the request's contest, for the request's audience.
    pub(crate) fn of(request: &ComputeRequest) -> Self {
        match request.audience {
            Audience::Jury => Self { from_ms: None },
            Audience::Public => Self { from_ms: request.freeze_ms },
        }
    }

    /// The run as this audience sees it; its contestant and problem by their place in the request.
    pub(crate) fn show(self, run: &Run, contestant: usize, problem: usize) -> SeenRun<'_> {
        let hidden = self.from_ms.is_some_and(|from_ms| run.time_ms >= from_ms);
        let judged = run.verdict.filter(|_| !hidden).map(|verdict| Judged {
            verdict,
            score: run.score.as_ref(),
            groups: &run.groups,
            runtime_ms: run.runtime_ms,
            opened_ms: run.opened_ms,
        });
        SeenRun { contestant, problem, time_ms: run.time_ms, judged }
    }
}

/// A run as an audience sees it.
#[derive(Clone, Debug)]
pub(crate) struct SeenRun<'a> {
    /// Whose, as an index of the request's contestants.
    pub(crate) contestant: usize,
    /// For which problem, as an index of the request's problems.
    pub(crate) problem: usize,
    /// When, since the contest's start.
    pub(crate) time_ms: u64,
    /// What the judge said; absent: nothing yet, or nothing that this audience may know.
    pub(crate) judged: Option<Judged<'a>>,
}

/// What comes with a verdict.
#[derive(Clone, Debug)]
pub(crate) struct Judged<'a> {
    pub(crate) verdict: Verdict,
    pub(crate) score: Option<&'a Decimal>,
    pub(crate) groups: &'a BTreeMap<String, Decimal>,
    pub(crate) runtime_ms: u64,
    pub(crate) opened_ms: u64,
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use warren_proto::scoreboard::ScoreMode;

    use super::*;
    use crate::testing::{ICPC, MINUTE_MS, board, by_points, contest};

    fn frozen(mut request: ComputeRequest) -> ComputeRequest {
        request.freeze_ms = Some(240 * MINUTE_MS);
        request.audience = Audience::Public;
        request
    }

    const RUNS: [&str; 8] = [
        "t1 A 239 AC",
        "t1 A 241 WA",
        "t1 B 240 CE",
        "t1 B 250 AC",
        "t2 A 100 WA",
        "t2 A 245 AC",
        "t2 C 260 ?",
        "t3 C 255 AC",
    ];

    #[test]
    fn the_public_sees_tries_before_the_freeze_and_pending_after() {
        assert_snapshot!(board(&frozen(contest(ICPC, &RUNS))), @r"
        1 t1 solved 1 penalty 239 A[1t @239 first] B[2p]
        2 t2 solved 0 penalty 0 A[1t 1p] C[1p]
        2 t3 solved 0 penalty 0 C[1p]
        2 t4 solved 0 penalty 0
        ");
    }

    #[test]
    fn the_jury_sees_everything() {
        let request = ComputeRequest { audience: Audience::Jury, ..frozen(contest(ICPC, &RUNS)) };
        assert_snapshot!(board(&request), @r"
        1 t1 solved 2 penalty 489 A[1t @239 first] B[1t @250 first]
        2 t3 solved 1 penalty 255 C[1t @255 first]
        3 t2 solved 1 penalty 265 A[2t @245] C[1p]
        4 t4 solved 0 penalty 0
        ");
    }

    #[test]
    fn without_a_freeze_the_public_sees_everything() {
        let public = ComputeRequest { audience: Audience::Public, ..contest(ICPC, &RUNS) };
        assert_eq!(board(&public), board(&contest(ICPC, &RUNS)));
    }

    #[test]
    fn by_points_every_run_of_the_freeze_is_pending() {
        assert_snapshot!(board(&frozen(contest(by_points(ScoreMode::Partial), &RUNS))), @r"
        1 t1 solved 1 penalty 239 points 100 A[1t 1p @239 first 100] B[2p]
        2 t2 solved 0 penalty 0 A[1t 1p] C[1p]
        2 t3 solved 0 penalty 0 C[1p]
        2 t4 solved 0 penalty 0
        ");
    }
}
