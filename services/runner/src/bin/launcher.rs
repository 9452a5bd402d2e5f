//! The sandbox's launcher by itself, for the tests.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    warren_runner::sandbox::launcher_main(env::args_os().skip(2))
}
