//! What a judge says of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a judge says of a run, worst first (omegaUp's order): a submission's verdict is the worst of its cases'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Judge error: nobody's fault but the judge's. Pages an operator.
    Je,
    /// Compile error.
    Ce,
    /// Restricted function: the program tried what the sandbox forbids.
    Rfe,
    /// Validator error.
    Ve,
    /// Memory limit exceeded.
    Mle,
    /// Run-time error: a signal, or an exit code other than 0.
    Rte,
    /// Time limit exceeded.
    Tle,
    /// Output limit exceeded.
    Ole,
    /// Wrong answer.
    Wa,
    /// Partially accepted.
    Pa,
    /// Accepted.
    Ac,
}

impl Verdict {
    /// All of them, worst first.
    pub const ALL: [Self; 11] = [
        Self::Je,
        Self::Ce,
        Self::Rfe,
        Self::Ve,
        Self::Mle,
        Self::Rte,
        Self::Tle,
        Self::Ole,
        Self::Wa,
        Self::Pa,
        Self::Ac,
    ];

    /// The two or three letters on the wire and on a board: `AC`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Je => "JE",
            Self::Ce => "CE",
            Self::Rfe => "RFE",
            Self::Ve => "VE",
            Self::Mle => "MLE",
            Self::Rte => "RTE",
            Self::Tle => "TLE",
            Self::Ole => "OLE",
            Self::Wa => "WA",
            Self::Pa => "PA",
            Self::Ac => "AC",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
