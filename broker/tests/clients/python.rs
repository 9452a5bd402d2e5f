//! pika and aio-pika: programs that use them as their users do (their packages have no tests in them). The programs
//! assert; here is only where they run.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::stage::{Stage, folder, on_both, run, scratch, succeed};

on_both!(pikas_blocking_connection, pikas_asynchronous_connection, aio_pikas_patterns);

/// A Python with both, as `cargo xtask test` sets it.
const PYTHON: &str = "WARREN_PYTHON";

/// The command that runs a program against the stage, or `None` where Python has not the packages: the test is skipped
/// then.
async fn program(stage: &Stage, name: &str) -> Option<Command> {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let (there, _) = run(Command::new(&python).args(["-c", "import pika, aio_pika"])).await;
    if !there {
        warren_debian::skip_test(&format!("{python} has no pika and aio-pika; {PYTHON} can name another"));
        return None;
    }
    let mut command = Command::new(python);
    command.arg(folder("python").join(name)).arg(&stage.url);
    command.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    Some(command)
}

async fn pikas_blocking_connection(stage: &Stage) {
    let Some(mut program) = program(stage, "pika_blocking.py").await else { return };
    let printed = succeed(&mut program).await;
    assert_eq!(printed.matches("passed").count(), 8, "{printed}");
}

async fn pikas_asynchronous_connection(stage: &Stage) {
    let Some(mut program) = program(stage, "pika_asynchronous.py").await else { return };
    let printed = succeed(&mut program).await;
    assert_eq!(printed.matches("passed").count(), 3, "{printed}");
}

async fn aio_pikas_patterns(stage: &Stage) {
    let Some(mut program) = program(stage, "aio_pika_robust.py").await else { return };
    let printed = succeed(&mut program).await;
    assert_eq!(printed.matches("passed").count(), 4, "{printed}");
}

#[tokio::test]
async fn aio_pikas_robust_connection_comes_back_with_all_it_declared() {
    let stage = Stage::embedded().await;
    let Some(mut program) = program(&stage, "aio_pika_robust.py").await else { return };
    // It tells at length of the connection that it lost.
    let log = scratch("aio-pika").join("log");
    let stderr = std::fs::File::create(&log).unwrap();
    let mut running = program.arg("cut").stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let mut passed = 0;
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.as_str() {
            "cut" => stage.broker.as_ref().unwrap().cut_all().await,
            line => passed += usize::from(line.starts_with("passed ")),
        }
    }
    assert!(running.wait().await.unwrap().success(), "{}", std::fs::read_to_string(log).unwrap());
    assert_eq!(passed, 5);
}
