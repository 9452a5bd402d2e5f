//! What a public async function of a library says: `# Cancel safety`, and `# Errors` if it can fail.

use super::Source;

/// The libraries that others' programs stand on.
const LIBRARIES: [&str; 3] = ["rpc-core/src/", "broker/src/", "services/host/src/"];

pub(super) fn violations(source: &Source) -> Vec<String> {
    let path = source.path.to_string_lossy();
    if !LIBRARIES.iter().any(|library| path.starts_with(library)) {
        return Vec::new();
    }
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let functions = lines.iter().enumerate().filter(|(_, line)| line.starts_with("pub async fn "));
    functions
        .flat_map(|(at, _)| missing(&lines, at).into_iter().map(move |heading| (at, heading)))
        .map(|(at, heading)| format!("{path}:{}: a public async function without `{heading}`", at + 1))
        .collect()
}

/// The headings that the function in line `at` has not.
fn missing(lines: &[&str], at: usize) -> Vec<&'static str> {
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
    let headings: Vec<_> = above.filter_map(|line| line.strip_prefix("/// # ")).collect();
    // A signature ends with the brace of its body.
    let end = lines[at..].iter().position(|line| line.ends_with(['{', '}'])).map_or(at, |length| at + length);
    let can_fail = lines[at..=end].iter().any(|line| line.contains("-> Result<"));
    let needed = [(true, "Cancel safety", "# Cancel safety"), (can_fail, "Errors", "# Errors")];
    let is_missing = |(is_needed, heading, _): &(bool, &str, _)| *is_needed && !headings.contains(heading);
    needed.into_iter().filter(is_missing).map(|(_, _, whole)| whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        violations(&Source { path: path.into(), text: text.to_owned() })
    }

    #[test]
    fn a_public_async_function_says_what_dropping_it_does_and_how_it_fails() {
        let fails = "    /// Does.\n    #[must_use]\n    pub async fn a(\n        &self,\n    ) -> Result<(), E> {\n";
        let without = |line, heading| format!("broker/src/a.rs:{line}: a public async function without `# {heading}`");
        assert_eq!(check("broker/src/a.rs", fails), [without(3, "Cancel safety"), without(3, "Errors")]);
        let whole = "/// Does.\n///\n/// # Errors\n///\n/// If.\n///\n/// # Cancel safety\n///\n/// Yes.\n";
        assert!(check("broker/src/a.rs", &format!("{whole}{fails}").replace("    /// Does.\n", "")).is_empty());
        assert_eq!(check("broker/src/a.rs", "pub async fn a() {}\n"), [without(1, "Cancel safety")]);
    }

    #[test]
    fn other_functions_and_other_crates_are_passed_over() {
        assert!(check("xtask/src/a.rs", "pub async fn a() {}\n").is_empty());
        assert!(check("broker/src/a.rs", "pub(crate) async fn a() {}\npub fn b() {}\n").is_empty());
    }
}
