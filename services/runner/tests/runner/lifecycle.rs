//! Whoever dies, the program dies too.

use std::process::{Command, Stdio};

use futures::StreamExt;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use warren_runner::sandbox::{End, Sandbox, SandboxError, SandboxOptions};

use super::harness::{eventually, mark, marked, python, sandbox};

const SLEEP: &str = "import time; time.sleep(1000)";

/// The program itself, not the launcher or bubblewrap, whose command lines hold the mark as well.
const PROGRAM: &str = "/usr/bin/python3";

fn sleeper(mark: &str) -> warren_runner::sandbox::Command {
    let mut command = python(SLEEP, mark);
    command.limits.wall = std::time::Duration::from_secs(600);
    command
}

#[tokio::test]
async fn dropping_the_future_kills_the_program() {
    let mark = mark();
    let scratch = sandbox().await.scratch().unwrap();
    let command = sleeper(&mark);
    {
        let run = sandbox().await.run(&scratch, &command);
        tokio::select! {
            ended = run => panic!("it ended: {ended:?}"),
            () = eventually("it runs", async || !marked(&mark, Some(PROGRAM)).is_empty()) => {}
        }
    }
    eventually("everything of it is gone", async || marked(&mark, None).is_empty()).await;
}

#[tokio::test]
async fn killing_the_launcher_kills_the_program() {
    let mark = mark();
    let scratch = sandbox().await.scratch().unwrap();
    let command = sleeper(&mark);
    let run = sandbox().await.run(&scratch, &command);
    let kill_launcher = async {
        eventually("it runs", async || !marked(&mark, Some(PROGRAM)).is_empty()).await;
        for launcher in marked(&mark, Some(env!("CARGO_BIN_EXE_warren-sandbox-launcher"))) {
            kill(Pid::from_raw(launcher.cast_signed()), Signal::SIGKILL).unwrap();
        }
    };
    let (ended, ()) = tokio::join!(run, kill_launcher);
    let error = ended.unwrap_err();
    assert!(matches!(error, SandboxError::LauncherLost { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the sandbox's launcher ended without a result (signal: 9 (SIGKILL))");
    eventually("everything of it is gone", async || marked(&mark, None).is_empty()).await;
}

#[tokio::test]
async fn killing_the_runner_kills_the_program() {
    let mark = mark();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "runner::lifecycle::a_runner_of_its_own"])
        .env("MARK", &mark)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually("it runs", async || !marked(&mark, Some(PROGRAM)).is_empty()).await;
    runner.kill().unwrap();
    runner.wait().unwrap();
    eventually("everything of it is gone", async || marked(&mark, None).is_empty()).await;
}

/// Not a test by itself, but the process that `killing_the_runner_kills_the_program` kills.
#[tokio::test]
async fn a_runner_of_its_own() {
    let Ok(mark) = std::env::var("MARK") else { return };
    let scratch = sandbox().await.scratch().unwrap();
    let ended = sandbox().await.run(&scratch, &sleeper(&mark)).await;
    panic!("it ended: {ended:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_the_judges_fault() {
    let scratch = sandbox().await.scratch().unwrap();
    let mut command = python("", "");
    command.stdin = Some("/nonexistent".into());
    let refused = sandbox().await.run(&scratch, &command).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the sandbox did not start the program: /nonexistent: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn a_launcher_that_fails_is_told_with_its_last_words() {
    // Says on standard error that it does not know the launcher's argument.
    let options = SandboxOptions { launcher: "/usr/bin/cat".into(), ..SandboxOptions::default() };
    let error = Sandbox::probed(options).await.unwrap_err().to_string();
    assert!(error.starts_with("the sandbox's launcher ended without a result (exit status: 1): "), "{error}");
    assert!(error.contains("No such file or directory"), "{error}");
}

#[tokio::test]
async fn two_hundred_runs_four_at_a_time_all_start() {
    let sandbox = sandbox().await;
    let runs = futures::stream::iter(0..200).map(async |number| {
        let scratch = sandbox.scratch().unwrap();
        let mut command = python("", "");
        (command.program, command.args) = ("/usr/bin/true".to_owned(), Vec::new());
        let outcome = sandbox.run(&scratch, &command).await.unwrap_or_else(|error| panic!("run {number}: {error}"));
        assert_eq!(outcome.end, End::Exited(0), "run {number}: {outcome:?}");
    });
    assert_eq!(runs.buffer_unordered(4).count().await, 200);
}
