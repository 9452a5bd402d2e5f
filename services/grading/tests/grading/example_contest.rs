//! The contest in `examples/contest` fits together: what the demo replays can be replayed. Whether the verdicts come
//! out needs runners, and is tested with them.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use warren_package::{Package, zip_folder};
use warren_proto::{
    Decimal,
    contests::Contest,
    grading::{Language, SOURCE_BYTES_MAX, Verdict},
};

/// A line of `submissions.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Planned {
    contestant: String,
    problem: String,
    file: String,
    minute: u64,
    verdict: Verdict,
    score: Decimal,
}

impl Planned {
    fn language(&self) -> Language {
        let extension = self.file.rsplit('.').next().unwrap();
        Language::from_extension(extension).unwrap()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contest")
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> T {
    serde_json::from_str(&fs::read_to_string(folder().join(file)).unwrap()).unwrap()
}

/// The contest, with the start that its file leaves open.
fn contest() -> Contest {
    let mut contest: Value = read("contest.json");
    contest["starts_at_ms"] = 0.into();
    serde_json::from_value(contest).unwrap()
}

#[test]
fn every_package_is_taken_and_small() {
    for problem in contest().problems {
        let zip = zip_folder(&folder().join("problems").join(&problem.id)).unwrap();
        assert!(zip.len() < 32 << 10, "{}: {} bytes", problem.id, zip.len());
        let package = Package::read(&zip).unwrap_or_else(|error| panic!("{}: {error}", problem.id));
        let groups: BTreeSet<&str> = package.cases().iter().map(|case| case.group.as_str()).collect();
        assert_eq!(groups.len(), 2, "{}", problem.id);
    }
}

#[test]
fn every_planned_submission_is_of_the_contest_and_its_name_says_its_verdict() {
    let contest = contest();
    let planned: Vec<Planned> = read("submissions.json");
    assert!(planned.is_sorted_by_key(|planned| planned.minute));
    for Planned { contestant, problem, file, minute, verdict, score } in &planned {
        assert!(contest.contestants.iter().any(|known| known.id == *contestant), "{file}");
        assert!(contest.problems.iter().any(|known| known.id == *problem), "{file}");
        assert!(minute * 60_000 < contest.duration_ms, "{file}");
        assert!(file.starts_with(&format!("submissions/{problem}/{contestant}.{verdict}.")), "{file}");
        assert_eq!(*score == Decimal::one(), *verdict == Verdict::Ac, "{file}");
        let source = fs::read_to_string(folder().join(file)).unwrap();
        assert!(source.len() < SOURCE_BYTES_MAX, "{file}");
    }
}

#[test]
fn every_file_is_planned_once() {
    let planned: Vec<Planned> = read("submissions.json");
    let files: HashSet<&str> = planned.iter().map(|planned| planned.file.as_str()).collect();
    let problems = fs::read_dir(folder().join("submissions")).unwrap();
    let there = problems.flat_map(|problem| fs::read_dir(problem.unwrap().path()).unwrap()).count();
    assert_eq!((files.len(), planned.len()), (there, there));
}

#[test]
fn every_verdict_that_a_contestant_can_cause_is_there_in_every_language() {
    let planned: Vec<Planned> = read("submissions.json");
    let of_the_jury = [Verdict::Je, Verdict::Rfe, Verdict::Ve];
    for verdict in Verdict::ALL.into_iter().filter(|verdict| !of_the_jury.contains(verdict)) {
        for language in Language::ALL {
            let found = planned.iter().any(|planned| planned.verdict == verdict && planned.language() == language);
            assert!(found, "{verdict} in {language}");
        }
    }
}
