//! omegaUp's codes, so that whoever holds one is told whose it is. Nine random symbols of twenty and a check symbol.

use super::{ReadError, check_digit, digits};

/// The symbols by value.
const SYMBOLS: &[u8; 20] = b"23456789CFGHJMPQRVWX";

/// How many symbols there are.
const RADIX: u32 = SYMBOLS.len() as u32;

/// All symbols of a code, with the check symbol.
pub(super) const LENGTH: usize = 10;

/// Reads a code of [`LENGTH`] symbols, and answers it as omegaUp writes it.
pub(super) fn read(symbols: &[char]) -> Result<String, ReadError> {
    let digits = digits(symbols.iter().copied(), SYMBOLS)?;
    let (&check, random) = digits.split_last().ok_or(ReadError::Length(0))?;
    if check_digit(random, RADIX) == check { Ok(symbols.iter().collect()) } else { Err(ReadError::Mistyped) }
}

#[cfg(test)]
mod tests {
    use super::super::{Reading, read};
    use super::*;

    /// Two codes of omegaUp's own tests (omegaup/omegaup at `e7ce889c`), with their digits.
    #[test]
    fn a_code_is_recognised_by_its_check_symbol() {
        for (code, digits) in
            [("23456789C2", [0, 1, 2, 3, 4, 5, 6, 7, 8]), ("469CGJPGR9", [2, 4, 7, 8, 10, 12, 14, 10, 16])]
        {
            assert_eq!(code.as_bytes()[9], SYMBOLS[usize::from(check_digit(&digits, RADIX))]);
            assert_eq!(read(&code.to_lowercase()), Ok(Reading::OmegaUp(code.to_owned())));
        }
        assert_eq!(read("23456789C3"), Err(ReadError::Mistyped));
    }
}
