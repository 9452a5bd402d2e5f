//! Release builds of what is measured.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::workspace;

/// Builds a crate's examples and returns their folder.
pub(super) fn examples(package: &str) -> anyhow::Result<PathBuf> {
    cargo(["build", "--release", "--examples", "-p", package].map(OsStr::new))?;
    Ok(workspace::target().join("release/examples"))
}

/// Builds one example of a crate and returns its folder.
pub(super) fn example(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    cargo(["build", "--release", "-p", package, "--example", name].map(OsStr::new))?;
    Ok(workspace::target().join("release/examples"))
}

/// Builds a crate's program as its users do, and returns its folder.
pub(super) fn program(package: &str) -> anyhow::Result<PathBuf> {
    cargo(["build", "--release", "-p", package].map(OsStr::new))?;
    Ok(workspace::target().join("release"))
}

/// Builds programs of another workspace, into a folder in our target, and returns it.
pub(super) fn programs(directory: &Path, names: &[&str]) -> anyhow::Result<PathBuf> {
    let (manifest, target) = (directory.join("Cargo.toml"), workspace::target().join("peers"));
    let mut arguments: Vec<&OsStr> = ["build", "--release", "--locked", "--manifest-path"].map(OsStr::new).into();
    arguments.extend([manifest.as_os_str(), OsStr::new("--target-dir"), target.as_os_str()]);
    for name in names {
        arguments.extend(["--bin", name].map(OsStr::new));
    }
    cargo(arguments)?;
    Ok(target.join("release"))
}

fn cargo<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<()> {
    let status = workspace::cargo().args(arguments).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the programs to measure cannot be built: {status}");
    }
    Ok(())
}
