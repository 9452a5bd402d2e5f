//! A problem that nobody has stored, and which one was meant.

use warren_host::{ids::quoted, near};
use warren_rpc::Status;

/// `not_found` for a problem, with the names that may have been meant.
pub(crate) fn no_such_problem(name: &str, known: &[String]) -> Status {
    let near = near::names(name, known.iter().map(String::as_str));
    let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
    Status::not_found(format!("problem: no problem {}{hint}", quoted(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        let known = ["sum", "sums", "paths"].map(str::to_owned);
        assert_eq!(no_such_problem("smu", &known).message, r#"problem: no problem "smu"; there is sum, sums"#);
        assert_eq!(no_such_problem("Path", &known).message, r#"problem: no problem "Path"; there is paths"#);
        assert_eq!(no_such_problem("knapsack", &known).message, r#"problem: no problem "knapsack""#);
    }
}
