//! A box's folders on the host.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::SandboxError;

/// User ids of boxes when the runner is root: above ordinary users, below systemd's dynamic ones (61184 on), and
/// inside the 65536 that a container usually has. Two boxes that happen on the same id share only its process count.
const USERS: std::ops::Range<u32> = 60_001..61_184;

/// A box: the folder that a program sees as `/box`, and beside it, out of its reach, files for its input and output.
/// Dropping it removes everything.
///
/// Nothing in the box's folder is opened by the host once a program has run there: a name in it may be a link to anywhere.
#[derive(Debug)]
pub struct Scratch {
    root: TempDir,
    user: Option<u32>,
}

impl Scratch {
    pub(super) fn make(parent: &Path) -> Result<Self, SandboxError> {
        let failed = |error| SandboxError::io(format!("a box under {}", parent.display()), error);
        let root = tempfile::Builder::new().prefix("warren-box-").tempdir_in(parent).map_err(failed)?;
        fs::set_permissions(root.path(), Permissions::from_mode(0o711)).map_err(failed)?;
        let scratch = Self { user: geteuid().is_root().then(next_user), root };
        let files = scratch.files();
        fs::create_dir(&files).map_err(failed)?;
        fs::set_permissions(&files, Permissions::from_mode(0o700)).map_err(failed)?;
        chown(&files, scratch.user, scratch.user).map_err(failed)?;
        Ok(scratch)
    }

    /// Puts a file into the box, readable there. Only before anything ran in it.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is there already.
    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), SandboxError> {
        write_new(&self.files().join(name), content)
    }

    /// Makes the file that a program reads from, anew.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn input(&self, content: &[u8]) -> Result<PathBuf, SandboxError> {
        let path = self.fresh("input")?;
        write_new(&path, content)?;
        Ok(path)
    }

    /// The path of the file that a program prints to, which does not exist.
    ///
    /// # Errors
    ///
    /// If an old one cannot be removed.
    pub fn output(&self) -> Result<PathBuf, SandboxError> {
        self.fresh("output")
    }

    /// The folder that a program sees as `/box`.
    pub(super) fn files(&self) -> PathBuf {
        self.root.path().join("files")
    }

    /// The user that programs run as; absent: the runner's own.
    pub(super) fn user(&self) -> Option<u32> {
        self.user
    }

    /// A name beside the box's folder, where only the runner can make files.
    fn fresh(&self, name: &str) -> Result<PathBuf, SandboxError> {
        let path = self.root.path().join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(SandboxError::io(path.display().to_string(), error))
            }
            _ => Ok(path),
        }
    }
}

/// Makes a file, readable for the program, writable for nobody but the runner.
fn write_new(path: &Path, content: &[u8]) -> Result<(), SandboxError> {
    let failed = |error| SandboxError::io(path.display().to_string(), error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.set_permissions(Permissions::from_mode(0o444)).map_err(failed)
}

/// Goes round all ids, beginning where another process likely does not.
fn next_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let offset = std::process::id().wrapping_mul(31).wrapping_add(turn) % (USERS.end - USERS.start);
    USERS.start + offset
}
