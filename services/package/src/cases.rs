//! Pairs `cases/NAME.in` with `cases/NAME.out` and puts them in the order of judging.

use std::collections::BTreeMap;

use crate::{PackageError, archive::Files, natural};

/// Most bytes of a case's name.
const NAME_BYTES_MAX: usize = 100;

/// A case's two files.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) input: Vec<u8>,
    pub(crate) expected: Vec<u8>,
}

/// What is there of a case: its input, its expected output.
type Half = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Takes the cases out of `files`: groups in the order of their first case, cases inside in natural order.
pub(crate) fn take(files: &mut Files) -> Result<Vec<Pair>, PackageError> {
    let mut halves: BTreeMap<String, Half> = BTreeMap::new();
    let (cases, rest) = std::mem::take(files).into_iter().partition(|(path, _)| path.starts_with("cases/"));
    *files = rest;
    for (path, content) in Files::into_iter(cases) {
        let file_name = path.trim_start_matches("cases/");
        if file_name == ".gitkeep" {
            continue;
        }
        let (name, is_input) = split_name(file_name).map_err(|problem| PackageError::file(&path, problem))?;
        let half = halves.entry(name.to_owned()).or_default();
        *(if is_input { &mut half.0 } else { &mut half.1 }) = Some(content);
    }
    let pairs = halves.into_iter().map(|(name, half)| match half {
        (Some(input), Some(expected)) => Ok(Pair { name, input, expected }),
        (Some(_), None) => Err(twin_missing(&name, "in", "out")),
        _ => Err(twin_missing(&name, "out", "in")),
    });
    let mut pairs = pairs.collect::<Result<Vec<Pair>, PackageError>>()?;
    if pairs.is_empty() {
        return Err(PackageError::NoCases);
    }
    sort(&mut pairs);
    Ok(pairs)
}

/// The group of a case: its name up to the first dot.
pub(crate) fn group_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(group, _)| group)
}

/// `easy.1.in` is the input of `easy.1`.
fn split_name(file_name: &str) -> Result<(&str, bool), String> {
    let (name, ending) = file_name.rsplit_once('.').unwrap_or((file_name, ""));
    let is_input = match ending {
        "in" => true,
        "out" => false,
        _ => return Err("a case's files end in .in and .out".to_owned()),
    };
    let is_named = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if name.is_empty() || name.starts_with('.') || name.len() > NAME_BYTES_MAX || !is_named(name) {
        return Err(format!(
            "a case's name is 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -, and does not begin with a dot"
        ));
    }
    Ok((name, is_input))
}

fn twin_missing(name: &str, has: &str, lacks: &str) -> PackageError {
    PackageError::file(format!("cases/{name}.{has}"), format!("has no cases/{name}.{lacks} beside it"))
}

fn sort(pairs: &mut [Pair]) {
    pairs.sort_by(|a, b| natural::compare(&a.name, &b.name));
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for pair in pairs.iter() {
        let next = groups.len();
        groups.entry(group_of(&pair.name).to_owned()).or_insert(next);
    }
    pairs.sort_by_key(|pair| groups[group_of(&pair.name)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(paths: &[&str]) -> Result<Vec<String>, String> {
        let mut files: Files = paths.iter().map(|path| ((*path).to_owned(), Vec::new())).collect();
        let pairs = take(&mut files).map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().map(|pair| pair.name).collect())
    }

    #[test]
    fn cases_come_in_the_order_people_count_and_groups_together() {
        let mut paths = Vec::new();
        for name in ["10", "2", "a.1", "a-b", "a", "1"] {
            paths.push(format!("cases/{name}.in"));
            paths.push(format!("cases/{name}.out"));
        }
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        assert_eq!(taken(&paths).unwrap(), ["1", "2", "10", "a", "a.1", "a-b"]);
    }

    #[test]
    fn a_missing_twin_is_named() {
        assert_eq!(taken(&["cases/1.in"]).unwrap_err(), "cases/1.in: has no cases/1.out beside it");
        assert_eq!(taken(&["cases/1.out"]).unwrap_err(), "cases/1.out: has no cases/1.in beside it");
    }

    #[test]
    fn bad_names_and_endings_are_named() {
        for path in ["cases/a b.in", "cases/.in", "cases/..in", "cases/sub/1.in", "cases/é.in"] {
            assert!(taken(&[path]).unwrap_err().contains("a case's name is 1 to 100 of"), "{path}");
        }
        assert_eq!(taken(&["cases/1.ans"]).unwrap_err(), "cases/1.ans: a case's files end in .in and .out");
    }

    #[test]
    fn no_case_is_an_error() {
        assert!(taken(&["cases/.gitkeep"]).unwrap_err().starts_with("the package has no cases"));
    }

    #[test]
    fn a_group_is_the_name_up_to_the_first_dot() {
        assert_eq!(group_of("easy.1.b"), "easy");
        assert_eq!(group_of("7"), "7");
    }
}
