//! Compiling, in the sandbox like everything else of a stranger's: a compiler reads files and runs long if told to.

use warren_proto::runner::{COMPILE_MEMORY_BYTES_MAX, COMPILE_TIME_MAX};

use super::{Submission, command};
use crate::{
    language::toolchain,
    sandbox::{Access, End, Limit, Limits, Outcome, Sandbox, SandboxError, Scratch},
};

/// What compiling may use.
const LIMITS: Limits = Limits {
    cpu: COMPILE_TIME_MAX,
    wall: COMPILE_TIME_MAX,
    memory_bytes: COMPILE_MEMORY_BYTES_MAX,
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
    let with_said = |problem: String| format!("{problem}\n{said}").trim_end().to_owned();
    match outcome.end {
        End::Killed(Limit::Cpu | Limit::Wall) => {
            with_said(format!("the compiler took more than {} s", COMPILE_TIME_MAX.as_secs()))
        }
        End::Killed(Limit::Memory) => {
            with_said(format!("the compiler used more than {} MiB", COMPILE_MEMORY_BYTES_MAX >> 20))
        }
        End::Exited(code) if said.is_empty() => format!("the compiler ended with exit code {code}"),
        End::Exited(_) => said.to_owned(),
    }
}
