//! The languages a submission may be in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// As much of an unknown name as an error shows.
const SHOWN_CHARS_MAX: usize = 24;

/// The languages a submission may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// C17.
    C,
    /// C++20.
    Cpp,
    /// Python 3.
    Python,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::C, Self::Cpp, Self::Python];

    /// The name on the wire and on the command line: `cpp`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Python => "python",
        }
    }

    /// The language that a file of this ending (without the dot) is usually in.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        match extension {
            "c" => Some(Self::C),
            "cpp" | "cc" | "cxx" => Some(Self::Cpp),
            "py" => Some(Self::Python),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    /// By [`name`](Self::name).
    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        let known = Self::ALL.into_iter().find(|language| language.name() == name);
        known.ok_or_else(|| UnknownLanguage { name: name.chars().take(SHOWN_CHARS_MAX).collect() })
    }
}

/// A text that is the name of no [`Language`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no language: {} are", Language::ALL.map(Language::name).join(", "))]
pub struct UnknownLanguage {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_read_by_its_name() {
        for language in Language::ALL {
            assert_eq!(language.to_string().parse(), Ok(language));
        }
    }

    #[test]
    fn an_unknown_language_is_answered_with_the_known_ones() {
        let error = "rust".parse::<Language>().unwrap_err();
        assert_eq!(error.to_string(), r#""rust" is no language: c, cpp, python are"#);
        assert!("C++".repeat(1_000).parse::<Language>().unwrap_err().to_string().len() < 100);
    }
}
