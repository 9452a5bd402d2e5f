//! Whose submission is next: contest before practice, and nobody starves another by submitting often.
//!
//! The rule is DOMjudge's (`teampriority` of its queue tasks): a submission's turn is the later of a second after the
//! team's last turn and the submit time plus a minute for each submission of the team that is still open.

/// What each open submission costs the next one of the same team.
pub(crate) const OPEN_COST_MS: i64 = 60_000;

/// The least distance of two turns of a team: DOMjudge counts in seconds.
pub(crate) const STEP_MS: i64 = 1_000;

/// A team's submissions that are not judged yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenSubmissions {
    pub(crate) count: i64,
    /// The latest turn of them.
    pub(crate) last_turn_ms: Option<i64>,
}

/// What a submission is for; the smaller goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Contest = 0,
    Practice = 1,
}

impl Class {
    pub(crate) fn of(contest: Option<&str>) -> Self {
        if contest.is_some() { Self::Contest } else { Self::Practice }
    }
}

/// When a submission that came in at `received_at_ms` is due. Turns order the line; they are not waited for.
///
/// The instant of receipt counts, not the one that the caller claims: else a claim would jump the line.
pub(crate) fn turn_ms(received_at_ms: i64, open: OpenSubmissions) -> i64 {
    let by_open = received_at_ms.saturating_add(open.count.saturating_mul(OPEN_COST_MS));
    match open.last_turn_ms {
        Some(last) => by_open.max(last.saturating_add(STEP_MS)),
        None => by_open,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The turns of one team that submits at these instants, and nothing of it gets judged.
    fn turns(instants: &[i64]) -> Vec<i64> {
        let mut open = OpenSubmissions::default();
        let mut turns = Vec::new();
        for &instant in instants {
            let turn = turn_ms(instant, open);
            open = OpenSubmissions { count: open.count + 1, last_turn_ms: Some(turn) };
            turns.push(turn);
        }
        turns
    }

    #[test]
    fn without_open_submissions_it_is_the_submit_time() {
        assert_eq!(turn_ms(5_000, OpenSubmissions::default()), 5_000);
    }

    #[test]
    fn each_open_submission_costs_a_minute() {
        assert_eq!(turns(&[0, 10, 20]), [0, 60_010, 120_020]);
    }

    #[test]
    fn a_team_that_submits_a_hundred_does_not_delay_one_that_comes_a_minute_later() {
        let flood = turns(&[0; 100]);
        let other = turn_ms(59_999, OpenSubmissions::default());
        assert_eq!(flood.iter().filter(|&&turn| turn < other).count(), 1);
    }

    #[test]
    fn contest_goes_before_practice() {
        assert!(Class::of(Some("spring")) < Class::of(None));
    }

    proptest! {
        #[test]
        fn a_teams_own_order_is_kept(mut instants in proptest::collection::vec(0..10_000_000_i64, 1..50)) {
            instants.sort_unstable();
            let turns = turns(&instants);
            prop_assert!(turns.windows(2).all(|pair| pair[0] + STEP_MS <= pair[1]));
        }

        #[test]
        fn no_turn_is_before_the_submit_time(at in any::<i64>(), count in 0..1_000_i64, last in any::<Option<i64>>()) {
            let open = OpenSubmissions { count, last_turn_ms: last };
            prop_assert!(turn_ms(at, open) >= at);
        }

        #[test]
        fn a_flood_gets_one_turn_a_minute_ahead_of_a_team_that_comes_later(
            flood in 1..200_usize,
            later_ms in 0..3_600_000_i64,
        ) {
            let other = turn_ms(later_ms, OpenSubmissions::default());
            let ahead = turns(&vec![0; flood]).into_iter().filter(|&turn| turn < other).count();
            prop_assert!(i64::try_from(ahead).unwrap() <= later_ms / OPEN_COST_MS + 1);
        }
    }
}
