//! From what came out of each case to a verdict and points, exactly (quark, `runner/runner.go`).

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::{BigRational, Ratio};
use num_traits::{One, Zero};
use warren_proto::{Decimal, grading::Verdict};

use crate::{Case, GroupScorePolicy};

/// Decimals of a score that is told: more than weights that people choose can need. Weights of many digits can make two
/// scores that look alike.
const DECIMALS: u32 = 12;

/// What came out of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseOutcome {
    /// What the judge said.
    pub verdict: Verdict,
    /// Share of the case's own points, 0 to 1.
    pub score: BigRational,
}

impl CaseOutcome {
    /// The program ended well, and the validator gave its answer this score: `AC`, `PA` or `WA`.
    #[must_use]
    pub fn answered(score: BigRational) -> Self {
        let verdict = match &score {
            score if score.is_one() => Verdict::Ac,
            score if score.is_zero() => Verdict::Wa,
            _ => Verdict::Pa,
        };
        Self { verdict, score }
    }

    /// The program did not get as far as an answer.
    #[must_use]
    pub fn failed(verdict: Verdict) -> Self {
        Self { verdict, score: BigRational::zero() }
    }
}

/// What a submission gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The worst of the cases' verdicts; wrong answers beside points won are `PA`, without any `WA`.
    pub verdict: Verdict,
    /// Share of the problem's points, 0 to 1.
    pub score: BigRational,
    /// Groups in the order of judging.
    pub groups: Vec<GroupScore>,
}

/// What a submission gets for a group of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupScore {
    /// Its name.
    pub group: String,
    /// How many cases it has: the next ones of the package, in order.
    pub cases: usize,
    /// The share of the problem's points won, at most the sum of its cases' weights.
    pub score: BigRational,
}

/// Scores `outcomes`, one for each of `cases`, whose groups stand together.
///
/// # Panics
///
/// If there is not one outcome a case.
pub(crate) fn score(cases: &[Case], policy: GroupScorePolicy, outcomes: &[CaseOutcome]) -> Scored {
    assert_eq!(cases.len(), outcomes.len(), "one outcome a case");
    let judged: Vec<(&Case, &CaseOutcome)> = cases.iter().zip(outcomes).collect();
    let groups: Vec<GroupScore> = judged
        .chunk_by(|(a, _), (b, _)| a.group == b.group)
        .map(|group| GroupScore {
            group: group[0].0.group.clone(),
            cases: group.len(),
            score: group_score(group, policy),
        })
        .collect();
    let score: BigRational = groups.iter().map(|group| &group.score).sum();
    Scored { verdict: verdict(outcomes, &score), score, groups }
}

fn group_score(group: &[(&Case, &CaseOutcome)], policy: GroupScorePolicy) -> BigRational {
    let least = group.iter().map(|(_, outcome)| &outcome.score).min().cloned().unwrap_or_default();
    if least.is_zero() {
        return least;
    }
    match policy {
        GroupScorePolicy::SumIfNotZero => group.iter().map(|(case, outcome)| &case.weight * &outcome.score).sum(),
        GroupScorePolicy::Min => least * group.iter().map(|(case, _)| &case.weight).sum::<BigRational>(),
    }
}

/// As quark has it: a wrong answer counts as `PA` as long as anything was won.
fn verdict(outcomes: &[CaseOutcome], score: &BigRational) -> Verdict {
    let counted = |outcome: &CaseOutcome| if outcome.verdict == Verdict::Wa { Verdict::Pa } else { outcome.verdict };
    match outcomes.iter().map(counted).min() {
        Some(Verdict::Pa) if score.is_zero() => Verdict::Wa,
        Some(worst) => worst,
        None => Verdict::Je,
    }
}

