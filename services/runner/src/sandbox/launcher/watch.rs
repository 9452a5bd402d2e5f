//! Watches a run until it ends, or ends it.

use std::{
    fs::File,
    io::Read,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};
use serde::Deserialize;

use super::tree::{self, Ledger, Usage};
use crate::sandbox::{End, Limit, Limits};

/// How often memory and CPU time are added up. At some GB/s of page faults a core gets this far beyond its limit.
const TICK: Duration = Duration::from_millis(5);

/// Of bwrap's process inside this much is its own. The rest is the program's, which may trace that process and make it
/// allocate.
const FIRST_INSIDE_BYTES: u64 = 4 << 20;

/// Kept of standard error; the rest is read and thrown away.
const STDERR_BYTES_MAX: usize = 8 << 10;

/// Read of bwrap's status: two short lines.
const STATUS_BYTES_MAX: usize = 4 << 10;

/// The ends of a running bwrap.
#[derive(Debug)]
pub(super) struct Pipes {
    pub(super) bwrap: u32,
    pub(super) status: File,
    pub(super) stderr: File,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    /// What the tree used: the most memory, the CPU time. `getrusage` misses what dies with its namespace.
    pub(super) seen: Usage,
    pub(super) stderr: Vec<u8>,
}

#[derive(Debug)]
struct Watch {
    pipes: Pipes,
    status: Vec<u8>,
    stderr: Vec<u8>,
    stderr_open: bool,
    ledger: Ledger,
    seen: Usage,
}

/// Why watching stopped.
enum Stop {
    Ended,
    Limit(Limit),
    /// The control pipe's end: nobody wants the result.
    Abandoned,
}

/// Waits for the end of the run, a limit, or the end of the control pipe (standard input), and leaves no process.
pub(super) fn watch(pipes: Pipes, limits: &Limits, started: Instant) -> Result<Ended, String> {
    let mut watch = Watch {
        pipes,
        status: Vec::new(),
        stderr: Vec::new(),
        stderr_open: true,
        ledger: Ledger::default(),
        seen: Usage::default(),
    };
    let stop = watch.until_stop(limits, started);
    watch.look();
    kill_and_reap_all()?;
    watch.drain_stderr();
    let end = match stop? {
        Stop::Limit(limit) => End::Killed(limit),
        Stop::Abandoned => return Err("abandoned".to_owned()),
        Stop::Ended => End::Exited(watch.exit_code().ok_or_else(|| watch.start_problem())?),
    };
    Ok(Ended { end, seen: watch.seen, stderr: watch.stderr })
}

impl Watch {
    fn until_stop(&mut self, limits: &Limits, started: Instant) -> Result<Stop, String> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            if let Some(stop) = self.wait(next_tick)? {
                return Ok(stop);
            }
            if started.elapsed() >= limits.wall {
                return Ok(Stop::Limit(Limit::Wall));
            }
            if Instant::now() >= next_tick {
                if let Some(limit) = self.tick(limits) {
                    return Ok(Stop::Limit(limit));
                }
                next_tick = Instant::now() + TICK;
            }
        }
    }

    /// Waits for the pipes until `deadline`, and reads what is there.
    fn wait(&mut self, deadline: Instant) -> Result<Option<Stop>, String> {
        let control = std::io::stdin();
        let timeout = deadline.saturating_duration_since(Instant::now()).as_millis();
        let timeout = PollTimeout::try_from(timeout + 1).unwrap_or(PollTimeout::ZERO);
        let mut fds = vec![
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.pipes.status.as_fd(), PollFlags::POLLIN),
        ];
        if self.stderr_open {
            fds.push(PollFd::new(self.pipes.stderr.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(format!("poll: {error}")),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        if ready[0] {
            return Ok(Some(Stop::Abandoned));
        }
        if ready.get(2) == Some(&true) {
            self.stderr_open = read_some(&mut self.pipes.stderr, &mut self.stderr, STDERR_BYTES_MAX);
        }
        // bwrap closes its status by ending.
        let ended = ready[1] && !read_some(&mut self.pipes.status, &mut self.status, STATUS_BYTES_MAX);
        Ok(ended.then_some(Stop::Ended))
    }

    fn tick(&mut self, limits: &Limits) -> Option<Limit> {
        let usage = self.look();
        if usage.memory_bytes > limits.memory_bytes {
            return Some(Limit::Memory);
        }
        (usage.cpu > limits.cpu).then_some(Limit::Cpu)
    }

    /// What the tree uses now.
    fn look(&mut self) -> Usage {
        let (bwrap, first_inside) = (self.pipes.bwrap, self.first_inside());
        let usage = self.ledger.look(bwrap, |process| match process {
            // In no namespace of the program's: out of its reach.
            _ if process == bwrap => u64::MAX,
            _ if Some(process) == first_inside => FIRST_INSIDE_BYTES,
            _ => 0,
        });
        self.seen.memory_bytes = self.seen.memory_bytes.max(usage.memory_bytes);
        self.seen.cpu = self.seen.cpu.max(usage.cpu);
        usage
    }

    /// bwrap's own process inside.
    fn first_inside(&self) -> Option<u32> {
        self.status_value(|status| status.child_pid)
    }

    /// Told only if the program was started.
    fn exit_code(&self) -> Option<i32> {
        self.status_value(|status| status.exit_code)
    }

    fn status_value<T>(&self, value: impl Fn(Status) -> Option<T>) -> Option<T> {
        let documents = serde_json::Deserializer::from_slice(&self.status).into_iter::<Status>();
        documents.map_while(Result::ok).find_map(value)
    }

    fn start_problem(&self) -> String {
        let said = String::from_utf8_lossy(&self.stderr);
        if said.trim().is_empty() { "bwrap ended without a word".to_owned() } else { said.trim().to_owned() }
    }

    /// To the end, which is there: no writer is left.
    fn drain_stderr(&mut self) {
        while self.stderr_open {
            self.stderr_open = read_some(&mut self.pipes.stderr, &mut self.stderr, STDERR_BYTES_MAX);
        }
    }
}

/// What bwrap tells by `--json-status-fd`: documents of which we need two fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Status {
    child_pid: Option<u32>,
    exit_code: Option<i32>,
}

/// Reads once, keeping at most `bytes_max` in all. False at the end.
fn read_some(file: &mut File, kept: &mut Vec<u8>, bytes_max: usize) -> bool {
    let mut buffer = [0; 4096];
    match file.read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            let room = bytes_max.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..length.min(room)]);
            true
        }
    }
}

/// Kills and waits for every descendant: when bwrap dies, what it started dies with it and comes to us, the subreaper,
/// so that its CPU time is counted.
fn kill_and_reap_all() -> Result<(), String> {
    loop {
        for child in tree::own_children() {
            // One that ended meanwhile is waited for below.
            let _ = kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL);
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(()),
            Err(error) => return Err(format!("waitpid: {error}")),
        }
    }
}
