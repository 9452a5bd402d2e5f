//! Texts that differ at most in upper and lower case (Go's `strings.EqualFold`: one character for one).

use super::tokens::decode;

pub(super) fn equal_caseless(mut a: &[u8], mut b: &[u8]) -> bool {
    while !a.is_empty() && !b.is_empty() {
        let ((x, x_width), (y, y_width)) = (decode(a), decode(b));
        if x != y && fold(x) != fold(y) {
            return false;
        }
        (a, b) = (&a[x_width..], &b[y_width..]);
    }
    a.is_empty() && b.is_empty()
}

/// The one form of a character's cases. Those whose other case is several characters stay as they are, and so does
/// `ı`, which only Turkish takes for an `i`.
fn fold(letter: char) -> char {
    if letter == 'ı' {
        return letter;
    }
    let upper = single(letter.to_uppercase()).unwrap_or(letter);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_folded_one_to_one() {
        for (a, b) in [("Straße", "STRAẞE"), ("ΣΑΣ", "σας"), ("K", "k"), ("ſ", "S"), ("ǅ", "ǆ"), ("É", "é")]
        {
            assert!(equal_caseless(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
        for (a, b) in [("ß", "ss"), ("ı", "i"), ("a", "ab"), ("é", "e")] {
            assert!(!equal_caseless(a.as_bytes(), b.as_bytes()), "{a} {b}");
        }
    }
}
