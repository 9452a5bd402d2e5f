//! Splits bytes into tokens: the longest runs of characters that belong to one (quark, `runner/tokenizer.go`).

use super::TOKEN_BYTES_MAX;

/// A token of [`TOKEN_BYTES_MAX`] or more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What separates tokens is white space: Unicode's, and Java's U+001C to U+001F.
pub(super) fn is_visible(letter: char) -> bool {
    !letter.is_whitespace() && !('\u{1c}'..='\u{1f}').contains(&letter)
}

/// `token-numeric`: numbers are runs of these; everything else separates them.
pub(super) fn is_numeric(letter: char) -> bool {
    matches!(letter, '0'..='9' | '.' | '-')
}

/// Tokens in order.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
    is_token: fn(char) -> bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(bytes: &'a [u8], is_token: fn(char) -> bool) -> Self {
        Self { rest: bytes, is_token }
    }

    /// Takes the leading characters off that are, or are not, of a token.
    fn take(&mut self, of_token: bool) -> &'a [u8] {
        let mut length = 0;
        while length < self.rest.len() {
            let (letter, width) = decode(&self.rest[length..]);
            if (self.is_token)(letter) != of_token {
                break;
            }
            length += width;
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<&'a [u8], TooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take(false);
        let token = self.take(true);
        match token.len() {
            0 => None,
            TOKEN_BYTES_MAX.. => Some(Err(TooLong)),
            _ => Some(Ok(token)),
        }
    }
}

/// The first character and its width; a byte that begins none is U+FFFD. `bytes` is not empty.
pub(super) fn decode(bytes: &[u8]) -> (char, usize) {
    if bytes[0].is_ascii() {
        return (char::from(bytes[0]), 1);
    }
    let window = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default(),
    };
    valid.chars().next().map_or((char::REPLACEMENT_CHARACTER, 1), |letter| (letter, letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str, is_token: fn(char) -> bool) -> Vec<String> {
        Tokens::new(text.as_bytes(), is_token)
            .map(|token| String::from_utf8_lossy(token.unwrap()).into_owned())
            .collect()
    }

    #[test]
    fn unicode_and_javas_white_space_separate() {
        assert_eq!(tokens(" a\u{a0}b\u{2003}c\u{1c}d\u{1f}\r\n", is_visible), ["a", "b", "c", "d"]);
        assert_eq!(tokens("a\u{200b}b", is_visible).len(), 1, "a zero-width space is not white space");
    }

    #[test]
    fn numbers_are_found_between_anything() {
        assert_eq!(tokens("x=1.5,y=-2e3", is_numeric), ["1.5", "-2", "3"]);
    }
}
