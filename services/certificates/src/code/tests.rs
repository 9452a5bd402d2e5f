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
