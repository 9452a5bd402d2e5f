//! Which broker a command talks to: `--url`, `WARREN_URL`, or the address that a running `warren` left behind.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::failure::{Exit, Failure};

const HINT: &str = "start one with `warren`, name one with --url or WARREN_URL, or add --embedded";

/// The broker to talk to.
pub(crate) fn find(url: Option<&str>) -> Result<String, Failure> {
    if let Some(url) = url {
        return Ok(url.to_owned());
    }
    fs::read_to_string(path()).map_err(|_| {
        Failure::new(Exit::BrokerUnreachable, "no broker's address was given, and no `warren` is running")
            .with_hint(HINT)
    })
}

/// Tells what to do when the broker that was found does not answer.
pub(crate) fn explain(failure: Failure) -> Failure {
    if failure.exit == Exit::BrokerUnreachable { failure.with_hint(HINT) } else { failure }
}

/// The address as others find it; gone when dropped.
#[derive(Debug)]
pub(crate) struct Left {
    url: String,
}

impl Left {
    /// Leaves the address of this process's broker. The newest wins.
    pub(crate) fn leave(url: &str) -> io::Result<Self> {
        let path = path();
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        if fs::symlink_metadata(folder)?.uid() != nix::unistd::Uid::effective().as_raw() {
            return Err(io::Error::other(format!("{} is somebody else's", folder.display())));
        }
        // A new file under its own name, renamed: nobody reads half an address. It holds a password.
        let new = path.with_extension(std::process::id().to_string());
        let mut options = fs::OpenOptions::new();
        io::Write::write_all(
            &mut options.write(true).create(true).truncate(true).mode(0o600).open(&new)?,
            url.as_bytes(),
        )?;
        fs::rename(&new, &path)?;
        Ok(Self { url: url.to_owned() })
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        if fs::read_to_string(path()).is_ok_and(|url| url == self.url) {
            // If it cannot be removed, the next command says that the broker is gone.
            let _ = fs::remove_file(path());
        }
    }
}

/// A file in the user's runtime directory, or in a folder of theirs under the temporary one.
fn path() -> PathBuf {
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("warren"),
        _ => std::env::temp_dir().join(format!("warren-{}", nix::unistd::Uid::effective())),
    };
    folder.join("broker-url")
}
