//! Numbers within a tolerance (quark's `tokenNumericEquals`).

pub(super) fn equal(expected: &[u8], printed: &[u8], tolerance: f64) -> bool {
    match (parse(expected), parse(printed)) {
        (Some(a), Some(b)) => near(a, b, tolerance),
        // Two texts that are no numbers (`--`, `1.2.3`) count as equal.
        (None, None) => true,
        _ => false,
    }
}

/// Like Go's, a number too large for a float is none.
fn parse(token: &[u8]) -> Option<f64> {
    std::str::from_utf8(token).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Within one and a half tolerances, or relatively within one.
#[expect(clippy::float_cmp, reason = "equal numbers are equal, whatever the tolerance; 0 has no relative error")]
fn near(a: f64, b: f64, tolerance: f64) -> bool {
    let difference = (b - a).abs();
    if a == b || difference <= 1.5 * tolerance {
        true
    } else if a == 0.0 || b == 0.0 || difference < f64::MIN_POSITIVE {
        difference <= tolerance * f64::MIN_POSITIVE
    } else {
        difference / a.abs().max(b.abs()) <= tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_is_absolute_and_relative() {
        assert!(equal(b"1000000000", b"1000000999", 1e-6));
        assert!(!equal(b"1000000000", b"1000002000", 1e-6));
        assert!(equal(b"0", b"0.0000015", 1e-6));
        assert!(!equal(b"0", b"0.000002", 1e-6));
    }

    #[test]
    fn what_is_no_number_equals_only_what_is_none() {
        assert!(equal(b"--", b"1.2.3", 0.1));
        assert!(equal("9".repeat(400).as_bytes(), b"-", 0.1), "infinite is no number");
        assert!(!equal(b"-", b"1", 0.1));
    }
}
