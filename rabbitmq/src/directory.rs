//! A node's directory: data, log, configuration, cookie. And who removes it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::StartError;

/// Waits until this program is gone (its end of the pipe is closed, however it ended), then removes the directory. The
/// node itself is killed by the kernel at the same moment, so a first try may meet a file that is still being written.
const SWEEP: &str = r#"cat; for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$1" && exit; sleep 0.2; done"#;

const EXPLANATION_LINES: usize = 25;

/// A node's directory, locked for it.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    node_name: String,
    /// Present if the directory is temporary.
    sweeper: Option<Child>,
    /// Held as long as the node may run: two nodes must not share data.
    lock: File,
}

impl Directory {
    /// Opens `kept`, made if absent, or makes a temporary directory.
    pub(crate) fn open(kept: Option<&Path>) -> Result<Directory, StartError> {
        let (path, sweeper) = match kept {
            Some(path) => {
                fs::create_dir_all(path).map_err(StartError::io(format!("make {}", path.display())))?;
                (path.canonicalize().map_err(StartError::io(format!("open {}", path.display())))?, None)
            }
            None => {
                let path = tempfile::Builder::new()
                    .prefix("warren-rabbitmq-")
                    .tempdir()
                    .map_err(StartError::io("make a temporary directory"))?
                    .keep();
                let sweeper = sweeper(&path).map_err(StartError::io("start sh"))?;
                (path, Some(sweeper))
            }
        };
        let fill = || -> io::Result<(String, Option<File>)> {
            let lock = File::create(path.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => Ok((furnish(&path)?, Some(lock))),
                Err(TryLockError::WouldBlock) => Ok((String::new(), None)),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        let (node_name, lock) = fill().map_err(StartError::io(format!("write into {}", path.display())))?;
        let lock = lock.ok_or_else(|| StartError::DirectoryInUse(path.clone()))?;
        Ok(Directory { path, node_name, sweeper, lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// RabbitMQ's node name, `NAME@localhost`: the data belong to it.
    pub(crate) fn node_name(&self) -> &str {
        &self.node_name
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.path.join("node.log")
    }

    /// The last `count` lines of the log.
    pub(crate) fn log_tail(&self, count: usize) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log), count)
    }

    /// What explains why a node gave up: the first errors in its log since byte `from`, or the last lines if it names
    /// none. (A crash ends with pages of Erlang's terms, so the last lines alone would say little.)
    pub(crate) fn explanation(&self, from: u64) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let from = usize::try_from(from).map_or(log.len(), |from| from.min(log.len()));
        let log = String::from_utf8_lossy(&log[from..]);
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("[error]")).take(EXPLANATION_LINES).collect();
        if errors.is_empty() { last_lines(&log, EXPLANATION_LINES) } else { errors.join("\n") }
    }

    pub(crate) fn write_configuration(&self, text: &str) -> io::Result<()> {
        fs::write(self.path.join("rabbitmq.conf"), text)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(mut sweeper) = self.sweeper.take() {
            // The sweeper removes what is left, in case something was still being written.
            let _ = fs::remove_dir_all(&self.path);
            drop(sweeper.stdin.take());
            let _ = sweeper.wait();
        }
        // Closing is not enough: a process that is being started by another thread holds a copy of the open file until
        // it becomes another program. If this fails, closing it has to do.
        let _ = self.lock.unlock();
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn sweeper(path: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", SWEEP, "sh"])
        .arg(path)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Makes what a node expects in its directory, and returns its name: the one of earlier, if there was one.
fn furnish(path: &Path) -> io::Result<String> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    let home = path.join("home");
    fs::create_dir_all(&home)?;
    let cookie_file = home.join(".erlang.cookie");
    let _ = fs::remove_file(&cookie_file);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(cookie_file)?;
    file.write_all(cookie().as_bytes())?;

    let name_file = path.join("node-name");
    if let Ok(name) = fs::read_to_string(&name_file) {
        return Ok(name.trim().to_owned());
    }
    let name = format!("warren-{:08x}@localhost", getrandom::u32().map_err(io::Error::other)?);
    fs::write(name_file, &name)?;
    Ok(name)
}

/// The Erlang cookie, one for all nodes of this program, so that they can form a cluster.
fn cookie() -> &'static str {
    static COOKIE: OnceLock<String> = OnceLock::new();
    COOKIE.get_or_init(|| {
        let half = || getrandom::u64().expect("the kernel gives random bytes");
        format!("{:016x}{:016x}", half(), half())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_directory_goes_when_it_is_dropped() {
        let directory = Directory::open(None).unwrap();
        let path = directory.path().to_owned();
        fs::write(path.join("rabbitmq.conf"), "x").unwrap();
        drop(directory);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_directory_keeps_its_node_name_and_refuses_a_second_node() {
        let kept = tempfile::tempdir().unwrap();
        let first = Directory::open(Some(kept.path())).unwrap();
        assert!(matches!(Directory::open(Some(kept.path())), Err(StartError::DirectoryInUse(_))));
        let name = first.node_name().to_owned();
        drop(first);
        assert_eq!(Directory::open(Some(kept.path())).unwrap().node_name(), name);
    }

    #[test]
    fn the_log_tail_is_the_last_lines() {
        let directory = Directory::open(None).unwrap();
        assert_eq!(directory.log_tail(2), "");
        fs::write(directory.log_file(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(directory.log_tail(2), "two\nthree");
    }

    #[test]
    fn an_explanation_is_the_errors_of_this_start_or_else_the_last_lines() {
        let directory = Directory::open(None).unwrap();
        fs::write(directory.log_file(), "[error] old\n[info] up\n[error] port is taken\nterms\n").unwrap();
        assert_eq!(directory.explanation(12), "[error] port is taken");
        assert_eq!(directory.explanation(44), "terms");
        assert_eq!(directory.explanation(4_000), "");
    }
}
