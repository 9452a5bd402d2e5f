//! One submission, from its source to its judgement.

mod compile;
mod verdict;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use num_rational::BigRational;
use num_traits::Zero;
use warren_package::{CaseOutcome, Package, Settings, to_decimal};
use warren_proto::grading::{CaseResult, GroupResult, Judgement, Language, Verdict};

use crate::{
    language::toolchain,
    sandbox::{Access, Command, End, Limit, Limits, Outcome, Sandbox, SandboxError, Scratch},
    validator::{ValidateError, validate},
};

/// Bytes that all cases of a submission may print together (quark's `OverallOutputLimit`).
const OVERALL_OUTPUT_BYTES: u64 = 100 << 20;

/// How many times the time limit the wall clock may show: on a machine with other work a program that computes gets a
/// core for a part of the time only, and must still be judged by its CPU time.
const WALL_FACTOR: u32 = 3;

/// Wall time on top of that, for the start of the sandbox.
const WALL_GRACE: Duration = Duration::from_secs(1);

/// `/tmp` of a run.
const RUN_TMP_BYTES: u64 = 16 << 20;

/// Processes and threads of a run.
const RUN_PROCESSES: u32 = 64;

/// What is judged.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The problem.
    pub package: Arc<Package>,
    /// The source's language.
    pub language: Language,
    /// The program.
    pub source: String,
}

/// Compiles the submission, runs it on every case and scores it. `judged_by` is the instance's name.
///
/// A fault of the judge's own is a judgement too: `JE`, with what went wrong.
///
/// # Cancel safety
///
/// Dropping the future kills what runs.
pub async fn judge(sandbox: &Sandbox, submission: &Submission, judged_by: &str) -> Judgement {
    let judged = match compile::compile(sandbox, submission).await {
        Ok(Ok(scratch)) => run_all(sandbox, submission, &scratch).await,
        Ok(Err(said)) => return Judgement::without_cases(Verdict::Ce, &said, judged_by),
        Err(error) => Err(error),
    };
    match judged {
        Ok(runs) => judgement(&submission.package, &runs, judged_by),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a submission could not be judged");
            Judgement::without_cases(Verdict::Je, &error.to_string(), judged_by)
        }
    }
}

/// What came out of a case. All zero if it was not run.
#[derive(Clone, Debug)]
struct Run {
    outcome: CaseOutcome,
    cpu: Duration,
    wall: Duration,
    memory_bytes: u64,
}

impl Run {
    fn unrun(verdict: Verdict) -> Self {
        Self { outcome: CaseOutcome::failed(verdict), cpu: Duration::ZERO, wall: Duration::ZERO, memory_bytes: 0 }
    }
}

async fn run_all(sandbox: &Sandbox, submission: &Submission, scratch: &Scratch) -> Result<Vec<Run>, SandboxError> {
    let overall_wall = Duration::from_millis(submission.package.settings().limits.overall_wall_ms);
    let began = Instant::now();
    let mut printed_bytes = 0;
    let mut runs = Vec::new();
    for index in 0..submission.package.cases().len() {
        let left = overall_wall.saturating_sub(began.elapsed());
        let run = if left.is_zero() {
            Run::unrun(Verdict::Tle)
        } else if printed_bytes > OVERALL_OUTPUT_BYTES {
            Run::unrun(Verdict::Ole)
        } else {
            let (run, bytes) = run_case(sandbox, submission, scratch, index, left).await?;
            printed_bytes += bytes;
            run
        };
        runs.push(run);
    }
    Ok(runs)
}

/// Runs one case, for at most `left`; also how much it printed.
async fn run_case(
    sandbox: &Sandbox,
    submission: &Submission,
    scratch: &Scratch,
    index: usize,
    left: Duration,
) -> Result<(Run, u64), SandboxError> {
    let package = &submission.package;
    let (command, output) = {
        let stdin = scratch.input(&package.cases()[index].input)?;
        let output = scratch.output()?;
        (run_command(submission, stdin, output.clone(), left), output)
    };
    let ended = sandbox.run(scratch, &command).await?;
    let outcome = match verdict::failure(&ended, &package.settings().limits) {
        Some(verdict) => CaseOutcome::failed(verdict),
        None => validated(Arc::clone(package), index, &output).await?,
    };
    let cpu = told_cpu(&ended, package.settings());
    let Outcome { wall, memory_bytes, stdout_bytes, .. } = ended;
    Ok((Run { outcome, cpu, wall, memory_bytes }, stdout_bytes))
}

