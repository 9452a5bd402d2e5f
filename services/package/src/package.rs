//! A package that was read and found good.

use num_rational::BigRational;
use warren_proto::problems::{CaseInfo, Problem};

use crate::{
    PackageError, Settings, archive,
    archive::Files,
    cases::{self, Pair, group_of},
    score::{self, CaseOutcome, Scored},
    settings, testplan,
};

/// A problem's test data and rules.
#[derive(Clone, Debug)]
pub struct Package {
    cases: Vec<Case>,
    settings: Settings,
}

/// One run of a submission: what it reads, what it should print, what that is worth.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its files, without the ending.
    pub name: String,
    /// The name up to the first dot.
    pub group: String,
    /// Its share of the score; all of them add up to 1.
    pub weight: BigRational,
    /// What the program reads.
    pub input: Vec<u8>,
    /// What it should print.
    pub expected: Vec<u8>,
}

impl Package {
    /// Reads a zip file. A package whose content is in one top folder is taken as well.
    ///
    /// # Errors
    ///
    /// If it is no zip file, unpacks to too much, or something in it is missing or wrong.
    pub fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        let mut files = archive::unpack(bytes)?;
        if let Some(path) = files.keys().find(|path| path.starts_with("interactive/")) {
            return Err(PackageError::file(path, "interactive problems are not supported"));
        }
        let pairs = cases::take(&mut files)?;
        let (settings, settings_weights) = match files.get("settings.json") {
            Some(text) => settings::read(text)?,
            None => (Settings::default(), None),
        };
        let weights = weights(&pairs, &files, settings_weights)?;
        let cases = pairs.into_iter().zip(weights).map(|(pair, weight)| Case {
            group: group_of(&pair.name).to_owned(),
            name: pair.name,
            weight,
            input: pair.input,
            expected: pair.expected,
        });
        Ok(Self { cases: cases.collect(), settings })
    }

    /// The cases in the order of judging: groups together, inside them and among them as people count.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Limits, validator and policy.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a submission gets, from what came out of each case, in the order of [`Package::cases`].
    ///
    /// # Panics
    ///
    /// If there is not one outcome a case.
    #[must_use]
    pub fn score(&self, outcomes: &[CaseOutcome]) -> Scored {
        score::score(&self.cases, self.settings.group_score_policy, outcomes)
    }

    /// What is told about it as the problem `name`. `package_sha256` and `package_bytes` are of the zip file.
    #[must_use]
    pub fn to_problem(&self, name: &str, package_sha256: &str, package_bytes: u64) -> Problem {
        let cases = self.cases.iter().map(|case| CaseInfo {
            name: case.name.clone(),
            group: case.group.clone(),
            weight: case.weight.to_string(),
        });
        Problem {
            problem: name.to_owned(),
            package_sha256: package_sha256.to_owned(),
            package_bytes,
            cases: cases.collect(),
            limits: self.settings.limits,
            validator: self.settings.validator.name().to_owned(),
        }
    }
}

/// The testplan decides, then `settings.json`, as in omegaUp; without either all cases weigh the same.
fn weights(
    pairs: &[Pair],
    files: &Files,
    settings_weights: Option<Vec<testplan::Written>>,
) -> Result<Vec<BigRational>, PackageError> {
    let names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
    match (files.get("testplan"), settings_weights) {
        (Some(text), _) => testplan::weigh(&names, testplan::read(text)?, "testplan"),
        (None, Some(written)) => testplan::weigh(&names, written, "settings.json"),
        (None, None) => Ok(testplan::equal(names.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zip_of;

    const PAIRS: [(&str, &[u8]); 4] =
        [("cases/a.1.in", b"1 2"), ("cases/a.1.out", b"3"), ("cases/b.in", b""), ("cases/b.out", b"")];

    fn with(more: &[(&str, &[u8])]) -> Result<Package, String> {
        Package::read(&zip_of(&[&PAIRS, more].concat())).map_err(|error| error.to_string())
    }

    #[test]
    fn cases_alone_are_a_package() {
        let package = with(&[]).unwrap();
        assert_eq!(package.cases()[0].input, b"1 2");
        assert_eq!(package.cases()[0].expected, b"3");
        assert_eq!(package.cases()[0].group, "a");
        assert_eq!(*package.settings(), Settings::default());
    }

    #[test]
    fn a_package_describes_itself_as_a_problem() {
        let settings = br#"{"Validator": {"Name": "token-caseless"}}"#;
        let package = with(&[("testplan", b"a.1 3\nb 1\n"), ("settings.json", settings)]).unwrap();
        let problem = package.to_problem("sum", "ab", 7);
        assert_eq!(
            (problem.problem.as_str(), problem.package_sha256.as_str(), problem.package_bytes),
            ("sum", "ab", 7)
        );
        let weights: Vec<&str> = problem.cases.iter().map(|case| case.weight.as_str()).collect();
        assert_eq!(weights, ["3/4", "1/4"]);
        assert_eq!(problem.validator, "token-caseless");
    }

    #[test]
    fn the_testplan_goes_before_the_weights_of_the_settings() {
        let settings = br#"{"Cases": [
            {"Name": "a", "Cases": [{"Name": "a.1", "Weight": 9}]},
            {"Name": "b", "Cases": [{"Name": "b", "Weight": 1}]}
        ]}"#;
        let weight = |package: &Package| package.cases()[0].weight.to_string();
        assert_eq!(weight(&with(&[("settings.json", settings)]).unwrap()), "9/10");
        assert_eq!(weight(&with(&[("settings.json", settings), ("testplan", b"a.1 1\nb 1")]).unwrap()), "1/2");
    }

    #[test]
    fn interactive_problems_are_refused() {
        assert!(with(&[("interactive/x.idl", b"")]).unwrap_err().starts_with("interactive/x.idl: "));
    }
}
