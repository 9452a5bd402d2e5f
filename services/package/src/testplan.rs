//! Weights: of the testplan, or of `settings.json`, or equal; always normalised so that they add up to 1.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

use crate::PackageError;

/// Most characters of a weight: keeps the exact arithmetic small.
const WEIGHT_CHARS_MAX: usize = 32;

/// A weight as somebody wrote it down: which case, what, and where for the error message.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) case: String,
    pub(crate) weight: BigRational,
    pub(crate) line: Option<usize>,
}

/// Reads `NAME WEIGHT` lines; blank lines and `#` comments are allowed.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Written>, PackageError> {
    let text = std::str::from_utf8(text).map_err(|_| PackageError::file("testplan", "is not UTF-8 text"))?;
    let mut written = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default();
        let mut words = content.split_whitespace();
        let (name, weight, more) = (words.next(), words.next(), words.next());
        let (Some(case), Some(weight), None) = (name, weight, more) else {
            if name.is_none() {
                continue;
            }
            return Err(PackageError::line("testplan", line, "expected a case's name and its weight"));
        };
        let weight = parse_weight(weight).map_err(|problem| PackageError::line("testplan", line, problem))?;
        written.push(Written { case: case.to_owned(), weight, line: Some(line) });
    }
    Ok(written)
}

/// `2`, `0.25` or `1/3`.
pub(crate) fn parse_weight(text: &str) -> Result<BigRational, String> {
    let refused =
        || format!("`{}` is not a weight: expected a number from 0 such as 2, 0.25 or 1/3", text.escape_debug());
    if text.len() > WEIGHT_CHARS_MAX {
        return Err(refused());
    }
    let parsed = match text.split_once('/') {
        Some((above, below)) => whole(above).zip(whole(below)).filter(|(_, below)| !below.is_zero()),
        None => {
            let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
            let scale = BigInt::from(10).pow(u32::try_from(decimals.len()).unwrap_or(0));
            whole(units).zip(whole(decimals)).map(|(units, decimals)| (units * &scale + decimals, scale))
        }
    };
    parsed.map(|(above, below)| BigRational::new(above, below)).ok_or_else(refused)
}

fn whole(digits: &str) -> Option<BigInt> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// The weights of `cases`, in their order, adding up to 1. `file` is where `written` stood.
pub(crate) fn weigh(cases: &[&str], written: Vec<Written>, file: &str) -> Result<Vec<BigRational>, PackageError> {
    let mut by_name = BTreeMap::new();
    for Written { case, weight, line } in written {
        let refused = |problem: String| match line {
            Some(line) => PackageError::line(file, line, problem),
            None => PackageError::file(file, problem),
        };
        if !cases.contains(&case.as_str()) {
            return Err(refused(format!("there is no cases/{}.in", case.escape_debug())));
        }
        if by_name.insert(case.clone(), weight).is_some() {
            return Err(refused(format!("the case {case} is listed twice")));
        }
    }
    let weight_of = |case: &&str| {
        by_name.remove(*case).ok_or_else(|| PackageError::file(file, format!("the case {case} is not listed")))
    };
    let weights = cases.iter().map(weight_of).collect::<Result<Vec<_>, _>>()?;
    let total: BigRational = weights.iter().sum();
    if total.is_zero() {
        return Err(PackageError::file(file, "all weights are 0"));
    }
    Ok(weights.into_iter().map(|weight| weight / &total).collect())
}

/// The same weight for each of `count` cases.
pub(crate) fn equal(count: usize) -> Vec<BigRational> {
    vec![BigRational::new(BigInt::one(), BigInt::from(count.max(1))); count]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(cases: &[&str], testplan: &str) -> Result<Vec<String>, String> {
        let written = read(testplan.as_bytes()).map_err(|error| error.to_string())?;
        let weights = weigh(cases, written, "testplan").map_err(|error| error.to_string())?;
        Ok(weights.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn weights_are_normalised_exactly() {
        let testplan = "# points\n1 0.1\r\n\n  2\t0.2 # twice\n3 2/5\n4 0\n";
        assert_eq!(weights(&["1", "2", "3", "4"], testplan).unwrap(), ["1/7", "2/7", "4/7", "0"]);
    }

    #[test]
    fn errors_name_the_line() {
        let refusal = |testplan: &str| weights(&["1", "2"], testplan).unwrap_err();
        assert_eq!(refusal("1\n"), "testplan, line 1: expected a case's name and its weight");
        assert_eq!(refusal("1 1\n2 2 3\n"), "testplan, line 2: expected a case's name and its weight");
        assert!(refusal("1 -1").starts_with("testplan, line 1: `-1` is not a weight"));
        assert!(refusal("\n1 1e9").starts_with("testplan, line 2: `1e9` is not a weight"));
        assert!(refusal("1 1/0").contains("is not a weight"));
        assert!(refusal(&format!("1 {}", "9".repeat(33))).contains("is not a weight"));
        assert_eq!(refusal("1 1\n3 1"), "testplan, line 2: there is no cases/3.in");
        assert_eq!(refusal("1 1\n1 1"), "testplan, line 2: the case 1 is listed twice");
        assert_eq!(refusal("1 1"), "testplan: the case 2 is not listed");
        assert_eq!(refusal("1 0\n2 0"), "testplan: all weights are 0");
        assert_eq!(read(&[0xff]).unwrap_err().to_string(), "testplan: is not UTF-8 text");
    }

    #[test]
    fn without_a_testplan_all_weigh_the_same() {
        assert_eq!(equal(3).iter().map(ToString::to_string).collect::<Vec<_>>(), ["1/3", "1/3", "1/3"]);
    }

    proptest! {
        #[test]
        fn weights_add_up_to_one(numbers in prop::collection::vec(1_u32..1000, 1..20)) {
            let names: Vec<String> = (0..numbers.len()).map(|index| index.to_string()).collect();
            let cases: Vec<&str> = names.iter().map(String::as_str).collect();
            let written = names.iter().zip(&numbers).map(|(name, number)| {
                Written { case: name.clone(), weight: parse_weight(&number.to_string()).unwrap(), line: None }
            });
            let weights = weigh(&cases, written.collect(), "testplan").unwrap();
            prop_assert!(weights.iter().sum::<BigRational>().is_one());
        }
    }
}
