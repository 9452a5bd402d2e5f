//! The length of functions, in files that rustfmt has formatted: a function's last line is a `}` as deep as its first.

use super::Source;

const FUNCTION_LINES_MAX: usize = 60;

pub(super) fn violations(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let too_long = |(start, line): (usize, &&str)| {
        let name = function_name(line)?;
        let length = length(&lines[start..])?;
        (length > FUNCTION_LINES_MAX).then(|| {
            let path = source.path.display();
            format!("{path}:{}: {name} has {length} lines, at most {FUNCTION_LINES_MAX} are allowed", start + 1)
        })
    };
    lines.iter().enumerate().filter_map(too_long).collect()
}

/// `sum` from `    pub(crate) async fn sum(`.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    while let Some((word, rest)) = words.split_once(' ') {
        if word == "fn" {
            return rest.split(['(', '<']).next();
        }
        let is_qualifier = matches!(word, "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"" | "default" | "in");
        if !is_qualifier && !word.starts_with("pub(") && !word.ends_with(')') {
            return None;
        }
        words = rest;
    }
    None
}

/// The lines of the function that begins in the first of `lines`; `None` if it has no body.
fn length(lines: &[&str]) -> Option<usize> {
    let indentation = indentation(lines[0]);
    let ends_here = |line: &&str| self::indentation(line) == indentation;
    if lines[0].ends_with('}') {
        return Some(1);
    }
    for (index, line) in lines.iter().enumerate() {
        let is_edge = index == 0 || ends_here(line);
        if is_edge && line.ends_with(';') {
            return None;
        }
        if index > 0 && ends_here(line) && line.trim_start().starts_with('}') {
            return Some(index + 1);
        }
    }
    None
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: String) -> Source {
        Source { path: "a.rs".into(), text }
    }

    #[test]
    fn a_function_of_sixty_lines_is_the_longest_allowed() {
        let function = |body| {
            format!(
                "impl A {{\n    pub async fn long(\n        a: u8,\n    ) {{\n{}    }}\n}}\n",
                "        b();\n".repeat(body)
            )
        };
        assert_eq!(violations(&source(function(56))), Vec::<String>::new());
        assert_eq!(violations(&source(function(57))), ["a.rs:2: long has 61 lines, at most 60 are allowed"]);
    }

    #[test]
    fn functions_without_a_body_and_on_one_line_have_no_length_to_speak_of() {
        let text = format!(
            "trait A {{\n    fn a();\n    fn b(\n        c: u8,\n    );\n}}\nfn d() {{}}\n{}",
            "//\n".repeat(100)
        );
        assert_eq!(violations(&source(text)), Vec::<String>::new());
    }

    #[test]
    fn names_are_found_behind_every_qualifier() {
        assert_eq!(function_name("pub(crate) const fn a<T>(x: T)"), Some("a"));
        assert_eq!(function_name("    unsafe extern \"C\" fn b() {"), Some("b"));
        assert_eq!(function_name("let x = fn_of(y);"), None);
        assert_eq!(function_name("// the fn word"), None);
    }
}
