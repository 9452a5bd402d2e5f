//! How a test says that it could not run.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// The environment variable that names the file in which skipped tests are listed. `cargo xtask test` sets it, counts
/// the lines, and fails for each of them when `CI=true`.
pub const SKIPPED_FILE: &str = "WARREN_SKIPPED";

/// Reports that the test which calls this cannot run here and why: on standard output, and as a line in the file that
/// `WARREN_SKIPPED` names. The test then returns.
///
/// ```no_run
/// fn a_c_program_is_compiled() {
///     if !warren_debian::missing(&["gcc"]).is_empty() {
///         return warren_debian::skip_test("gcc is not installed");
///     }
///     // ...
/// }
/// ```
///
/// # Panics
///
/// If the file cannot be written, since the skip would go unnoticed.
pub fn skip_test(reason: &str) {
    // libtest names a test's thread after it.
    let thread = std::thread::current();
    let line = format!("{}: {}\n", thread.name().unwrap_or("a test"), reason.replace('\n', " "));
    let _ = write!(io::stdout(), "SKIPPED: {line}");
    if let Some(file) = std::env::var_os(SKIPPED_FILE) {
        // One write of one line, appended: lines of tests that run at the same time do not mix.
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.unwrap_or_else(|error| panic!("cannot note a skipped test in {}: {error}", file.display()));
    }
}
