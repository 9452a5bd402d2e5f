//! Paths that belong to the machine something was written on, and so not in the repository.

use std::path::Path;

use super::Source;

/// The directories of this machine that no file should name: where the workspace is, and the user's home.
pub(super) fn of_this_machine(root: &Path) -> Vec<String> {
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1).map(|home| format!("{home}/"));
    root.to_str().map(str::to_owned).into_iter().chain(home).collect()
}

pub(super) fn violations(source: &Source, own_paths: &[String]) -> Vec<String> {
    let named = |line: &str| own_paths.iter().find(|path| line.contains(*path)).cloned();
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index + 1, named(line)?)))
        .map(|(number, path)| {
            format!("{}:{number}: it names a directory of this machine ({path})", source.path.display())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machines_directories_are_violations() {
        let source = Source { path: "a.rs".into(), text: "fn a() {}\n// see /somewhere/warren/b.rs\n".to_owned() };
        let found = violations(&source, &["/somewhere/warren".to_owned()]);
        assert_eq!(found, ["a.rs:2: it names a directory of this machine (/somewhere/warren)"]);
        assert_eq!(violations(&source, &["/elsewhere".to_owned()]), [""; 0]);
    }

    #[test]
    fn the_root_is_among_this_machines_directories() {
        assert!(of_this_machine(Path::new("/somewhere/warren")).contains(&"/somewhere/warren".to_owned()));
    }
}
