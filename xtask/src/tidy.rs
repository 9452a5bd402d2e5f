//! `tidy`: the rules of style that a program can check.
//!
//! - a Rust file has at most 400 lines of at most 120 columns, a function at most 60;
//! - a library's public async functions say `# Cancel safety`, and `# Errors` if they can fail;
//! - no file names an absolute path of the machine that it was written on;
//! - only `warren-rpc` depends on lapin (tests aside);
//! - messages stand only in `proto`, SQL only in a service's store;
//! - every crate takes the workspace's lints.

mod columns;
mod functions;
mod headings;
mod manifests;
mod paths;
mod places;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const FILE_LINES_MAX: usize = 400;
/// What else than Rust is read, by the end of its name.
const TEXT_FILES: [&str; 12] =
    ["Dockerfile", "json", "rs", "toml", "md", "sh", "py", "yaml", "yml", "sql", "txt", "run"];

/// A file of the workspace.
#[derive(Debug)]
struct Source {
    /// From the workspace's root.
    path: PathBuf,
    text: String,
}

/// Checks every file under `root`, and names each violation in the error.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources)?;
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    let own_paths = paths::of_this_machine(root);
    let violations: Vec<String> = sources.iter().flat_map(|source| violations(source, &own_paths)).collect();
    if !violations.is_empty() {
        bail!("{} violations\n{}", violations.len(), violations.join("\n"));
    }
    Ok(())
}

fn violations(source: &Source, own_paths: &[String]) -> Vec<String> {
    let mut found = paths::violations(source, own_paths);
    if source.path.extension().is_some_and(|extension| extension == "rs") {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            found.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX} are allowed", source.path.display()));
        }
        found.extend(columns::violations(source));
        found.extend(functions::violations(source));
        found.extend(headings::violations(source));
        found.extend(places::violations(source));
    }
    if source.path.ends_with("Cargo.toml") {
        found.extend(manifests::violations(source));
    }
    found
}

/// Reads the text files of `directory` and below, without what is built or hidden.
fn collect(root: &Path, directory: &Path, sources: &mut Vec<Source>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if !matches!(&*name, "target" | "demo-out" | "__pycache__" | ".git") {
                collect(root, &path, sources)?;
            }
            continue;
        }
        let ending = name.rsplit('.').next().unwrap_or_default();
        if TEXT_FILES.contains(&ending)
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root).expect("it was found under the root").to_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_is_a_violation() {
        let file = |lines| Source { path: "a/src/b.rs".into(), text: "//\n".repeat(lines) };
        assert_eq!(violations(&file(400), &[]), Vec::<String>::new());
        assert_eq!(violations(&file(401), &[]), ["a/src/b.rs: 401 lines, at most 400 are allowed"]);
    }
}
