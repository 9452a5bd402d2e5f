//! Verification codes: what is printed on a certificate, and what a person types to check it.
//!
//! A code is 15 random symbols and a check symbol, over 29 symbols: the ten digits and the consonants without
//! `L` and `Y`. No vowels, so no words; nothing that looks like `0` or `1`. 29 is prime and every position has a
//! weight of its own modulo 29, so a code with one wrong symbol, or with any two symbols swapped, is never
//! another right code. Both the alphabet and the check are NOID's
//! (<https://metacpan.org/dist/Noid/view/noid#NOID-CHECK-DIGIT-ALGORITHM>).

use std::{fmt, ops::RangeInclusive};

/// The symbols of our codes, by value: NOID's extended digits, in upper case.
const SYMBOLS: &[u8; 29] = b"0123456789BCDFGHJKMNPQRSTVWXZ";

/// How many symbols there are: a prime, which the check rests on.
const RADIX: u32 = SYMBOLS.len() as u32;

/// Symbols that carry the code: 15 x log2(29) = 72.8 bits.
const RANDOM_SYMBOLS: usize = 15;

/// All symbols of a code.
const LENGTH: usize = RANDOM_SYMBOLS + 1;

/// Symbols between two dashes.
const GROUP: usize = 4;

/// The symbols of omegaUp's codes, by value.
const OMEGAUP_SYMBOLS: &[u8; 20] = b"23456789CFGHJMPQRVWX";

/// All symbols of an omegaUp code, with the check symbol.
const OMEGAUP_LENGTH: usize = 10;

/// Dashes that word processors and PDF viewers make of `-`.
const TYPOGRAPHIC_DASHES: RangeInclusive<char> = '\u{2010}'..='\u{2015}';

/// A code of ours with the right check symbol. Shown in groups: `0123-4567-89BC-DFGM`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code([u8; LENGTH]);

impl Code {
    /// A new code, from the operating system's cryptographic generator.
    ///
    /// # Errors
    ///
    /// If the operating system has no random bytes to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut digits = [0; RANDOM_SYMBOLS];
        for digit in &mut digits {
            *digit = random_digit()?;
        }
        Ok(Self::of(digits))
    }

    fn of(digits: [u8; RANDOM_SYMBOLS]) -> Self {
        let mut symbols = [0; LENGTH];
        symbols[..RANDOM_SYMBOLS].copy_from_slice(&digits);
        symbols[RANDOM_SYMBOLS] = check_digit(&digits, RADIX);
        Self(symbols.map(|digit| SYMBOLS[usize::from(digit)]))
    }
}

/// A digit of radix 29, each as likely as any other: bytes past the last full round are thrown away.
fn random_digit() -> Result<u8, getrandom::Error> {
    const FULL_ROUNDS: u8 = (256 / RADIX * RADIX) as u8;
    loop {
        let mut byte = [0];
        getrandom::fill(&mut byte)?;
        if byte[0] < FULL_ROUNDS {
            return Ok(byte[0] % RADIX as u8);
        }
    }
}

/// The sum of each digit times its position (from 1), modulo `radix`.
fn check_digit(digits: &[u8], radix: u32) -> u8 {
    let sum: u32 = (1..).zip(digits).map(|(position, &digit)| position * u32::from(digit)).sum();
    u8::try_from(sum % radix).expect("every radix used here is less than 256")
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &symbol) in self.0.iter().enumerate() {
            if index > 0 && index % GROUP == 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(symbol))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

/// What a text that somebody typed or scanned turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A code of ours, well formed. Whether it was issued only the store knows.
    Ours(Code),
    /// A code as omegaUp makes them, well formed, as omegaUp writes it.
    OmegaUp(String),
}

/// A text that is no well-formed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The right number of symbols, but the last does not follow from the others.
    #[error("the check symbol does not fit: at least one symbol is mistyped, or two are swapped")]
    Mistyped,
    /// A symbol that no code has.
    #[error("not a certificate code: `{0}` is in no code")]
    Symbol(char),
    /// Too few or too many symbols.
    #[error("not a certificate code: it has {LENGTH} symbols without the dashes, not {0}")]
    Length(usize),
}

/// Reads a code in any case, with any or no separators (dashes, dots, underscores, spaces); `O` is read as `0`, `I` and `L` as `1`.
///
/// The whole text of a QR code is read as well: what stands after its last `/`, `=` or `:` is the code.
///
/// # Errors
///
/// If the text is no code of ours and none of omegaUp's.
pub fn read(text: &str) -> Result<Reading, ReadError> {
    let code = text.trim().rsplit(['/', '=', ':']).next().unwrap_or_default();
    let symbols: Vec<char> = code.chars().filter(|&c| !is_separator(c)).map(|c| c.to_ascii_uppercase()).collect();
    match symbols.len() {
        LENGTH => read_ours(&symbols),
        OMEGAUP_LENGTH => read_omegaup(&symbols),
        other => Err(ReadError::Length(other)),
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '_') || TYPOGRAPHIC_DASHES.contains(&c)
}

fn read_ours(symbols: &[char]) -> Result<Reading, ReadError> {
    let digits = digits(symbols.iter().map(|&c| unambiguous(c)), SYMBOLS)?;
    let random: [u8; RANDOM_SYMBOLS] = digits[..RANDOM_SYMBOLS].try_into().expect("the length was looked at");
    let code = Code::of(random);
    if code.0[RANDOM_SYMBOLS] == SYMBOLS[usize::from(digits[RANDOM_SYMBOLS])] {
        Ok(Reading::Ours(code))
    } else {
        Err(ReadError::Mistyped)
    }
}

