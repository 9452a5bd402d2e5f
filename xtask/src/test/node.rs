//! The Node.js packages of the tests that let amqplib talk to the broker: `target/node`, with what
//! `broker/tests/clients/node` pins.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::steps::program;
use crate::workspace;

const MANIFEST: &str = include_str!("../../../broker/tests/clients/node/package.json");
const LOCK: &str = include_str!("../../../broker/tests/clients/node/package-lock.json");

/// What is to be installed so that there are a `node` and an `npm`: nothing if there are, wherever they come from.
pub(crate) fn packages() -> &'static [&'static str] {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if runs("node") && runs("npm") { &[] } else { &["nodejs", "npm"] }
}

/// The `node_modules` directory, which is filled if it is not there or has other packages.
pub(crate) fn modules() -> anyhow::Result<PathBuf> {
    let directory = workspace::target().join("node");
    let modules = directory.join("node_modules");
    let installed = directory.join("installed-package-lock.json");
    // It runs nothing if all is there: most runs need no network.
    let is_complete = fs::read_to_string(&installed).is_ok_and(|text| text == LOCK);
    if !is_complete || !modules.exists() {
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for (name, text) in [("package.json", MANIFEST), ("package-lock.json", LOCK)] {
            fs::write(directory.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"];
        program("npm", &install).arguments(&[&directory.to_string_lossy()]).run()?;
        fs::write(&installed, LOCK).with_context(|| format!("cannot write {}", installed.display()))?;
    }
    Ok(modules)
}
