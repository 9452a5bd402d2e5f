//! How each language is compiled and run: one file a language.

mod c;
mod cpp;
mod python;

use warren_proto::grading::Language;

/// A program and its arguments, as the sandbox sees them, in the folder of the source.
pub(crate) type Words = &'static [&'static str];

/// How a language is compiled and run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toolchain {
    /// The name of the source file.
    pub(crate) source: &'static str,
    /// Ends with exit code 0 if the source is right, and else says on standard error what is not.
    pub(crate) compile: Words,
    /// Starts the program.
    pub(crate) run: Words,
}

/// The toolchain of a language.
#[must_use]
pub(crate) fn toolchain(language: Language) -> &'static Toolchain {
    match language {
        Language::C => &c::TOOLCHAIN,
        Language::Cpp => &cpp::TOOLCHAIN,
        Language::Python => &python::TOOLCHAIN,
    }
}
