//! Runners that are killed while they judge, with the real grading: processes of their own, on one broker.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use warren_proto::{
    grading::{Judgement, Language, SubmissionRequest, Submit, SubmitRequest, Verdict, Wait},
    problems::{Put, PutRequest},
};
use warren_rpc::{CallOptions, Client, ClientOptions, ServeOptions};
use warren_runner::{Options, sandbox::SandboxOptions, service};

use super::harness::{PATIENCE, eventually, marked, sandbox_options, zip_of};

/// Where a runner process says its instance's name, in its folder.
const NAME_FILE: &str = "name";

/// A runner in a process of its own; dropping it kills it.
struct RunnerProcess {
    process: Child,
    folder: TempDir,
}

impl RunnerProcess {
    async fn start(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The boxes are in it, and every user must pass.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runner::lost::a_runner_process"])
            .env("RUNNER_URL", url)
            .env("RUNNER_FOLDER", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let runner = Self { process, folder };
        eventually("it serves", async || runner.folder.path().join(NAME_FILE).exists()).await;
        runner
    }

    fn name(&self) -> String {
        fs::read_to_string(self.folder.path().join(NAME_FILE)).unwrap()
    }

    fn is_judging(&self) -> bool {
        !marked(&self.folder.path().display().to_string(), Some("/usr/bin/bwrap")).is_empty()
    }
}

impl Drop for RunnerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Not a test by itself, but the process that the tests here start and kill. Ends with its standard input.
#[tokio::test]
async fn a_runner_process() {
    let (Ok(url), Some(folder)) = (std::env::var("RUNNER_URL"), std::env::var_os("RUNNER_FOLDER")) else { return };
    let folder = PathBuf::from(folder);
    let client = Client::connect(&url, ClientOptions::default()).await.unwrap();
    let sandbox = SandboxOptions { scratch: folder.clone(), ..sandbox_options() };
    let service = service(&folder, Options { sandbox }).await.unwrap();
    let running = service.serve(&client, ServeOptions::default()).await.unwrap();
    let unfinished = folder.join("unfinished");
    fs::write(&unfinished, running.instance()).unwrap();
    fs::rename(unfinished, folder.join(NAME_FILE)).unwrap();
    let mut nothing = Vec::new();
    tokio::io::stdin().read_to_end(&mut nothing).await.unwrap();
}

/// Serves grading from `folder`, hands in a program that sleeps, and has its verdict waited for.
async fn hand_in(client: &Client, folder: &Path, source: &str) -> tokio::task::JoinHandle<Judgement> {
    let grading = warren_grading::service(folder).await.unwrap();
    let grading = grading.serve(client, ServeOptions::default()).await.unwrap();
    let settings = r#"{"Limits": {"TimeLimit": "20s"}}"#;
    let package = zip_of(&[("cases/1.in", ""), ("cases/1.out", "5"), ("settings.json", settings)]).into();
    client.call::<Put>(&PutRequest { problem: "five".to_owned(), package }).await.unwrap();
    let request = SubmitRequest {
        problem: "five".to_owned(),
        language: Language::Python,
        source: source.to_owned(),
        contest: None,
        contestant: None,
        submitted_at_ms: None,
    };
    let submission = client.call::<Submit>(&request).await.unwrap().submission;
    let client = client.clone();
    tokio::spawn(async move {
        let options = CallOptions { deadline: 2 * PATIENCE, ..CallOptions::default() };
        let judged = client.call_with::<Wait>(&SubmissionRequest { submission }, options).await.unwrap();
        grading.shutdown().await;
        judged.judgement.unwrap()
    })
}

/// Waits until one of the runners judges, and kills it.
async fn kill_who_judges(runners: &mut Vec<RunnerProcess>) {
    let mut judging = None;
    eventually("one judges", async || {
        judging = runners.iter().position(RunnerProcess::is_judging);
        judging.is_some()
    })
    .await;
    drop(runners.remove(judging.unwrap()));
}

#[tokio::test]
async fn what_a_killed_runner_had_is_judged_by_another() {
    let Some(broker) = warren_testing::broker("runner-killed").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let mut runners = vec![RunnerProcess::start(&broker.url).await, RunnerProcess::start(&broker.url).await];
    let data_dir = tempfile::tempdir().unwrap();
    let judged = hand_in(&client, data_dir.path(), "import time; time.sleep(5); print(5)").await;
    kill_who_judges(&mut runners).await;
    let judgement = judged.await.unwrap();
    assert_eq!((judgement.verdict, judgement.judged_by), (Verdict::Ac, runners[0].name()));
}

#[tokio::test]
async fn a_submission_that_ends_three_runners_is_a_judge_error() {
    let Some(broker) = warren_testing::broker("runner-killer").await else { return };
    let client = Client::connect(&broker.url, ClientOptions::default()).await.unwrap();
    let mut runners = vec![RunnerProcess::start(&broker.url).await, RunnerProcess::start(&broker.url).await];
    let data_dir = tempfile::tempdir().unwrap();
    let judged = hand_in(&client, data_dir.path(), "import time; time.sleep(1000)").await;
    for _ in 0..3 {
        kill_who_judges(&mut runners).await;
        runners.push(RunnerProcess::start(&broker.url).await);
    }
    let judgement = judged.await.unwrap();
    assert_eq!(judgement.verdict, Verdict::Je);
    assert_eq!(judgement.message.as_deref(), Some("aborted: the runner that had this submission was lost"));
    assert!(!runners.iter().any(RunnerProcess::is_judging), "nobody tries it again");
}
