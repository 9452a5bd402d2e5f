//! Compiling, in the sandbox like everything else of a stranger's: a compiler reads files and runs long if told to.

use std::time::Duration;

use super::{Submission, command};
use crate::{
    language::toolchain,
    sandbox::{Access, End, Limit, Limits, Outcome, Sandbox, SandboxError, Scratch},
};

/// What compiling may use.
const LIMITS: Limits = Limits {
    cpu: Duration::from_secs(30),
    wall: Duration::from_secs(30),
    memory_bytes: 1 << 30,
    file_bytes: 64 << 20,
    tmp_bytes: 256 << 20,
    processes: 64,
};

/// The box with the compiled program; or what the compiler said.
pub(super) async fn compile(
    sandbox: &Sandbox,
    submission: &Submission,
) -> Result<Result<Scratch, String>, SandboxError> {
    let toolchain = toolchain(submission.language);
    let scratch = sandbox.scratch()?;
    scratch.put(toolchain.source, submission.source.as_bytes())?;
    let outcome = sandbox.run(&scratch, &command(toolchain.compile, Access::Write, LIMITS)).await?;
    Ok(match outcome.end {
        End::Exited(0) => Ok(scratch),
        _ => Err(message(&outcome)),
    })
}

fn message(outcome: &Outcome) -> String {
    let said = outcome.stderr.trim();
    match outcome.end {
        End::Killed(Limit::Cpu | Limit::Wall) => format!("the compiler took more than 30 s\n{said}").trim().to_owned(),
        End::Killed(Limit::Memory) => format!("the compiler used more than 1 GiB\n{said}").trim().to_owned(),
        End::Exited(code) if said.is_empty() => format!("the compiler ended with exit code {code}"),
        End::Exited(_) => said.to_owned(),
    }
}
