//! The Debian packages that parts of Warren need: RabbitMQ, compilers, the sandbox's tools.
//!
//! [`ensure`] installs what is missing if it may (root, on Debian), and otherwise says which one command would. A
//! program then ends with [`Missing::EXIT_CODE`]; a test says [`skip_test`].

mod apt;
mod skip;

use std::collections::HashSet;
use std::process::{Command, Stdio};

pub use skip::{SKIPPED_FILE, skip_test};

/// Packages are missing and could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("missing Debian packages: {}\n{reason}; install them with:\n  {}", packages.join(" "), self.command())]
#[non_exhaustive]
pub struct Missing {
    /// What is missing.
    pub packages: Vec<String>,
    /// Why this program did not install it.
    pub reason: String,
}

impl Missing {
    /// What a program ends with when something to install is missing.
    pub const EXIT_CODE: u8 = 7;

    /// The one command that installs them, for root on Debian.
    #[must_use]
    pub fn command(&self) -> String {
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        format!("apt-get {}", apt::install_arguments(&packages).join(" "))
    }
}

/// Which of `packages` are not installed, in their order. On a machine without `dpkg` that is all of them.
#[must_use]
pub fn missing<'p>(packages: &[&'p str]) -> Vec<&'p str> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(packages)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    // It fails if one package is unknown, and still lists the others.
    let listed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    not_in_list(packages, &listed)
}

fn not_in_list<'p>(packages: &[&'p str], listed: &str) -> Vec<&'p str> {
    let installed: HashSet<&str> = listed.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    packages.iter().copied().filter(|package| !installed.contains(package)).collect()
}

/// Makes sure that `packages` are installed. As root on Debian it prints and runs the one `apt-get install` command,
/// both to standard error (with `apt-get update` first when this machine has no package lists, or old ones). No service
/// is started by it where there is no init system. It blocks, for a minute or more if there is something to install.
///
/// # Errors
///
/// [`Missing`], whose text holds the command to type, if something is missing and this is not root, not Debian, or the
/// installation failed.
pub fn ensure(packages: &[&str]) -> Result<(), Missing> {
    let absent = missing(packages);
    if absent.is_empty() {
        return Ok(());
    }
    let failed = |reason: String| Missing { packages: absent.iter().map(|&name| name.to_owned()).collect(), reason };
    if !apt::is_there() {
        return Err(failed("this machine has no apt-get".to_owned()));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err(failed("only root can install them".to_owned()));
    }
    apt::install(&absent).map_err(failed)?;
    match missing(packages).as_slice() {
        [] => Ok(()),
        _ => Err(failed("apt-get succeeded, and they are missing still".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_installed_package_is_not_missing() {
        let listed = "gcc installed\ng++ config-files\npython3 not-installed\n";
        assert_eq!(not_in_list(&["gcc", "g++", "python3", "bubblewrap"], listed), ["g++", "python3", "bubblewrap"]);
    }

    #[test]
    fn what_is_missing_comes_with_the_command_that_installs_it() {
        let missing = Missing { packages: vec!["gcc".into(), "g++".into()], reason: "only root can".into() };
        assert_eq!(
            missing.to_string(),
            "missing Debian packages: gcc g++\nonly root can; install them with:\n  \
             apt-get install -y --no-install-recommends gcc g++"
        );
    }
}
