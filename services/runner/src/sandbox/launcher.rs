//! The launcher: limits, starts, watches, measures and kills one run. See [`super`] for why it is a process.
//!
//! It reads nothing from the program, opens no file that the program can name, and says one line in the end.

mod limits;
mod tree;
mod watch;

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::Write,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::{OpenOptionsExt, fchown},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::resource::{UsageWho, getrusage},
    unistd::pipe2,
};

use self::watch::{Ended, Pipes};
use super::{
    Outcome, bubblewrap,
    wire::{Report, Spec},
};

/// Sets the CPU time, and the number of processes inside the box's own user namespace, where it is counted for this
/// run alone.
const PRLIMIT: &str = "/usr/bin/prlimit";

/// Runs what the argument describes, and prints one JSON line. To be called first thing in `main`, before any thread is
/// started, if the first argument is [`LAUNCHER_ARGUMENT`](super::LAUNCHER_ARGUMENT); `args` are those after it.
pub fn launcher_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let report = match run(args) {
        Ok(outcome) => Report::Finished(outcome),
        Err(problem) => Report::Failed(problem),
    };
    let line = serde_json::to_string(&report).expect("a report is plain data");
    match writeln!(std::io::stdout(), "{line}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(args: impl IntoIterator<Item = OsString>) -> Result<Outcome, String> {
    let spec = args.into_iter().next().and_then(|spec| spec.into_string().ok()).ok_or("no run is described")?;
    let spec: Spec = serde_json::from_str(&spec).map_err(|error| error.to_string())?;
    close_inherited().map_err(|error| format!("/proc/self/fd: {error}"))?;
    // What outlives bwrap is ours to kill and to count.
    nix::sys::prctl::set_child_subreaper(true).map_err(|error| format!("the subreaper: {error}"))?;
    limits::set(&spec.limits)?;
    let stdout = spec.stdout.as_deref().map(|path| open_output(path, spec.user)).transpose()?;
    let written = stdout.as_ref().map(File::try_clone).transpose().map_err(|error| error.to_string())?;
    let started = Instant::now();
    let own_peak_bytes = peak_bytes(UsageWho::RUSAGE_SELF)?;
    let pipes = start(&spec, stdout)?;
    let ended = watch::watch(pipes, &spec.limits, started)?;
    let wall = started.elapsed();
    outcome(&ended, wall, written, own_peak_bytes, spec.limits.memory_bytes)
}

/// What a parent left open (a build tool's job pipes, a log) must not reach the program: bwrap passes it on.
fn close_inherited() -> std::io::Result<()> {
    // Numbers, not entries: those would hold the listing open.
    let numbers = fs::read_dir("/proc/self/fd")?
        .map(|entry| Ok(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok())))
        .collect::<std::io::Result<Vec<_>>>()?;
    for number in numbers.into_iter().flatten().filter(|&number| number > 2) {
        // One of them was the listing's own, closed by now.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

fn open_output(path: &Path, user: Option<u32>) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let no_follow = OFlag::O_NOFOLLOW.bits();
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(no_follow).open(path);
    let file = file.map_err(failed)?;
    // The program's own, so that it can open `/dev/stdout` again.
    fchown(&file, user, user).map_err(failed)?;
    Ok(file)
}

fn open_input(path: Option<&Path>) -> Result<Stdio, String> {
    let Some(path) = path else { return Ok(Stdio::null()) };
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    file.map(Stdio::from).map_err(|error| format!("{}: {error}", path.display()))
}

/// Starts bwrap, whose status and standard error come back by pipes.
fn start(spec: &Spec, stdout: Option<File>) -> Result<Pipes, String> {
    let (status, status_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    fcntl(&status_end, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|error| format!("the status pipe: {error}"))?;
    let mut bwrap = Command::new(bubblewrap::BWRAP);
    bwrap
        .args(&spec.bwrap)
        .args(["--json-status-fd", &raw_number(&status_end), "--", PRLIMIT])
        .arg(format!("--nproc={}", spec.limits.processes))
        .arg(format!("--cpu={}", limits::cpu_s(&spec.limits)))
        .arg("--")
        .args(&spec.program)
        .env_clear()
        .current_dir("/")
        .stdin(open_input(spec.stdin.as_deref())?)
        .stdout(stdout.map_or_else(Stdio::null, Stdio::from))
        .stderr(stderr_end);
    if let Some(user) = spec.user {
        // With a uid, the standard library also drops the supplementary groups.
        bwrap.uid(user).gid(user);
    }
    let child = bwrap.spawn().map_err(|error| format!("{}: {error}", bubblewrap::BWRAP))?;
    Ok(Pipes { bwrap: child.id(), status: status.into(), stderr: stderr.into() })
}

fn pipe() -> Result<(OwnedFd, OwnedFd), String> {
    pipe2(OFlag::O_CLOEXEC).map_err(|error| format!("a pipe: {error}"))
}

fn raw_number(fd: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    fd.as_fd().as_raw_fd().to_string()
}

fn outcome(
    ended: &Ended,
    wall: Duration,
    stdout: Option<File>,
    own_peak_bytes: u64,
    memory_limit_bytes: u64,
) -> Result<Outcome, String> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| format!("the usage: {error}"))?;
    let micros = [usage.user_time(), usage.system_time()].map(|time| time.tv_sec() * 1_000_000 + time.tv_usec());
    let cpu = Duration::from_micros(micros.iter().sum::<i64>().unsigned_abs());
    // A child's peak begins with what its parent had before exec: at or below our own it only says "not more".
    let memory_bytes = match (peak_bytes(UsageWho::RUSAGE_CHILDREN)?, ended.seen.memory_bytes) {
        (single, seen) if single > own_peak_bytes => single.max(seen),
        (single, 0) => single.min(memory_limit_bytes),
        (_, seen) => seen,
    };
    let stdout_bytes = stdout.map(|file| file.metadata().map(|metadata| metadata.len())).transpose();
    Ok(Outcome {
        end: ended.end,
        cpu: cpu.max(ended.seen.cpu),
        wall,
        memory_bytes,
        stdout_bytes: stdout_bytes.map_err(|error| format!("the output: {error}"))?.unwrap_or(0),
        stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
    })
}

fn peak_bytes(who: UsageWho) -> Result<u64, String> {
    let usage = getrusage(who).map_err(|error| format!("the usage: {error}"))?;
    Ok(usage.max_rss().unsigned_abs() << 10)
}
