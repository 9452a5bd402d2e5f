//! What identifies contests, problems and people, the same in every service, and how a message shows a refused one.

use std::fmt::Display;

use warren_rpc::Status;

/// Most characters of a contest's or problem's name.
pub const NAME_CHARS_MAX: usize = 32;

/// Most bytes of a person's id.
pub const PERSON_BYTES_MAX: usize = 128;

/// Most characters of a text that a message shows.
const QUOTED_CHARS_MAX: usize = 64;

/// Checks the name of a contest or problem: 1 to 32 of `A-Z a-z 0-9 _ -`. `field` is where it stands in the request.
///
/// # Errors
///
/// `invalid_argument`, naming the field and what is allowed.
pub fn check_name(field: impl Display, name: &str) -> Result<(), Status> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let shown = quoted(name);
    Err(Status::invalid_argument(format!("{field}: {shown} is not 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 _ -")))
}

/// Checks the id of a contestant or another person: 1 to 128 bytes of any script, without control characters. `field`
/// is where it stands in the request.
///
/// # Errors
///
/// `invalid_argument`, naming the field and what is allowed.
pub fn check_person(field: impl Display, id: &str) -> Result<(), Status> {
    if (1..=PERSON_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control) {
        return Ok(());
    }
    let allowed = format!("1 to {PERSON_BYTES_MAX} bytes without control characters");
    Err(Status::invalid_argument(format!("{field}: {} is not {allowed}", quoted(id))))
}

/// A text as a message should show it: in quotes, escaped, and at most 64 characters of it.
#[must_use]
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!(check_name("problem", "two-sum_2").is_ok());
        assert!(check_name("problem", &"a".repeat(32)).is_ok());
        for wrong in ["", "a b", "a/b", "naïve", ".", &"a".repeat(33)] {
            let status = check_name("problem", wrong).unwrap_err();
            assert!(status.message.starts_with("problem: "), "{status}");
            assert!(status.message.ends_with("is not 1 to 32 of A-Z a-z 0-9 _ -"), "{status}");
        }
    }

    #[test]
    fn a_person_is_any_text_that_a_board_can_show() {
        for right in ["Łukasz", "teams:mx:ana", "ana maría", &"a".repeat(128)] {
            assert!(check_person("contestant", right).is_ok(), "{right}");
        }
        for wrong in ["", "a\0b", "a\nb", &"a".repeat(129), &"é".repeat(65)] {
            let status = check_person(format_args!("contestants[{}].id", 3), wrong).unwrap_err();
            assert!(status.message.starts_with("contestants[3].id: \""), "{status}");
            assert!(status.message.ends_with("is not 1 to 128 bytes without control characters"), "{status}");
        }
    }

    #[test]
    fn a_message_shows_neither_control_characters_nor_a_whole_book() {
        assert_eq!(quoted("a\n\"b\""), r#""a\n\"b\"""#);
        assert_eq!(quoted(&"é".repeat(64)), format!("\"{}\"", "é".repeat(64)));
        assert_eq!(quoted(&"é".repeat(65)), format!("\"{}\"…", "é".repeat(64)));
    }
}
