//! RabbitMQ 4: Debian trixie's, in a directory of its own, entered with `chroot` by root.
//!
//! `cargo xtask test --long` runs the library's suite on it too. The directory (about 400 MB) stands in the user's
//! cache directory; `debootstrap` fills it once, from the mirror that this machine's own apt sources name.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use etcetera::BaseStrategy;

use crate::launch::SERVER;

/// Where a node's directory appears inside the root.
pub(crate) const NODE_DIRECTORY: &str = "/srv/warren-node";

/// Runs inside a private mount namespace, so that no mount is left, whatever kills the node. `$1` is the root, `$2` the
/// node's directory or empty, the rest the command.
const ENTER: &str = r#"set -e
root=$1 node=$2; shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
if [ -n "$node" ]; then mount --bind "$node" "$root/srv/warren-node"; fi
exec chroot "$root" "$@""#;

/// Written last, so that a directory without it is an installation that was interrupted.
const COMPLETE: &str = "warren-complete";

/// The root directory, whether it exists or not: `warren/rabbitmq-4` in the user's cache directory.
///
/// # Errors
///
/// If there is no home directory.
pub fn root() -> io::Result<PathBuf> {
    let directories = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    Ok(directories.cache_dir().join("warren").join("rabbitmq-4"))
}

/// Whether `root` holds a whole installation.
#[must_use]
pub fn is_installed(root: &Path) -> bool {
    root.join(COMPLETE).exists()
}

/// Fills [`root`], if it is not filled already. Blocks for about a minute, passes what `debootstrap` prints to standard
/// error, needs root and the Debian package `debootstrap`.
///
/// # Errors
///
/// If this is not root, the apt sources name no mirror or `debootstrap` fails.
pub fn install() -> io::Result<PathBuf> {
    let root = root()?;
    if is_installed(&root) {
        return Ok(root);
    }
    if !nix::unistd::geteuid().is_root() {
        let reason = "only root can install and run it (it is entered with chroot)";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(&root)?;
    let mirror = mirror(Path::new("/etc/apt"))?;
    let status = Command::new("debootstrap")
        .args(["--variant=minbase", "--include=rabbitmq-server", "trixie"])
        .arg(&root)
        .arg(mirror)
        // What the packages' scripts would start, they do not start in single-user mode.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .stdout(io::stderr().as_fd().try_clone_to_owned()?)
        .status()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot run debootstrap: {error}")))?;
    if !status.success() {
        return Err(io::Error::other(format!("debootstrap failed ({status})")));
    }
    fs::create_dir_all(root.join(NODE_DIRECTORY.trim_start_matches('/')))?;
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n")?;
    if !root.join(SERVER.trim_start_matches('/')).exists() {
        return Err(io::Error::other(format!("debootstrap left no {SERVER} in {}", root.display())));
    }
    fs::write(root.join(COMPLETE), "")?;
    Ok(root)
}

/// Adds to `command`, which runs `unshare`, what runs `program` inside `root`. The process id stays the same down to
/// the program.
pub(crate) fn enter(command: &mut Command, root: &Path, directory: Option<&Path>, program: &str) {
    command.args(["--mount", "sh", "-c", ENTER, "sh"]);
    command.arg(root).arg(directory.unwrap_or(Path::new(""))).arg(program);
}

/// The Debian mirror that this machine uses, from `sources.list` or `sources.list.d` (both formats of sources.list(5)).
fn mirror(apt: &Path) -> io::Result<String> {
    let mut files = vec![apt.join("sources.list")];
    if let Ok(entries) = fs::read_dir(apt.join("sources.list.d")) {
        files.extend(entries.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let found = files.iter().filter_map(|file| fs::read_to_string(file).ok()).find_map(|text| mirror_in(&text));
    found.ok_or_else(|| io::Error::other(format!("no Debian mirror is named in {}", apt.display())))
}

/// The first address that ends in `/debian`, as a mirror's main archive does (security updates and other vendors'
/// packages do not).
fn mirror_in(sources: &str) -> Option<String> {
    let is_main_archive = |word: &&str| word.contains("://") && word.trim_end_matches('/').ends_with("/debian");
    sources
        .lines()
        .filter(|line| line.starts_with("URIs:") || line.starts_with("deb "))
        .flat_map(str::split_whitespace)
        .find(is_main_archive)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_found_in_both_formats_of_apt_sources() {
        let old = "# deb http://old.example/debian x\ndeb [signed-by=/k] https://mirror.example/debian bookworm main\n";
        assert_eq!(mirror_in(old).unwrap(), "https://mirror.example/debian");
        let new = "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm\n";
        assert_eq!(mirror_in(new).unwrap(), "http://mirror.example/debian/");
    }

    #[test]
    fn security_updates_and_vendors_are_no_mirror() {
        assert_eq!(
            mirror_in("URIs: http://mirror.example/debian-security\ndeb https://vendor.example/apt x main\n"),
            None
        );
    }
}
