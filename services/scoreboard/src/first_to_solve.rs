//! Who solved a problem first, once that is certain.
//!
//! A contestant is first to solve a problem if nobody solved it at an earlier millisecond, and no earlier run of
//! somebody else is still unjudged for this audience: it might be accepted yet. An unjudged run of their own takes
//! nothing from them. Those who solve it in the same millisecond are all first, as on DOMjudge's boards and in CLICS
//! awards, which name several teams: the order of submission ids is no reason to prefer one.

use crate::freeze::SeenRun;

/// What decides who was first, for one problem.
#[derive(Clone, Debug, Default)]
pub(crate) struct FirstToSolve {
    solved_at_ms: Option<u64>,
    /// The earliest unjudged run, and whose it is.
    unjudged: Option<(u64, usize)>,
    /// The earliest unjudged run of anybody else.
    unjudged_of_others: Option<u64>,
}

impl FirstToSolve {
    /// Takes in an unjudged run of the problem. Runs must come in the order of their times.
    pub(crate) fn note_unjudged(&mut self, run: &SeenRun<'_>) {
        match self.unjudged {
            None => self.unjudged = Some((run.time_ms, run.contestant)),
            Some((_, contestant)) if contestant == run.contestant => {}
            Some(_) => {
                self.unjudged_of_others.get_or_insert(run.time_ms);
            }
        }
    }

    /// Takes in that somebody solved the problem, in any order.
    pub(crate) fn note_solved(&mut self, time_ms: u64) {
        self.solved_at_ms = Some(self.solved_at_ms.map_or(time_ms, |earliest| earliest.min(time_ms)));
    }

    /// Whether the contestant, who solved the problem then, was certainly the first.
    pub(crate) fn is_first(&self, contestant: usize, time_ms: u64) -> bool {
        let blocking_ms = match self.unjudged {
            Some((unjudged_ms, other)) if other != contestant => Some(unjudged_ms),
            _ => self.unjudged_of_others,
        };
        self.solved_at_ms == Some(time_ms) && blocking_ms.is_none_or(|unjudged_ms| unjudged_ms >= time_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        compute,
        testing::{ICPC, cell, contest},
    };

    /// Who is first to solve A.
    fn first(runs: &[&str]) -> Vec<String> {
        let reply = compute(&contest(ICPC, runs)).unwrap();
        let rows = reply.rows.iter().map(|row| row.contestant.clone());
        let mut first: Vec<_> = rows.filter(|contestant| cell(&reply, contestant, "A").first_to_solve).collect();
        first.sort();
        first
    }

    #[test]
    fn nobody_solved_it_before() {
        assert_eq!(first(&["t1 A 20 AC", "t2 A 10 WA", "t2 A 21 AC", "t3 B 1 AC"]), ["t1"]);
    }

    #[test]
    fn an_earlier_unjudged_run_of_another_blocks_it() {
        assert_eq!(first(&["t1 A 20 AC", "t2 A 10 ?"]), [""; 0]);
        assert_eq!(first(&["t1 A 20 AC", "t1 A 10 ?", "t2 A 15 ?"]), [""; 0]);
        assert_eq!(first(&["t1 A 20 AC", "t2 A 10 ?", "t2 A 11 ?", "t1 A 12 ?"]), [""; 0]);
    }

    #[test]
    fn later_and_own_and_other_unjudged_runs_do_not() {
        assert_eq!(first(&["t1 A 20 AC", "t2 A 21 ?"]), ["t1"]);
        assert_eq!(first(&["t1 A 20 AC", "t1 A 10 ?"]), ["t1"]);
        assert_eq!(first(&["t1 A 20 AC", "t2 B 10 ?"]), ["t1"]);
        assert_eq!(first(&["t1 A 20 AC", "t1 A 25 ?", "t2 A 26 ?"]), ["t1"]);
    }

    #[test]
    fn who_solved_it_before_cannot_be_overtaken_by_their_own_later_runs() {
        assert_eq!(first(&["t1 A 10 AC", "t1 A 15 ?", "t2 A 20 AC"]), ["t1"]);
    }

    #[test]
    fn who_solved_it_in_the_same_millisecond_are_all_first() {
        assert_eq!(first(&["t1 A 20 AC", "t2 A 20 AC", "t3 A 20 ?"]), ["t1", "t2"]);
        // t1's earlier run may yet make t1 the only one.
        assert_eq!(first(&["t1 A 20 AC", "t2 A 20 AC", "t1 A 10 ?"]), ["t1"]);
    }
}
