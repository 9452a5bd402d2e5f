//! Running one command of a step.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

use crate::workspace;

/// A command that is a step, or a part of one.
#[derive(Debug)]
pub(crate) struct Step {
    command: Command,
}

/// The cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Step {
    step(workspace::cargo(), arguments)
}

pub(crate) fn program(program: impl AsRef<OsStr>, arguments: &[&str]) -> Step {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    step(command, arguments)
}

fn step(mut command: Command, arguments: &[&str]) -> Step {
    command.args(arguments).stdin(Stdio::null());
    Step { command }
}

impl Step {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Step {
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs(mut self, variables: &[(&str, impl AsRef<OsStr>)]) -> Step {
        self.command.envs(variables.iter().map(|(name, value)| (name, value)));
        self
    }

    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Step {
        self.command.args(arguments);
        self
    }

    /// Runs it; its output is this program's.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let child = self.start()?;
        self.finish(child)
    }

    /// Runs it, passes each line of its standard output to `reader`, and on.
    pub(crate) fn run_and_read(mut self, mut reader: impl FnMut(&str)) -> anyhow::Result<()> {
        self.command.stdout(Stdio::piped());
        let mut child = self.start()?;
        let output = child.stdout.take().expect("standard output is piped");
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            std::io::stdout().write_all(&line)?;
            reader(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        self.finish(child)
    }

    fn start(&mut self) -> anyhow::Result<Child> {
        self.command.spawn().with_context(|| format!("cannot run {}", self.command.get_program().display()))
    }

    fn finish(&self, mut child: Child) -> anyhow::Result<()> {
        let status = child.wait()?;
        if !status.success() {
            let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
            let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
            bail!("`{}` failed ({status})", words.join(" "));
        }
        Ok(())
    }
}
