//! Child processes that end with this program, however it ends.
//!
//! The kernel can kill a child when its parent dies (`PR_SET_PDEATHSIG`, set by `setpriv`), but "parent" means the
//! *thread* that made the child (prctl(2)). A test's thread or a runtime's worker may end long before the node should,
//! so one thread does nothing but make children, and lives as long as the process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

struct Job {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

fn jobs() -> &'static Mutex<Sender<Job>> {
    static JOBS: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    JOBS.get_or_init(|| {
        let (jobs_tx, jobs_rx) = channel::<Job>();
        std::thread::Builder::new()
            .name("rabbitmq-keeper".to_owned())
            .spawn(move || {
                for mut job in jobs_rx {
                    // Whoever asked may be gone; then nobody waits for the child either, and it must not stay.
                    if let Err(unwanted) = job.answer.send(job.command.spawn())
                        && let Ok(mut child) = unwanted.0
                    {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            })
            .expect("a thread can be started");
        Mutex::new(jobs_tx)
    })
}

/// A command that runs `program` so that the kernel kills it when this program ends. The process id stays the program's
/// own as long as everything down to it uses `exec`.
pub(crate) fn dying_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// A running child, in a process group of its own so that a terminal's Ctrl-C does not reach it. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Kept {
    child: Child,
}

impl Kept {
    /// Starts `command`, which should come from [`dying_with_us`].
    pub(crate) fn spawn(mut command: Command) -> io::Result<Kept> {
        command.process_group(0);
        let (answer, answered) = sync_channel(0);
        let keeper_gone = |_| io::Error::other("the thread that starts processes is gone");
        jobs()
            .lock()
            .expect("nobody panics while holding this lock")
            .send(Job { command, answer })
            .map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
        Ok(Kept { child: answered.recv().map_err(keeper_gone)?? })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // The child is not reaped before `self` is gone or `try_wait` says so: the id cannot belong to somebody else.
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).map_err(io::Error::from)
    }

    /// How the child ended, or `None` while it runs.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Kills the child and waits for its end: milliseconds, even if it is stopped.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the child to end (SIGTERM), and kills it after `timeout`. Blocks.
    pub(crate) fn terminate(&mut self, timeout: Duration) -> io::Result<()> {
        let kill_at = Instant::now() + timeout;
        self.signal(Signal::SIGTERM)?;
        self.signal(Signal::SIGCONT)?;
        while self.try_wait()?.is_none() {
            if Instant::now() >= kill_at {
                tracing::warn!(pid = self.id(), ?timeout, "rabbitmq did not stop in time, killing it");
                self.kill();
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.kill();
    }
}
