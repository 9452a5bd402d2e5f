//! Names of problems and contests, ids of contestants: what is allowed, and which one was meant.

use warren_rpc::Status;

/// Most characters of a problem's name or a contest's id.
const NAME_CHARS_MAX: usize = 32;

/// Most bytes of a contestant's id, as the scoreboard has it.
const CONTESTANT_BYTES_MAX: usize = 128;

/// Most near names in a message.
const NEAR_MAX: usize = 3;

/// Refuses what is no name of a problem or contest. `field` is the request's.
pub(crate) fn check_name(field: &str, name: &str) -> Result<(), Status> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let shown = shorten(name);
    Err(Status::invalid_argument(format!("{field}: {shown:?} is not 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 _ -")))
}

/// Refuses what the scoreboard would refuse as a contestant's id.
pub(crate) fn check_contestant(contestant: &str) -> Result<(), Status> {
    if (1..=CONTESTANT_BYTES_MAX).contains(&contestant.len()) && !contestant.contains(char::is_control) {
        return Ok(());
    }
    let shown = shorten(contestant);
    let allowed = format!("1 to {CONTESTANT_BYTES_MAX} bytes without control characters");
    Err(Status::invalid_argument(format!("contestant: {shown:?} is not {allowed}")))
}

/// `not_found` for a problem, with the names that may have been meant.
pub(crate) fn no_such_problem(name: &str, known: &[String]) -> Status {
    let near = near(name, known);
    let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
    Status::not_found(format!("problem: no problem {:?}{hint}", shorten(name)))
}

/// Known names like `name`, the likest first.
fn near<'a>(name: &str, known: &'a [String]) -> Vec<&'a str> {
    // A longer text is nobody's typing error, and the distance takes its time.
    if name.len() > 2 * NAME_CHARS_MAX {
        return Vec::new();
    }
    let name = name.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&name, &other.to_lowercase());
    let mut near: Vec<_> = known.iter().map(|other| (distance(other), other.as_str())).collect();
    near.retain(|(distance, other)| *distance <= 1 + other.len() / 4);
    near.sort_unstable();
    near.into_iter().take(NEAR_MAX).map(|(_, other)| other).collect()
}

/// As much of a refused text as a message should show.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
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
    fn a_contestant_is_any_text_that_a_board_can_show() {
        assert!(check_contestant("Łukasz").is_ok());
        assert!(check_contestant("").is_err());
        assert!(check_contestant("a\0b").is_err());
        assert!(check_contestant(&"a".repeat(129)).is_err());
    }

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["sum", "sums", "paths"].map(str::to_owned);
        assert_eq!(no_such_problem("smu", &known).message, r#"problem: no problem "smu"; there is sum, sums"#);
        assert_eq!(no_such_problem("Path", &known).message, r#"problem: no problem "Path"; there is paths"#);
        assert_eq!(no_such_problem("knapsack", &known).message, r#"problem: no problem "knapsack""#);
        assert_eq!(near(&"a".repeat(1_000_000), &known), [""; 0]);
    }
}