fn run_command(submission: &Submission, stdin: PathBuf, stdout: PathBuf, left: Duration) -> Command {
    let settings = submission.package.settings();
    let limits = Limits {
        cpu: time_limit(settings),
        wall: wall_limit(settings).min(left),
        memory_bytes: settings.limits.memory_bytes,
        file_bytes: settings.limits.output_bytes,
        tmp_bytes: RUN_TMP_BYTES,
        processes: RUN_PROCESSES,
    };
    command(toolchain(submission.language).run, Access::Read, limits).with_files(Some(stdin), Some(stdout))
}

/// CPU time of a case.
fn time_limit(settings: &Settings) -> Duration {
    Duration::from_millis(settings.limits.time_ms)
}

/// Wall time of a case: it ends those who sleep or wait, not those who compute on a busy machine.
fn wall_limit(settings: &Settings) -> Duration {
    time_limit(settings) * WALL_FACTOR + Duration::from_millis(settings.extra_wall_ms) + WALL_GRACE
}

/// CPU time as it is told: a run that was killed for its time did not take less than the limit.
fn told_cpu(ended: &Outcome, settings: &Settings) -> Duration {
    match ended.end {
        End::Killed(Limit::Cpu | Limit::Wall) => ended.cpu.max(time_limit(settings)),
        _ => ended.cpu,
    }
}

/// A program of the toolchain, reading nothing.
fn command(words: crate::language::Words, access: Access, limits: Limits) -> Command {
    let mut words = words.iter().map(|&word| word.to_owned());
    let program = words.next().expect("a toolchain's commands have a program");
    Command { program, args: words.collect(), access, stdin: None, stdout: None, limits }
}

/// Compares, away from the threads that serve connections: outputs are up to 100 MiB.
async fn validated(package: Arc<Package>, index: usize, output: &Path) -> Result<CaseOutcome, SandboxError> {
    let path = output.to_owned();
    let work = move || {
        let failed = |error| SandboxError::Io { what: "the output".to_owned(), source: error };
        let mut printed = Vec::new();
        let limit_bytes = package.settings().limits.output_bytes;
        File::open(path).map_err(failed)?.take(limit_bytes).read_to_end(&mut printed).map_err(failed)?;
        let score = validate(package.settings().validator, &package.cases()[index].expected, &printed);
        Ok(match score {
            Ok(score) => CaseOutcome::answered(score),
            Err(ValidateError::ExpectedTokenTooLong) => CaseOutcome::failed(Verdict::Ve),
            Err(_) => CaseOutcome::answered(BigRational::zero()),
        })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SandboxError::Io { what: "the validator".to_owned(), source: error.into() })?
}

fn judgement(package: &Package, runs: &[Run], judged_by: &str) -> Judgement {
    let outcomes: Vec<CaseOutcome> = runs.iter().map(|run| run.outcome.clone()).collect();
    let scored = package.score(&outcomes);
    let mut results = package.cases().iter().zip(runs).map(|(case, run)| CaseResult {
        name: case.name.clone(),
        verdict: run.outcome.verdict,
        score: to_decimal(&run.outcome.score),
        time_ms: millis(run.cpu),
        wall_ms: millis(run.wall),
        memory_bytes: run.memory_bytes,
    });
    let groups = scored.groups.into_iter().map(|group| GroupResult {
        score: to_decimal(&group.score),
        cases: results.by_ref().take(group.cases).collect(),
        group: group.group,
    });
    Judgement {
        groups: groups.collect(),
        verdict: scored.verdict,
        score: to_decimal(&scored.score),
        time_ms: runs.iter().map(|run| millis(run.cpu)).max().unwrap_or(0),
        memory_bytes: runs.iter().map(|run| run.memory_bytes).max().unwrap_or(0),
        message: None,
        judged_by: judged_by.to_owned(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_gives_three_times_the_time_limit_and_the_extra_and_a_second() {
        let settings = Settings { extra_wall_ms: 500, ..Settings::default() };
        assert_eq!(
            (time_limit(&settings), wall_limit(&settings)),
            (Duration::from_secs(1), Duration::from_millis(4500))
        );
    }

    #[test]
    fn who_is_killed_for_time_is_told_with_at_least_the_limit() {
        let told = |end, cpu_ms| {
            let (cpu, wall) = (Duration::from_millis(cpu_ms), Duration::from_secs(9));
            let outcome = Outcome { end, cpu, wall, memory_bytes: 0, stdout_bytes: 0, stderr: String::new() };
            millis(told_cpu(&outcome, &Settings::default()))
        };
        assert_eq!(told(End::Killed(Limit::Wall), 3), 1000);
        assert_eq!(told(End::Killed(Limit::Cpu), 1010), 1010);
        assert_eq!(told(End::Killed(Limit::Memory), 3), 3);
        assert_eq!(told(End::Exited(0), 3), 3);
    }
}
