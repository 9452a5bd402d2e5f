//! Which broker a command talks to: `--url`, `WARREN_URL`, or the address that a running `warren` left behind.
//!
//! Each leaves a file of its own, named after its process, so that a second one hides the first only while it runs.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use warren_rpc::{Client, ClientOptions};

use crate::{
    failure::{Exit, Failure},
    output::note,
};

const HINT: &str = "start one with `warren`, name one with --url or WARREN_URL, or add --embedded";

const REFUSED_HINT: &str =
    "the address says who logs in, and to which virtual host: amqp://USER:PASSWORD@HOST:PORT/VHOST";

/// How the files' names begin; the process id follows.
const PREFIX: &str = "broker-";

/// The broker to talk to.
pub(crate) fn find(url: Option<&str>) -> Result<String, Failure> {
    match url {
        Some(url) => Ok(url.to_owned()),
        None => newest(&folder()).ok_or_else(|| {
            Failure::new(Exit::BrokerUnreachable, "no broker's address was given, and no `warren` is running")
                .with_hint(HINT)
        }),
    }
}

/// Connects to the broker that was found, and says what to do if it does not answer.
pub(crate) async fn connect(url: &str, options: ClientOptions) -> Result<Client, Failure> {
    Client::connect(url, options).await.map_err(|error| {
        let is_refused = error.is_refused();
        let failure = Failure::from(error);
        match failure.exit {
            Exit::BrokerUnreachable if is_refused => failure.with_hint(REFUSED_HINT),
            Exit::BrokerUnreachable => failure.with_hint(HINT),
            _ => failure,
        }
    })
}

/// The address left last by a process that still runs.
fn newest(folder: &Path) -> Option<String> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut left: Vec<(SystemTime, PathBuf)> = files
        .filter(|file| is_of_a_running_process(&file.file_name().to_string_lossy()))
        .filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path())))
        .collect();
    left.sort();
    left.iter().rev().find_map(|(_, path)| fs::read_to_string(path).ok())
}

fn is_of_a_running_process(name: &str) -> bool {
    let process = name.strip_prefix(PREFIX).and_then(|id| id.parse::<u32>().ok());
    process.is_some_and(|id| Path::new("/proc").join(id.to_string()).exists())
}

/// Leaves the address of this process's broker; without that, others have to be told it.
pub(crate) fn leave(url: &str) -> Option<Left> {
    Left::leave(url).map_err(|error| note(&format!("other terminals will not find this broker: {error}"))).ok()
}

/// The address as others find it; gone when dropped.
#[derive(Debug)]
pub(crate) struct Left {
    path: PathBuf,
}

impl Left {
    /// Leaves the address of this process's broker, and clears away what killed processes left.
    fn leave(url: &str) -> io::Result<Self> {
        let folder = folder();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        if fs::symlink_metadata(&folder)?.uid() != nix::unistd::Uid::effective().as_raw() {
            return Err(io::Error::other(format!("{} is somebody else's", folder.display())));
        }
        for file in fs::read_dir(&folder)?.filter_map(Result::ok) {
            let name = file.file_name();
            if name.to_string_lossy().starts_with(PREFIX) && !is_of_a_running_process(&name.to_string_lossy()) {
                // If it cannot be removed, it is passed over all the same.
                let _ = fs::remove_file(file.path());
            }
        }
        // Written under another name and renamed: nobody reads half an address. It holds a password.
        let path = folder.join(format!("{PREFIX}{}", std::process::id()));
        let new = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).open(&new)?.write_all(url.as_bytes())?;
        fs::rename(&new, &path)?;
        Ok(Self { path })
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        // If it cannot be removed, it is passed over once this process has ended.
        let _ = fs::remove_file(&self.path);
    }
}

/// A folder in the user's runtime directory, or one of theirs under the temporary one.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(runtime) if !runtime.is_empty() => PathBuf::from(runtime).join("warren"),
        _ => std::env::temp_dir().join(format!("warren-{}", nix::unistd::Uid::effective())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_processes_that_have_ended_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest(folder.path()), None);
        // No process has an id beyond the kernel's largest, 4,194,304.
        fs::write(folder.path().join("broker-4194305"), "amqp://dead").unwrap();
        assert_eq!(newest(folder.path()), None);
        fs::write(folder.path().join(format!("broker-{}", std::process::id())), "amqp://alive").unwrap();
        fs::write(folder.path().join("broker-notes"), "amqp://no").unwrap();
        assert_eq!(newest(folder.path()).as_deref(), Some("amqp://alive"));
    }
}
