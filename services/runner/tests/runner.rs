#![expect(clippy::unwrap_used, reason = "tests")]

//! The runner with the real sandbox and the real compilers. Needs root or user namespaces, and the Debian packages of
//! `missing_packages`: without them the tests fail, for the sandbox is never skipped.

mod runner {
    mod attacks;
    mod contest;
    mod harness;
    mod hiding;
    mod lifecycle;
    mod lost;
    mod service;
    mod verdicts;
}