fn read_omegaup(symbols: &[char]) -> Result<Reading, ReadError> {
    let digits = digits(symbols.iter().copied(), OMEGAUP_SYMBOLS)?;
    let (&check, random) = digits.split_last().expect("the length was looked at");
    if check_digit(random, OMEGAUP_SYMBOLS.len() as u32) == check {
        Ok(Reading::OmegaUp(symbols.iter().collect()))
    } else {
        Err(ReadError::Mistyped)
    }
}

/// The digit that a letter outside our alphabet was taken for.
fn unambiguous(symbol: char) -> char {
    match symbol {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

fn digits(symbols: impl Iterator<Item = char>, alphabet: &[u8]) -> Result<Vec<u8>, ReadError> {
    symbols
        .map(|symbol| {
            let digit = alphabet.iter().position(|&known| char::from(known) == symbol);
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or(ReadError::Symbol(symbol))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symbols(code: Code) -> Vec<u8> {
        code.0.to_vec()
    }

    fn read_bytes(symbols: &[u8]) -> Result<Reading, ReadError> {
        read(std::str::from_utf8(symbols).unwrap())
    }

    /// Codes that start with every digit in every position, so that no weight is met by zeros only.
    fn samples() -> impl Iterator<Item = Code> {
        (0..29_u8).map(|start| Code::of(std::array::from_fn(|i| (start + 7 * i as u8) % 29)))
    }

    #[test]
    fn every_single_wrong_symbol_is_caught_in_every_position() {
        for code in samples() {
            for position in 0..LENGTH {
                for &symbol in SYMBOLS.iter().filter(|&&symbol| symbol != code.0[position]) {
                    let mut wrong = symbols(code);
                    wrong[position] = symbol;
                    assert_eq!(read_bytes(&wrong), Err(ReadError::Mistyped), "{code}, position {position}");
                }
            }
        }
    }

    #[test]
    fn every_swap_of_two_symbols_is_caught_wherever_they_stand() {
        let pairs = || (0..LENGTH).flat_map(|a| (a + 1..LENGTH).map(move |b| (a, b)));
        for code in samples() {
            for (a, b) in pairs().filter(|&(a, b)| code.0[a] != code.0[b]) {
                let mut wrong = symbols(code);
                wrong.swap(a, b);
                assert_eq!(read_bytes(&wrong), Err(ReadError::Mistyped), "{code}, positions {a} and {b}");
            }
        }
    }

    #[test]
    fn a_code_carries_more_than_seventy_bits() {
        assert!(RANDOM_SYMBOLS as f64 * f64::from(RADIX).log2() > 70.0);
    }

    #[test]
    fn generated_codes_differ_and_use_every_symbol() {
        let codes: Vec<Code> = (0..200).map(|_| Code::generate().unwrap()).collect();
        let used: std::collections::HashSet<u8> = codes.iter().flat_map(|code| code.0).collect();
        assert_eq!(used.len(), SYMBOLS.len());
        assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), codes.len());
    }

    #[test]
    fn a_code_is_read_in_any_dress() {
        let code = Code::of([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(code.to_string(), "0123-4567-89BC-DFGM");
        for dress in [
            "0123-4567-89BC-DFGM",
            "0123456789bcdfgm",
            " o1 23 4567\u{2011}89bc.dfgm\n",
            "OL23_4567_89BC_DFGM",
            "warren:certificate:0123-4567-89BC-DFGM",
            "https://contest.example/verify?code=0123-4567-89BC-DFGM",
        ] {
            assert_eq!(read(dress), Ok(Reading::Ours(code)), "{dress:?}");
        }
    }

    #[test]
    fn what_is_no_code_is_told_why() {
        assert_eq!(read(""), Err(ReadError::Length(0)));
        assert_eq!(read("0123-4567"), Err(ReadError::Length(8)));
        assert_eq!(read("U123-4567-89BC-DFGM"), Err(ReadError::Symbol('U')));
        assert_eq!(read("é123-4567-89BC-DFGM"), Err(ReadError::Symbol('é')));
    }

    /// The two vectors of the project's `omegaup_verification_code_vectors.json`.
    #[test]
    fn omegaup_codes_are_recognised_by_their_check_symbol() {
        for (code, digits) in
            [("23456789C2", [0, 1, 2, 3, 4, 5, 6, 7, 8]), ("469CGJPGR9", [2, 4, 7, 8, 10, 12, 14, 10, 16])]
        {
            let check = OMEGAUP_SYMBOLS[usize::from(check_digit(&digits, 20))];
            assert_eq!(code.as_bytes()[9], check);
            assert_eq!(read(&code.to_lowercase()), Ok(Reading::OmegaUp(code.to_owned())));
        }
        assert_eq!(read("23456789C3"), Err(ReadError::Mistyped));
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(digits in prop::array::uniform15(0..29_u8)) {
            let code = Code::of(digits);
            prop_assert_eq!(read(&code.to_string()), Ok(Reading::Ours(code)));
        }

        #[test]
        fn one_wrong_symbol_or_one_swap_never_passes(
            digits in prop::array::uniform15(0..29_u8), position in 0..LENGTH, other in 0..LENGTH, symbol in 0..29_usize,
        ) {
            let right = symbols(Code::of(digits));
            let mut replaced = right.clone();
            replaced[position] = SYMBOLS[symbol];
            prop_assert_eq!(read_bytes(&replaced).is_ok(), replaced == right);
            let mut swapped = right.clone();
            swapped.swap(position, other);
            prop_assert_eq!(read_bytes(&swapped).is_ok(), swapped == right);
        }

        #[test]
        fn no_text_makes_reading_fail_otherwise(text in any::<String>()) {
            let _ = read(&text);
        }
    }
}
