//! What a program finds inside: bubblewrap's arguments.

use std::{fs, path::Path};

use super::Access;

/// The only way to bubblewrap: a path, so that nobody's `PATH` chooses another.
pub(super) const BWRAP: &str = "/usr/bin/bwrap";

/// Who a program is to itself.
const INSIDE_USER: &str = "60001";

/// Folders of programs and libraries; on a merged system links into `/usr`.
const SYSTEM_FOLDERS: [&str; 6] = ["/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"];

/// Of `/etc` only what compilers and the dynamic loader need.
const SETTINGS: [&str; 2] = ["/etc/alternatives", "/etc/ld.so.cache"];

/// Devices that are as good as constants.
const DEVICES: [&str; 5] = ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

const ENVIRONMENT: [(&str, &str); 3] = [("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")];

/// The arguments before the program: `files` becomes `/box`, `/tmp` holds `tmp_bytes`, everything else is read only.
pub(super) fn arguments(files: &Path, access: Access, tmp_bytes: u64) -> Vec<String> {
    let mut arguments = Arguments::default();
    arguments.push(&["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]);
    arguments.push(&["--die-with-parent", "--new-session", "--hostname", "box"]);
    arguments.push(&["--uid", INSIDE_USER, "--gid", INSIDE_USER, "--clearenv"]);
    for (name, value) in ENVIRONMENT {
        arguments.push(&["--setenv", name, value]);
    }
    arguments.push(&["--ro-bind", "/usr", "/usr"]);
    for folder in SYSTEM_FOLDERS {
        match fs::read_link(folder) {
            Ok(target) => arguments.push(&["--symlink", &target.to_string_lossy(), folder]),
            Err(_) => arguments.push(&["--ro-bind-try", folder, folder]),
        }
    }
    for path in SETTINGS {
        arguments.push(&["--ro-bind-try", path, path]);
    }
    arguments.push(&["--proc", "/proc"]);
    for device in DEVICES {
        arguments.push(&["--dev-bind", device, device]);
    }
    for (target, link) in LINKS {
        arguments.push(&["--symlink", target, link]);
    }
    arguments.push(&["--perms", "1777", "--size", &tmp_bytes.to_string(), "--tmpfs", "/tmp"]);
    let bind = if access == Access::Write { "--bind" } else { "--ro-bind" };
    arguments.push(&[bind, &files.to_string_lossy(), "/box", "--chdir", "/box"]);
    // The root is a tmpfs without a size: written to, it would be memory that no limit sees.
    arguments.push(&["--remount-ro", "/"]);
    arguments.0
}

#[derive(Debug, Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn push(&mut self, more: &[&str]) {
        self.0.extend(more.iter().map(|&argument| argument.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_writable_for_compiling_only() {
        let bind_of = |access| {
            let arguments = arguments(Path::new("/x/files"), access, 1);
            let at = arguments.iter().position(|argument| argument == "/x/files").unwrap();
            arguments[at - 1].clone()
        };
        assert_eq!(bind_of(Access::Read), "--ro-bind");
        assert_eq!(bind_of(Access::Write), "--bind");
    }

    #[test]
    fn of_the_host_only_the_system_is_bound() {
        let arguments = arguments(Path::new("/x/files"), Access::Read, 1);
        for forbidden in ["/", "/etc", "/root", "/home", "/dev", "/sys", "/run", "/var"] {
            let binds = arguments.windows(2).filter(|pair| pair[0].contains("bind") && pair[1] == forbidden);
            assert_eq!(binds.count(), 0, "{forbidden}");
        }
        assert_eq!(arguments.iter().rev().take(2).collect::<Vec<_>>(), ["/", "--remount-ro"]);
    }
}
