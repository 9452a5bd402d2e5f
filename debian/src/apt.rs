//! Running `apt-get`.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

const LISTS: &str = "/var/lib/apt/lists";

pub(crate) fn is_there() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

pub(crate) fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    ["install", "-y", "--no-install-recommends"].into_iter().chain(packages.iter().copied()).collect()
}

/// Installs `packages`, or says why not.
pub(crate) fn install(packages: &[&str]) -> Result<(), String> {
    let arguments = install_arguments(packages);
    if has_lists() && run(&arguments).is_ok() {
        return Ok(());
    }
    // There are no lists (a fresh container image), or they name versions that the mirror no longer has.
    run(&["update"])?;
    run(&arguments)
}

fn has_lists() -> bool {
    fs::read_dir(LISTS)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages")))
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let command = format!("apt-get {}", arguments.join(" "));
    // Standard output is for data, and who calls this may have some to print.
    let stderr = io::stderr();
    let _ = writeln!(&stderr, "+ {command}");
    let output = stderr.as_fd().try_clone_to_owned().map_or_else(|_| Stdio::null(), Stdio::from);
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // invoke-rc.d(8): in single-user mode, which this claims, a package's script starts no service.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .stdout(output)
        .status()
        .map_err(|error| format!("`{command}` cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{command}` failed ({status})")) }
}
