//! What a crate's `Cargo.toml` must and must not say.

use super::Source;

/// Who may depend on lapin.
const AMQP_CRATE: &str = "rpc-core";

pub(super) fn violations(source: &Source) -> Vec<String> {
    let path = source.path.display();
    let Some(folder) = source.path.parent().and_then(|folder| folder.to_str()).filter(|folder| !folder.is_empty())
    else {
        return Vec::new(); // the workspace's own
    };
    let mut found = Vec::new();
    if !section(&source.text, "lints").any(|line| line.replace(' ', "") == "workspace=true") {
        found.push(format!("{path}: it must take the workspace's lints ([lints] workspace = true)"));
    }
    let names_lapin = section(&source.text, "dependencies").any(|line| is_key(line, "lapin"));
    if names_lapin && folder != AMQP_CRATE {
        found.push(format!("{path}: only rpc-core may depend on lapin (tests may: [dev-dependencies])"));
    }
    found
}

/// The lines of `[name]`.
fn section<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let heading = format!("[{name}]");
    text.lines()
        .map(str::trim)
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

/// Whether `line` sets `key` or something of it, as in `lapin.workspace = true`.
fn is_key(line: &str, key: &str) -> bool {
    line.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &str, text: &str) -> Vec<String> {
        violations(&Source { path: format!("{folder}/Cargo.toml").into(), text: text.to_owned() })
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn a_crate_without_the_workspaces_lints_is_a_violation() {
        assert_eq!(check("proto", LINTS), Vec::<String>::new());
        assert_eq!(check("proto", "[package]\nworkspace = true\n").len(), 1);
    }

    #[test]
    fn only_rpc_core_depends_on_lapin_and_tests_may() {
        let with = |heading: &str| format!("{LINTS}\n[{heading}]\nlapin.workspace = true\n");
        assert_eq!(check("services/host", &with("dependencies")).len(), 1);
        assert_eq!(check("services/host", &with("dev-dependencies")), Vec::<String>::new());
        assert_eq!(check("rpc-core", &with("dependencies")), Vec::<String>::new());
    }
}
