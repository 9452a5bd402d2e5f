//! What can be wrong with a package, told to the person who made it.

use std::path::PathBuf;

use zip::result::ZipError;

use crate::archive::{ENTRIES_MAX, TOTAL_BYTES_MAX};

/// Why a package was not taken. The message names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Not a zip file, or a broken one.
    #[error("the package is not a zip file: {0}")]
    NotZip(#[source] ZipError),
    /// More files than a package may have.
    #[error("the package holds more than {ENTRIES_MAX} files")]
    TooManyEntries,
    /// More content than a package may have.
    #[error("the package unpacks to more than {} MiB", TOTAL_BYTES_MAX >> 20)]
    TooLarge,
    /// Two entries of one name: which of them counts is anybody's guess.
    #[error("the package holds two files of the same name{}", of(.0.as_deref()))]
    Duplicate(Option<String>),
    /// Nothing to judge by.
    #[error("the package has no cases: it needs at least cases/1.in and cases/1.out")]
    NoCases,
    /// Something wrong with one file.
    #[error("{file}: {problem}")]
    File {
        /// Its path in the package.
        file: String,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// Something wrong with one line of a file.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// Its path in the package.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong, and what is allowed.
        problem: String,
    },
    /// A folder that cannot be packed.
    #[error("{}: {problem}", path.display())]
    Folder {
        /// What cannot be packed.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A folder or file that cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// What cannot be read.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl PackageError {
    pub(crate) fn file(file: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::File { file: file.into(), problem: problem.into() }
    }

    pub(crate) fn line(file: &str, line: usize, problem: impl Into<String>) -> Self {
        Self::Line { file: file.to_owned(), line, problem: problem.into() }
    }
}

fn of(name: Option<&str>) -> String {
    name.map(|name| format!(": {name}")).unwrap_or_default()
}
