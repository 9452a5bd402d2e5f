//! The first token printed is the score.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{One, Zero};

use super::{
    ValidateError,
    tokens::{Tokens, is_visible},
};

/// Most characters of a score: keeps the exact arithmetic small.
const SCORE_CHARS_MAX: usize = 64;

/// Most digits that an exponent moves the point by.
const EXPONENT_MAX: i32 = 64;

pub(super) fn score(printed: &[u8]) -> Result<BigRational, ValidateError> {
    let token = Tokens::new(printed, is_visible).next().ok_or(ValidateError::NoScore)?;
    let token = token.map_err(|_| ValidateError::PrintedTokenTooLong)?;
    let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= SCORE_CHARS_MAX);
    let value = text.and_then(parse).ok_or(ValidateError::NotScore)?;
    Ok(value.clamp(BigRational::zero(), BigRational::one()))
}

/// `0.5`, `-1`, `1/3` or `5e-1`.
fn parse(text: &str) -> Option<BigRational> {
    if let Some((above, below)) = text.split_once('/') {
        let (above, below) = (whole(above)?, whole(below)?);
        return (!below.is_zero()).then(|| BigRational::new(above, below));
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent: &i32| exponent.abs() <= EXPONENT_MAX)?;
    let (units, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let value = whole(&format!("{units}{decimals}"))? * sign;
    let ten = BigRational::from_integer(BigInt::from(10));
    Some(BigRational::from_integer(value) * ten.pow(exponent - i32::try_from(decimals.len()).ok()?))
}

fn whole(digits: &str) -> Option<BigInt> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_exactly_and_clamped() {
        for (printed, score) in
            [("0.5 rest", "1/2"), (" 1/3\n", "1/3"), ("2", "1"), ("-0.5", "0"), ("5e-1", "1/2"), (".25", "1/4")]
        {
            assert_eq!(super::score(printed.as_bytes()).unwrap().to_string(), score, "{printed}");
        }
    }

    #[test]
    fn what_is_no_score_is_refused() {
        assert_eq!(score(b" \n"), Err(ValidateError::NoScore));
        for printed in ["x", "1/0", "1e999999999", ".", "-", "NaN", "inf", "1.2.3"] {
            assert_eq!(score(printed.as_bytes()), Err(ValidateError::NotScore), "{printed}");
        }
    }
}
