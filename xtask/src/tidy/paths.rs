//! Hosts and paths that belong to one machine or one registry, and so not in the repository.

use std::path::Path;

use super::Source;

/// Package registries and mirrors: which one is used is the machine's configuration. (Put together here, since this file is read too.)
const REGISTRIES: [&str; 5] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("npmjs", ".org"),
    concat!("deb.debian", ".org"),
];

/// The directories of this machine that no file should name: where the workspace is, and the user's home.
pub(super) fn of_this_machine(root: &Path) -> Vec<String> {
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{home}/"));
    root.to_str().map(str::to_owned).into_iter().chain(home).collect()
}

pub(super) fn violations(source: &Source, own_paths: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let place = || format!("{}:{}", source.path.display(), index + 1);
        if let Some(host) = REGISTRIES.iter().find(|host| line.contains(**host)) {
            found.push(format!("{}: it names a package registry ({host})", place()));
        }
        if let Some(path) = own_paths.iter().find(|path| line.contains(*path)) {
            found.push(format!("{}: it names a directory of this machine ({path})", place()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_and_this_machines_directories_are_violations() {
        let line = format!("// see {} and /somewhere/warren/a.rs\n", REGISTRIES[0]);
        let source = Source { path: "a.rs".into(), text: line };
        assert_eq!(violations(&source, &["/somewhere/warren".to_owned()]).len(), 2);
        assert_eq!(violations(&source, &["/elsewhere".to_owned()]).len(), 1);
    }

    #[test]
    fn the_root_is_among_this_machines_directories() {
        assert!(of_this_machine(Path::new("/somewhere/warren")).contains(&"/somewhere/warren".to_owned()));
    }
}
