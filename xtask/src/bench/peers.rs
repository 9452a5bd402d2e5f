//! Where the programs of others are: a cargo workspace beside the repository.

use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::workspace;

/// The peers' workspace: the one that was given, or the one beside the repository if it is there.
pub(super) fn directory(given: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    if let Some(directory) = given {
        if !directory.join("Cargo.toml").exists() {
            bail!("--peers: {} holds no Cargo.toml", directory.display());
        }
        return Ok(Some(std::path::absolute(directory)?));
    }
    let beside = workspace::root().join("../shared/peers");
    Ok(beside.join("Cargo.toml").exists().then_some(beside))
}
