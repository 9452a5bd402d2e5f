//! `settings.json`, as omegaUp's grader writes it (quark, `common/problemsettings.go`), with its defaults.

mod read;
mod units;

pub(crate) use read::read;
use warren_proto::problems::Limits;

/// Relative and absolute tolerance of `token-numeric` where the package names none (quark).
pub const TOLERANCE_DEFAULT: f64 = 1e-6;

/// What a package says about judging.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What a submission may use on each case.
    pub limits: Limits,
    /// Wall time that a case may take beyond its CPU time; default 0.
    pub extra_wall_ms: u64,
    /// How an answer is compared with the expected one.
    pub validator: Validator,
    /// How a group's score follows from its cases'.
    pub group_score_policy: GroupScorePolicy,
}

impl Default for Settings {
    /// quark's: 1 s, 32 MiB, 10 KiB of output, 60 s of wall time for all cases; `token`; `sum-if-not-zero`.
    fn default() -> Self {
        Self {
            limits: Limits { time_ms: 1_000, memory_bytes: 32 << 20, output_bytes: 10 << 10, overall_wall_ms: 60_000 },
            extra_wall_ms: 0,
            validator: Validator::Token,
            group_score_policy: GroupScorePolicy::SumIfNotZero,
        }
    }
}

/// How an answer is compared with the expected one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// The same tokens, separated by white space.
    Token,
    /// The same tokens but for upper and lower case (Unicode).
    TokenCaseless,
    /// The same numbers, each within the tolerance; everything else is ignored.
    TokenNumeric {
        /// Relative; half as much again, absolute.
        tolerance: f64,
    },
    /// The first token printed is the score, 0 to 1.
    Literal,
}

impl Validator {
    /// The validator of this name in `settings.json`; `tolerance` is for `token-numeric`.
    #[must_use]
    pub fn from_name(name: &str, tolerance: f64) -> Option<Self> {
        match name {
            "token" => Some(Self::Token),
            "token-caseless" => Some(Self::TokenCaseless),
            "token-numeric" => Some(Self::TokenNumeric { tolerance }),
            "literal" => Some(Self::Literal),
            _ => None,
        }
    }

    /// The name in `settings.json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::TokenCaseless => "token-caseless",
            Self::TokenNumeric { .. } => "token-numeric",
            Self::Literal => "literal",
        }
    }
}

/// How a group's score follows from its cases'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupScorePolicy {
    /// The sum of the cases' scores times their weights if none is zero, else nothing.
    SumIfNotZero,
    /// The least of the cases' scores, times the group's weight.
    Min,
}
