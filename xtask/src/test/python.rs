//! The Python of the tests that call services as a Python program would: `target/venv`, with the packages of
//! `requirements.txt`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use super::steps::program;
use crate::workspace;

const REQUIREMENTS: &str = include_str!("../../requirements.txt");

/// The interpreter of the virtual environment, which is made if it is not there or has other packages.
pub(crate) fn environment() -> anyhow::Result<PathBuf> {
    let directory = workspace::target().join("venv");
    let python = directory.join("bin").join("python");
    let installed = directory.join("installed-requirements.txt");
    // It runs nothing if all is there: most runs need no network.
    let is_complete = fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS);
    if !is_complete || !python.exists() {
        program("python3", &["-m", "venv", "--clear"]).arguments(&[&directory.to_string_lossy()]).run()?;
        let requirements = workspace::root().join("xtask").join("requirements.txt");
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        program(&python, &install).arguments(&[&requirements.to_string_lossy()]).run()?;
        fs::write(&installed, REQUIREMENTS).with_context(|| format!("cannot write {}", installed.display()))?;
    }
    Ok(python)
}
