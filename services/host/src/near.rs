//! Near names, for whoever mistyped one.

use crate::ids::NAME_CHARS_MAX;

/// Most names offered.
const OFFERED_MAX: usize = 3;

/// Those of the known names that may have been meant by `name`, the likest first, in any case; at most three.
#[must_use]
pub fn names<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // A longer text is nobody's typing error, and the distance takes its time.
    if name.len() > 2 * NAME_CHARS_MAX {
        return Vec::new();
    }
    let name = name.to_lowercase();
    let distance = |other: &str| strsim::damerau_levenshtein(&name, &other.to_lowercase());
    let mut near: Vec<_> = known.into_iter().map(|other| (distance(other), other)).collect();
    near.retain(|(distance, other)| *distance <= 1 + other.len() / 4);
    near.sort_unstable();
    near.into_iter().take(OFFERED_MAX).map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_offered_and_far_ones_are_not() {
        const KNOWN: [&str; 3] = ["sum", "sums", "paths"];
        assert_eq!(names("smu", KNOWN), ["sum", "sums"]);
        assert_eq!(names("Path", KNOWN), ["paths"]);
        assert_eq!(names("knapsack", KNOWN), [""; 0]);
        assert_eq!(names(&"a".repeat(1_000_000), KNOWN), [""; 0]);
    }
}
