//! Problem packages in omegaUp's form, and the scores that follow from their weights. No I/O but [`zip_folder`].
//!
//! A package is a zip file:
//!
//! ```text
//! cases/NAME.in      what the program reads         (at least one pair; NAME is of A-Z a-z 0-9 . _ -)
//! cases/NAME.out     what it is expected to print
//! testplan           optional: `NAME WEIGHT` a line; without it every case weighs the same
//! settings.json      optional: limits, validator, group policy, as omegaUp's grader (quark) writes them
//! statements/ ...    kept, not looked at
//! ```
//!
//! A case's group is its name up to the first dot. A package comes from strangers: names, sizes and numbers are
//! checked while they are read, and whatever is wrong is told with its file and line.
//!
//! Reading order: [`Package`] is what a reader gets, `archive` takes the zip apart, `cases`, `testplan` and
//! `settings` read its parts, `score` turns what came out of each case into a verdict and points.

mod archive;
mod cases;
mod error;
mod folder;
mod natural;
mod package;
mod score;
mod settings;
mod testplan;

pub use error::PackageError;
pub use folder::zip_folder;
pub use package::{Case, Package};
pub use score::{CaseOutcome, GroupScore, Scored, to_decimal};
pub use settings::{GroupScorePolicy, Settings, TOLERANCE_DEFAULT, Validator};
