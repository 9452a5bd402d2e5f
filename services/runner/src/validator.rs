//! Compares what a program printed with what was expected, as omegaUp's grader does (quark, `runner/validator.go`).
//!
//! Pure. What a program printed may be anything: invalid UTF-8 is taken byte by byte, each as U+FFFD.

mod literal;
mod numeric;
mod text;
mod tokens;

use num_rational::BigRational;
use num_traits::{One, Zero};
use warren_package::Validator;

use self::tokens::{Tokens, is_numeric, is_visible};

/// From this length on, a token is an error (quark's `MaxTokenLength`).
pub(crate) const TOKEN_BYTES_MAX: usize = 4 << 20;

/// Why there is no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValidateError {
    /// A token of what was expected is too long: the problem's fault.
    #[error("the expected output holds a token of {} MiB or more", TOKEN_BYTES_MAX >> 20)]
    ExpectedTokenTooLong,
    /// A token of what was printed is too long.
    #[error("the output holds a token of {} MiB or more", TOKEN_BYTES_MAX >> 20)]
    PrintedTokenTooLong,
    /// `literal`, and nothing was printed.
    #[error("the output holds no score")]
    NoScore,
    /// `literal`, and the first token is not a number.
    #[error("the output does not begin with a score")]
    NotScore,
}

/// The score, 0 to 1, of what was printed.
///
/// # Errors
///
/// If a token is too long, or `literal` finds no score.
pub(crate) fn validate(validator: Validator, expected: &[u8], printed: &[u8]) -> Result<BigRational, ValidateError> {
    let same = match validator {
        Validator::Literal => return literal::score(printed),
        Validator::Token => all_match(expected, printed, is_visible, |a, b| a == b)?,
        Validator::TokenCaseless => all_match(expected, printed, is_visible, text::equal_caseless)?,
        Validator::TokenNumeric { tolerance } => {
            all_match(expected, printed, is_numeric, |a, b| numeric::equal(a, b, tolerance))?
        }
    };
    Ok(if same { BigRational::one() } else { BigRational::zero() })
}

fn all_match(
    expected: &[u8],
    printed: &[u8],
    is_token: fn(char) -> bool,
    equal: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<bool, ValidateError> {
    let (mut expected, mut printed) = (Tokens::new(expected, is_token), Tokens::new(printed, is_token));
    loop {
        let wanted = expected.next().transpose().map_err(|_| ValidateError::ExpectedTokenTooLong)?;
        let given = printed.next().transpose().map_err(|_| ValidateError::PrintedTokenTooLong)?;
        match (wanted, given) {
            (None, None) => return Ok(true),
            (Some(wanted), Some(given)) if equal(wanted, given) => {}
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use warren_package::TOLERANCE_DEFAULT;

    use super::*;

    fn score(name: &str, tolerance: f64, expected: &str, printed: &str) -> Result<BigRational, String> {
        let validator = Validator::from_name(name, tolerance).ok_or("unknown validator")?;
        validate(validator, expected.as_bytes(), printed.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn quarks_own_vectors_hold() {
        let vectors = include_str!("../tests/quark_validator_vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let text = |vector: &serde_json::Value, key: &str| vector[key].as_str().unwrap().to_owned();
        for vector in vectors["ok"].as_array().unwrap() {
            let tolerance = vector["tolerance"].as_f64().unwrap_or(TOLERANCE_DEFAULT);
            let (expected, printed) = (text(vector, "expected_output"), text(vector, "contestant"));
            let score = score(&text(vector, "validator"), tolerance, &expected, &printed).unwrap();
            let wanted = BigRational::from_float(vector["expected_score"].as_f64().unwrap()).unwrap();
            assert_eq!(score, wanted, "{vector}");
        }
        for vector in vectors["must_error"].as_array().unwrap() {
            let (expected, printed) = (text(vector, "expected_output"), text(vector, "contestant"));
            assert!(score(&text(vector, "validator"), 0.1, &expected, &printed).is_err(), "{vector}");
        }
    }

    #[test]
    fn a_token_of_4_mib_is_an_error_and_one_byte_less_is_not() {
        let long = "a".repeat(TOKEN_BYTES_MAX);
        let shorter = &long[1..];
        assert!(score("token", 0.0, shorter, shorter).unwrap().is_one());
        assert!(score("token", 0.0, "a", &long).unwrap_err().starts_with("the output holds a token"));
        assert!(score("token", 0.0, &long, "a").unwrap_err().starts_with("the expected output"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_tokens_like_others() {
        let validator = Validator::Token;
        assert!(validate(validator, b"\xff a", b"\xff\na\n").unwrap().is_one());
        assert!(validate(validator, b"\xff", b"\xfe").unwrap().is_zero());
    }

    proptest! {
        #[test]
        fn anything_equals_itself_and_nothing_panics(a: Vec<u8>, b: Vec<u8>) {
            for name in ["token", "token-caseless", "token-numeric", "literal"] {
                let validator = Validator::from_name(name, 1e-6).unwrap();
                let _ = validate(validator, &a, &b);
                if name != "literal" {
                    prop_assert!(validate(validator, &a, &a).unwrap().is_one());
                }
            }
        }
    }
}
