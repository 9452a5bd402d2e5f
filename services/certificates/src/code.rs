//! Verification codes: what is printed on a certificate, and what a person types to check it.
//!
//! A code is 15 random symbols and a check symbol, over 29 symbols: the ten digits and the consonants without
//! `L` and `Y`. No vowels, so no words; nothing that looks like `0` or `1`. 29 is prime and every position has a
//! weight of its own modulo 29, so a code with one wrong symbol, or with any two symbols swapped, is never
//! another right code. Both the alphabet and the check are NOID's
//! (<https://metacpan.org/dist/Noid/view/noid#NOID-CHECK-DIGIT-ALGORITHM>).

mod omegaup;

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

/// Dashes that word processors and PDF viewers make of `-`.
const TYPOGRAPHIC_DASHES: RangeInclusive<char> = '\u{2010}'..='\u{2015}';

/// A code of ours with the right check symbol. Shown in groups: `0123-4567-89BC-DFGM`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Code([u8; LENGTH]);

impl Code {
    /// A new code, from the operating system's cryptographic generator.
    ///
    /// # Errors
    ///
    /// If the operating system has no random bytes to give.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
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
pub(crate) enum Reading {
    /// A code of ours, well formed. Whether it was issued only the store knows.
    Ours(Code),
    /// A code as omegaUp makes them, well formed, as omegaUp writes it.
    OmegaUp(String),
}

/// A text that is no well-formed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
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

/// Reads a code in any case, with any or no separators (dashes, dots, underscores, spaces); `O` is read as `0`, `I` and
/// `L` as `1`.
///
/// The whole text of a QR code is read as well: what stands after its last `/`, `=` or `:` is the code.
///
/// # Errors
///
/// If the text is no code of ours and none of omegaUp's.
pub(crate) fn read(text: &str) -> Result<Reading, ReadError> {
    let code = text.trim().rsplit(['/', '=', ':']).next().unwrap_or_default();
    let symbols: Vec<char> = code.chars().filter(|&c| !is_separator(c)).map(|c| c.to_ascii_uppercase()).collect();
    match symbols.len() {
        LENGTH => read_ours(&symbols),
        omegaup::LENGTH => omegaup::read(&symbols).map(Reading::OmegaUp),
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
mod tests;
