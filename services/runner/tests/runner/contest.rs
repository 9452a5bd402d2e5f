//! The example contest: each submission's file name says its verdict.

use std::{fs, path::Path, sync::Arc};

use warren_package::{Package, zip_folder};
use warren_proto::grading::Language;

use super::harness::judged;

#[tokio::test]
async fn every_submission_of_the_example_contest_gets_its_verdict() {
    let contest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/contest");
    let mut wrong = Vec::new();
    for problem in fs::read_dir(contest.join("problems")).unwrap() {
        let problem = problem.unwrap();
        let package = Arc::new(Package::read(&zip_folder(&problem.path()).unwrap()).unwrap());
        for submission in fs::read_dir(contest.join("submissions").join(problem.file_name())).unwrap() {
            let path = submission.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let [_, verdict, extension] = name.split('.').collect::<Vec<_>>()[..] else { panic!("{name}") };
            let language = Language::from_extension(extension).unwrap();
            let judgement = judged(&package, language, &fs::read_to_string(&path).unwrap()).await;
            if judgement.verdict.name() != verdict {
                wrong.push(format!("{}: {judgement:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