/// The number as it is told: rounded half up to 12 decimals.
#[must_use]
pub fn to_decimal(value: &BigRational) -> Decimal {
    let scale = BigInt::from(10).pow(DECIMALS);
    let half = Ratio::new(BigInt::one(), BigInt::from(2));
    let digits = (value * &scale + half).floor().to_integer();
    Decimal::from(BigDecimal::new(digits, i64::from(DECIMALS)).normalized())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(above: i64, below: i64) -> BigRational {
        BigRational::new(above.into(), below.into())
    }

    fn case(name: &str, weight: BigRational) -> Case {
        let group = crate::cases::group_of(name).to_owned();
        Case { name: name.to_owned(), group, weight, input: Vec::new(), expected: Vec::new() }
    }

    fn cases() -> Vec<Case> {
        vec![case("a.1", ratio(1, 4)), case("a.2", ratio(1, 4)), case("b.1", ratio(1, 2))]
    }

    fn answers(scores: [(i64, i64); 3]) -> Vec<CaseOutcome> {
        scores.into_iter().map(|(above, below)| CaseOutcome::answered(ratio(above, below))).collect()
    }

    use GroupScorePolicy::{Min, SumIfNotZero};

    #[test]
    fn all_right_is_accepted_with_the_whole_score() {
        let scored = score(&cases(), SumIfNotZero, &answers([(1, 1), (1, 1), (1, 1)]));
        assert_eq!((scored.verdict, scored.score), (Verdict::Ac, ratio(1, 1)));
    }

    #[test]
    fn one_wrong_case_costs_its_whole_group() {
        let scored = score(&cases(), SumIfNotZero, &answers([(1, 1), (0, 1), (1, 1)]));
        assert_eq!((scored.verdict, scored.score), (Verdict::Pa, ratio(1, 2)));
        assert!(scored.groups[0].score.is_zero());
        assert_eq!((scored.groups[0].cases, scored.groups[1].cases), (2, 1));
    }

    #[test]
    fn nothing_won_is_a_wrong_answer_even_with_right_cases() {
        let scored = score(&cases(), SumIfNotZero, &answers([(1, 1), (0, 1), (0, 1)]));
        assert_eq!((scored.verdict, scored.score), (Verdict::Wa, ratio(0, 1)));
    }

    #[test]
    fn a_group_gets_the_sum_or_the_least_of_its_cases() {
        let outcomes = answers([(1, 2), (1, 1), (1, 1)]);
        assert_eq!(score(&cases(), SumIfNotZero, &outcomes).score, ratio(7, 8));
        assert_eq!(score(&cases(), Min, &outcomes).score, ratio(3, 4));
    }

    #[test]
    fn the_worst_case_names_the_verdict_and_the_rest_keeps_its_points() {
        let mut outcomes = answers([(1, 1), (1, 1), (0, 1)]);
        outcomes[2] = CaseOutcome::failed(Verdict::Tle);
        let scored = score(&cases(), SumIfNotZero, &outcomes);
        assert_eq!((scored.verdict, scored.score), (Verdict::Tle, ratio(1, 2)));
        outcomes[0] = CaseOutcome::failed(Verdict::Rte);
        assert_eq!(score(&cases(), SumIfNotZero, &outcomes).verdict, Verdict::Rte);
    }

    #[test]
    fn scores_are_told_rounded_half_up() {
        assert_eq!(to_decimal(&ratio(1, 3)).to_string(), "0.333333333333");
        assert_eq!(to_decimal(&ratio(2, 3)).to_string(), "0.666666666667");
        assert_eq!(to_decimal(&ratio(1, 2_000_000_000_000)).to_string(), "0.000000000001");
        assert_eq!(to_decimal(&ratio(1, 1)), Decimal::one());
        assert_eq!(to_decimal(&ratio(0, 1)), Decimal::zero());
    }

    proptest! {
        #[test]
        fn a_score_is_a_share_and_min_never_gives_more(
            numbers in prop::collection::vec((0_i64..=4, 1_i64..9, 0..3_u8), 1..12)
        ) {
            let total: i64 = numbers.iter().map(|(_, weight, _)| weight).sum();
            let judged = |(index, (quarters, weight, group)): (usize, &(i64, i64, u8))| {
                (case(&format!("{group}.{index}"), ratio(*weight, total)), CaseOutcome::answered(ratio(*quarters, 4)))
            };
            let mut cases: Vec<(Case, CaseOutcome)> = numbers.iter().enumerate().map(judged).collect();
            cases.sort_by(|a, b| a.0.group.cmp(&b.0.group));
            let (cases, outcomes): (Vec<Case>, Vec<CaseOutcome>) = cases.into_iter().unzip();
            let (sum, min) = (score(&cases, SumIfNotZero, &outcomes), score(&cases, Min, &outcomes));
            prop_assert!(min.score <= sum.score && sum.score <= ratio(1, 1));
            let all_right = outcomes.iter().all(|outcome| outcome.verdict == Verdict::Ac);
            prop_assert_eq!(sum.verdict == Verdict::Ac, all_right);
            prop_assert_eq!(sum.score.is_one(), all_right);
            prop_assert_eq!(sum.groups.iter().map(|group| group.cases).sum::<usize>(), cases.len());
        }
    }
}
