//! What the demo replays: the files of `examples/contest`, carried in the program.

use std::{fs, path::Path};

use include_dir::{Dir, include_dir};
use serde::Deserialize;
use tempfile::TempDir;
use warren_proto::{
    Decimal,
    contests::Contest,
    grading::{Language, SubmitRequest, Verdict},
};

use crate::{arguments::read_file, failure::Failure};

static EXAMPLE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../examples/contest");

/// A line of `submissions.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scripted {
    contestant: String,
    problem: String,
    file: String,
    minute: i64,
    pub(super) verdict: Verdict,
    pub(super) score: Decimal,
}

/// The contest, as if it had ended just now.
#[derive(Debug)]
pub(super) struct Script {
    folder: TempDir,
    pub(super) contest: Contest,
    pub(super) submissions: Vec<Scripted>,
}

impl Script {
    pub(super) fn read() -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(|error| Failure::internal(error.to_string()))?;
        EXAMPLE.extract(folder.path()).map_err(|error| Failure::internal(format!("unpacking the example: {error}")))?;
        let mut contest: serde_json::Value = parse(&folder.path().join("contest.json"))?;
        let duration_ms = contest["duration_ms"].as_i64().unwrap_or_default();
        contest["starts_at_ms"] = (warren_host::clock::now_ms() - duration_ms).into();
        let contest = serde_json::from_str(&contest.to_string())
            .map_err(|error| Failure::internal(format!("the example's contest.json: {error}")))?;
        let submissions = parse(&folder.path().join("submissions.json"))?;
        Ok(Self { folder, contest, submissions })
    }

    /// The problem packages by name.
    pub(super) fn packages(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let package = |name: &str| {
            warren_package::zip_folder(&self.folder.path().join("problems").join(name))
                .map(|package| (name.to_owned(), package))
                .map_err(|error| Failure::internal(format!("the example's problem {name}: {error}")))
        };
        self.contest.problems.iter().map(|problem| package(&problem.id)).collect()
    }

    /// What is handed in.
    pub(super) fn request(&self, scripted: &Scripted) -> Result<SubmitRequest, Failure> {
        let extension = Path::new(&scripted.file).extension().and_then(|extension| extension.to_str());
        let language = extension.and_then(Language::from_extension);
        Ok(SubmitRequest {
            problem: scripted.problem.clone(),
            language: language.ok_or_else(|| Failure::internal(format!("{}: of no language", scripted.file)))?,
            source: read_file(&self.folder.path().join(&scripted.file))?,
            contest: Some(self.contest.contest.clone()),
            contestant: Some(scripted.contestant.clone()),
            submitted_at_ms: Some(self.contest.starts_at_ms + scripted.minute * 60_000),
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::internal(format!("{}: {error}", path.display())))?;
    serde_json::from_str(&text).map_err(|error| Failure::internal(format!("{}: {error}", path.display())))
}
