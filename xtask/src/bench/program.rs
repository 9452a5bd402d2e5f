//! A program that is measured, or measures: a child process that is spoken to by lines, within a time limit.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// A running child. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Program {
    /// Starts the program `name` of `folder` in a session of its own, as programs of a server have: within one session
    /// Linux shares the processors as if client and broker were one program (`man 7 sched`: autogroup).
    pub(super) fn start(folder: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<Program> {
        // It becomes the program: the process stays the same.
        let mut child = Command::new("setsid")
            .arg(folder.join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take().context("it was asked for")?);
        let (lines_tx, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines_tx.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Program { name: name.to_owned(), child, input, lines })
    }

    /// The next line that it prints.
    pub(super) fn line(&self) -> anyhow::Result<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => bail!("{} said nothing for {PATIENCE:?}", self.name),
            Err(RecvTimeoutError::Disconnected) => bail!("{} ended without a word: see above", self.name),
        }
    }

    /// Waits until it has ended in order, whatever else it prints.
    pub(super) fn end(mut self) -> anyhow::Result<()> {
        let told = Instant::now();
        drop(self.input.take());
        while let Some(left) = PATIENCE.checked_sub(told.elapsed()) {
            match self.lines.recv_timeout(left) {
                Ok(_) => (),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.wait()?;
                    ensure!(status.success(), "{} failed: {status}", self.name);
                    return Ok(());
                }
            }
        }
        bail!("{} did not end within {PATIENCE:?}", self.name)
    }

    /// Lets it go on: it waits for a line.
    pub(super) fn go_on(&mut self) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("its input is piped")?;
        writeln!(input).with_context(|| format!("{} does not read", self.name))
    }

    pub(super) fn resident_mib(&self) -> anyhow::Result<f64> {
        resident_mib(self.child.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process's resident memory.
pub(super) fn resident_mib(process_id: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process_id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Runs a program to its first line, which is its result.
pub(super) fn result_of(folder: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    Program::start(folder, name, arguments)?.line()
}

/// Runs a program to its end; its first line is its result.
pub(super) fn whole_result_of(folder: &Path, name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let program = Program::start(folder, name, arguments)?;
    let line = program.line()?;
    program.end()?;
    Ok(line)
}
