//! Runs the program, and keeps one platform that the tests share.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// What a run of the program left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The program with a runtime and a data directory of its own.
pub(crate) fn warren(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren"));
    command
        .env_remove("WARREN_URL")
        .env("XDG_RUNTIME_DIR", folder.join("runtime"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("WARREN_DATA", folder.join("data"))
        .stdin(Stdio::null());
    command
}

/// A program that runs until it is told to stop; killed when dropped, on the way out of a failed test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// Asks it to stop, and waits.
    pub(crate) fn terminate(self) -> i32 {
        self.end_by(Signal::SIGTERM)
    }

    /// Sends it a signal, and waits.
    pub(crate) fn end_by(mut self, signal: Signal) -> i32 {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
        self.0.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `warren`: broker, services, and a REPL that waits for the end of its input.
pub(crate) struct Platform {
    folder: TempDir,
    repl: Mutex<Option<(Child, ChildStdin)>>,
}

impl Platform {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut repl =
            warren(folder.path()).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(repl.stderr.take().unwrap());
        let mut heard = String::new();
        while !heard.contains("embedded broker ") {
            assert_ne!(told.read_line(&mut heard).unwrap(), 0, "warren ended before it was ready:\n{heard}");
        }
        // Somebody has to read on, or the program blocks when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
        let stdin = repl.stdin.take().unwrap();
        Self { folder, repl: Mutex::new(Some((repl, stdin))) }
    }

    /// The platform that all tests of this binary share; it ends when the last of them does.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: OnceLock<Mutex<std::sync::Weak<Platform>>> = OnceLock::new();
        let mut shared = SHARED.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let platform = Arc::new(Self::start());
            *shared = Arc::downgrade(&platform);
            platform
        })
    }

    /// The program, which finds the platform by itself.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = warren(self.folder.path());
        command.args(arguments);
        command
    }

    /// The address that the platform left for other terminals.
    pub(crate) fn url(&self) -> String {
        let mut left = std::fs::read_dir(self.folder.path().join("runtime/warren")).unwrap();
        std::fs::read_to_string(left.next().unwrap().unwrap().path()).unwrap()
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.command(arguments).output().unwrap().into()
    }

    /// Runs the program with this on its standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// The JSON that a successful run prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ended = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Writes a file for the test to name.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        if let Some((mut repl, stdin)) = self.repl.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
            drop(stdin);
            let status = repl.wait().unwrap();
            if !std::thread::panicking() {
                assert!(status.success(), "the REPL ended {status}");
            }
        }
    }
}

/// A file or folder of `examples/contest`.
pub(crate) fn example(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/contest");
    root.join(path).display().to_string()
}
