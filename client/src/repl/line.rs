//! A line, cut into words as a shell would.

use crate::failure::Failure;

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing: blank, or a comment.
    Empty,
    /// The end.
    Leave,
    /// The list of commands.
    Help,
    /// A command's words.
    Words(Vec<String>),
}

pub(super) fn read(text: &str) -> Result<Line, Failure> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(Line::Empty);
    }
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    if first.contains('.') && rest.trim_start().starts_with(['{', '[']) {
        // A JSON text is taken as it is: it has quotes of its own, which a shell would eat.
        return Ok(Line::Words(json_call(first, rest.trim())));
    }
    let mut words =
        shlex::split(text).ok_or_else(|| Failure::usage("a quote is not closed, or the line ends in \\"))?;
    match words.first().map(String::as_str) {
        None => Ok(Line::Empty),
        Some("exit" | "quit") => Ok(Line::Leave),
        Some("help" | "?") => Ok(Line::Help),
        Some(first) => {
            if first.contains('.') {
                words.insert(0, "call".to_owned());
            }
            Ok(Line::Words(words))
        }
    }
}

/// The call of a line whose argument is a JSON text, with the flags behind it.
fn json_call(method: &str, text: &str) -> Vec<String> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
    let end = match values.next() {
        Some(Ok(_)) => values.byte_offset(),
        _ => text.len(),
    };
    let (json, flags) = text.split_at(end);
    let mut words = vec!["call".to_owned(), method.to_owned(), json.to_owned()];
    words.extend(flags.split_whitespace().map(str::to_owned));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        match read(text).unwrap() {
            Line::Words(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_first_word_with_a_dot_is_a_call() {
        assert_eq!(words("calculator.sum a:=2 b:=3"), ["call", "calculator.sum", "a:=2", "b:=3"]);
        assert_eq!(words("submit sum 'my file.py'"), ["submit", "sum", "my file.py"]);
    }

    #[test]
    fn json_needs_no_quotes_of_the_shell() {
        assert_eq!(words(r#"calculator.mean [10, 20] -o json"#), ["call", "calculator.mean", "[10, 20]", "-o", "json"]);
        assert_eq!(words(r#"a.b {"x": "it's"}"#), ["call", "a.b", r#"{"x": "it's"}"#]);
        assert_eq!(words("a.b {broken"), ["call", "a.b", "{broken"]);
    }

    #[test]
    fn blank_lines_and_comments_are_nothing_and_open_quotes_are_told() {
        assert_eq!(read("  ").unwrap(), Line::Empty);
        assert_eq!(read("# a comment").unwrap(), Line::Empty);
        assert_eq!(read("exit").unwrap(), Line::Leave);
        assert!(read("submit 'x").unwrap_err().message.contains("quote"));
    }
}
