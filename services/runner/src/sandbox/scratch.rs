//! A box's folders on the host.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::unistd::geteuid;
use tempfile::TempDir;

use super::SandboxError;

/// User ids of boxes when the runner is root: above ordinary users, below systemd's dynamic ones (61184 on), and
/// inside the 65536 that a container usually has. Two boxes that happen on the same id share only its process count.
const USERS: std::ops::Range<u32> = 60_001..61_184;

/// What a box's folder is called, before random letters.
const PREFIX: &str = "warren-box-";

/// The file in a box that its runner holds locked: a box without a lock is a dead runner's.
const LOCK: &str = "lock";

/// A younger box without a lock may be one that is being made.
const MAKING: Duration = Duration::from_secs(60);

/// A box: the folder that a program sees as `/box`, and beside it, out of its reach, files for its input and output.
/// Dropping it removes everything.
///
/// Nothing in the box's folder is opened by the host once a program has run there: a name in it may be a link to
/// anywhere.
#[derive(Debug)]
pub struct Scratch {
    root: TempDir,
    user: Option<u32>,
    _lock: File,
}

impl Scratch {
    pub(super) fn make(parent: &Path) -> Result<Self, SandboxError> {
        let failed = |error| SandboxError::io(format!("a box under {}", parent.display()), error);
        let root = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(failed)?;
        fs::set_permissions(root.path(), Permissions::from_mode(0o711)).map_err(failed)?;
        let lock = File::create_new(root.path().join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let scratch = Self { user: geteuid().is_root().then(next_user), root, _lock: lock };
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

/// Removes the boxes that runners left which were killed. What cannot be read or removed stays: it is only disk.
pub(super) fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_box = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()));
        if is_box && is_left(&path) {
            // Does not follow links, wherever they are.
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Whether nobody uses this box of ours any more.
fn is_left(path: &Path) -> bool {
    let is_ours = |metadata: &fs::Metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw();
    let Some(metadata) = fs::symlink_metadata(path).ok().filter(is_ours) else { return false };
    let age = metadata.modified().ok().and_then(|made| made.elapsed().ok());
    let is_locked = File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
    age.is_some_and(|age| age > MAKING) && !is_locked
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// What a killed runner leaves.
    fn abandon(scratch: Scratch) -> PathBuf {
        let Scratch { root, .. } = scratch;
        root.keep()
    }

    #[test]
    fn only_boxes_of_the_dead_are_swept() {
        let parent = tempfile::tempdir().unwrap();
        let [alive, being_made, dead] = [0; 3].map(|_| Scratch::make(parent.path()).unwrap());
        let (being_made, dead) = (abandon(being_made), abandon(dead));
        for old in [alive.root.path(), &dead] {
            File::open(old).unwrap().set_modified(SystemTime::now() - 2 * MAKING).unwrap();
        }
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        sweep(parent.path());
        assert!(!dead.exists());
        assert!(alive.files().exists() && being_made.exists() && other.exists());
    }
}
