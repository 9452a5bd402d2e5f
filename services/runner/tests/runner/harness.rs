//! What the tests share: a probed sandbox, packages from texts, processes by a mark in their command line.

use std::{
    fs,
    io::{Cursor, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::sync::OnceCell;
use warren_package::Package;
use warren_proto::grading::{Judgement, Language};
use warren_runner::{
    judge::{Submission, judge},
    missing_packages,
    sandbox::{Access, Command, Limits, Outcome, Sandbox, SandboxOptions, Scratch},
};
pub(super) use warren_testing::{PATIENCE, eventually};
use zip::{ZipWriter, write::SimpleFileOptions};

pub(super) fn sandbox_options() -> SandboxOptions {
    SandboxOptions {
        launcher: PathBuf::from(env!("CARGO_BIN_EXE_warren-sandbox-launcher")),
        ..SandboxOptions::default()
    }
}

/// The sandbox, probed once.
pub(super) async fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceCell<Sandbox> = OnceCell::const_new();
    SANDBOX
        .get_or_init(|| async {
            let missing = missing_packages();
            assert!(missing.is_empty(), "to test the sandbox: apt-get install {}", missing.join(" "));
            Sandbox::probed(sandbox_options()).await.unwrap_or_else(|error| panic!("{error}"))
        })
        .await
}

pub(super) fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer.start_file(*path, SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn package(files: &[(&str, &str)]) -> Arc<Package> {
    Arc::new(Package::read(&zip_of(files)).unwrap())
}

/// One case, which reads `input` and should print `expected`.
pub(super) fn one_case(input: &str, expected: &str) -> Arc<Package> {
    package(&[("cases/1.in", input), ("cases/1.out", expected)])
}

pub(super) async fn judged(package: &Arc<Package>, language: Language, source: &str) -> Judgement {
    let submission = Submission { package: Arc::clone(package), language, source: source.to_owned() };
    judge(sandbox().await, &submission, "runner-test").await
}

/// Python code as a run of its own, with room enough. `mark` is its last argument.
pub(super) fn python(code: &str, mark: &str) -> Command {
    Command {
        program: "/usr/bin/python3".to_owned(),
        args: ["-c", code, mark].map(str::to_owned).to_vec(),
        access: Access::Read,
        stdin: None,
        stdout: None,
        limits: Limits {
            cpu: Duration::from_secs(5),
            wall: Duration::from_secs(10),
            memory_bytes: 128 << 20,
            file_bytes: 1 << 20,
            tmp_bytes: 1 << 20,
            processes: 32,
        },
    }
}

/// Runs Python code; also what it printed.
pub(super) async fn run_python(scratch: &Scratch, code: &str) -> (Outcome, String) {
    let output = scratch.output().unwrap();
    let command = python(code, "").with_files(None, Some(output.clone()));
    let outcome = sandbox().await.run(scratch, &command).await.unwrap();
    (outcome, fs::read_to_string(output).unwrap())
}

/// A text that no other process's command line holds.
pub(super) fn mark() -> String {
    format!("mark-{}-{:?}", std::process::id(), std::time::Instant::now()).replace([' ', '{', '}', ':', ','], "")
}

/// The living processes whose command line holds `mark`, and whose program is `program` if one is given.
pub(super) fn marked(mark: &str, program: Option<&str>) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    let is_marked = |process: &u32| {
        let Ok(words) = fs::read(format!("/proc/{process}/cmdline")) else { return false };
        let words = String::from_utf8_lossy(&words).into_owned();
        words.contains(mark) && program.is_none_or(|program| words.starts_with(program))
    };
    numbers.filter(|&process| process != std::process::id()).filter(is_marked).collect()
}
