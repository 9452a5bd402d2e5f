//! Which limit a run passed, if any. Pure.

use std::time::Duration;

use warren_proto::{grading::Verdict, problems};

use crate::sandbox::{End, Limit, Outcome};

/// The verdict of a run that did not get as far as an answer; worse ones first, as several may be true of one run.
pub(super) fn failure(outcome: &Outcome, limits: &problems::Limits) -> Option<Verdict> {
    if outcome.end == End::Killed(Limit::Memory) || outcome.memory_bytes > limits.memory_bytes {
        return Some(Verdict::Mle);
    }
    let is_late = outcome.cpu > Duration::from_millis(limits.time_ms);
    let is_long = outcome.stdout_bytes > limits.output_bytes;
    match outcome.end {
        End::Killed(_) => Some(Verdict::Tle),
        _ if is_late => Some(Verdict::Tle),
        // A program that prints too much is ended by SIGXFSZ, or by its own error handling: not its fault twice.
        _ if is_long => Some(Verdict::Ole),
        End::Exited(0) => None,
        End::Exited(_) => Some(Verdict::Rte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: problems::Limits =
        problems::Limits { time_ms: 1000, memory_bytes: 1000, output_bytes: 10, overall_wall_ms: 60_000 };

    fn verdict(change: impl FnOnce(&mut Outcome)) -> Option<Verdict> {
        let mut outcome = Outcome {
            end: End::Exited(0),
            cpu: Duration::from_millis(1000),
            wall: Duration::from_secs(2),
            memory_bytes: 1000,
            stdout_bytes: 10,
            stderr: String::new(),
        };
        change(&mut outcome);
        failure(&outcome, &LIMITS)
    }

    #[test]
    fn a_run_at_its_limits_is_within_them() {
        assert_eq!(verdict(|_| {}), None);
    }

    #[test]
    fn each_limit_has_its_verdict() {
        assert_eq!(verdict(|outcome| outcome.cpu += Duration::from_micros(1)), Some(Verdict::Tle));
        assert_eq!(verdict(|outcome| outcome.memory_bytes += 1), Some(Verdict::Mle));
        assert_eq!(verdict(|outcome| outcome.stdout_bytes += 1), Some(Verdict::Ole));
        assert_eq!(verdict(|outcome| outcome.end = End::Exited(139)), Some(Verdict::Rte));
        assert_eq!(verdict(|outcome| outcome.end = End::Killed(Limit::Wall)), Some(Verdict::Tle));
        assert_eq!(verdict(|outcome| outcome.end = End::Killed(Limit::Cpu)), Some(Verdict::Tle));
        assert_eq!(verdict(|outcome| outcome.end = End::Killed(Limit::Memory)), Some(Verdict::Mle));
    }

    #[test]
    fn the_limit_goes_before_the_way_it_ended() {
        let crashed = |outcome: &mut Outcome| outcome.end = End::Exited(153);
        assert_eq!(verdict(|outcome| (crashed(outcome), outcome.stdout_bytes = 11).1), Some(Verdict::Ole));
        assert_eq!(verdict(|outcome| (crashed(outcome), outcome.memory_bytes = 1001).1), Some(Verdict::Mle));
        assert_eq!(verdict(|outcome| (crashed(outcome), outcome.cpu *= 2).1), Some(Verdict::Tle));
    }
}
