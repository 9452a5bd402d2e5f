//! The order in which people count: `2` before `10`.

use std::cmp::Ordering;

/// Compares texts with every run of ASCII digits as one number; equal numbers (`1`, `01`) by their text.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    by_runs(a.as_bytes(), b.as_bytes()).then_with(|| a.cmp(b))
}

fn by_runs(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let (Some(&x), Some(&y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (left, right) = (take_number(&mut a), take_number(&mut b));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        } else {
            (a, b) = (&a[1..], &b[1..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes the leading digits off, and gives them without leading zeros.
fn take_number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let first = digits.iter().position(|&byte| byte != b'0').unwrap_or(digits.len());
    &digits[first..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(mut names: Vec<&str>) -> Vec<&str> {
        names.sort_by(|a, b| compare(a, b));
        names
    }

    #[test]
    fn numbers_are_counted() {
        assert_eq!(sorted(vec!["10", "2", "1"]), ["1", "2", "10"]);
        assert_eq!(sorted(vec!["easy.10", "easy.9", "hard.1", "easy"]), ["easy", "easy.9", "easy.10", "hard.1"]);
    }

    #[test]
    fn leading_zeros_do_not_count_but_still_decide() {
        assert_eq!(sorted(vec!["2", "01", "1", "010"]), ["01", "1", "2", "010"]);
    }

    #[test]
    fn numbers_longer_than_any_integer_are_compared() {
        let (a, b) = (format!("1{}", "0".repeat(60)), "9".repeat(60));
        assert_eq!(compare(&a, &b), Ordering::Greater);
    }

    proptest! {
        #[test]
        fn it_is_a_total_order(a in "[a01.2]{0,5}", b in "[a01.2]{0,5}", c in "[a01.2]{0,5}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &b).is_eq(), a == b);
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }
    }
}
