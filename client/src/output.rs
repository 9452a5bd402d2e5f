//! Results on standard output: tables for people, lines or JSON for programs. Nothing else is printed there.

mod board;
mod value;
mod verdict;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::{
    board::board,
    verdict::{mebibytes, verdict},
};
use crate::{cli::Form, failure::Failure};

/// How this command writes its result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) form: Form,
}

impl Output {
    /// Whether standard output gets tables.
    pub(crate) fn tables(self) -> bool {
        match self.form {
            Form::Auto => io::stdout().is_terminal(),
            Form::Table => true,
            Form::Json => false,
        }
    }

    /// Writes a reply's JSON as it came, or for people.
    pub(crate) fn body(self, body: &[u8]) -> Result<(), Failure> {
        if self.form == Form::Json {
            return print(String::from_utf8_lossy(body).trim_end());
        }
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Failure::internal(format!("the reply is not JSON: {error}")))?;
        print(&if self.tables() { value::table(&value) } else { value::lines(&value) })
    }

    /// Writes a value, as [`body`](Self::body) does.
    pub(crate) fn value(self, value: &impl Serialize) -> Result<(), Failure> {
        let body = serde_json::to_vec(value).map_err(|error| Failure::internal(error.to_string()))?;
        self.body(&body)
    }

    /// Writes a value as JSON where that was asked for; else what `table` draws.
    pub(crate) fn value_or(self, value: &impl Serialize, table: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.tables() { print(&table()) } else { self.value(value) }
    }

    /// Writes a failure to standard error.
    pub(crate) fn failure(self, failure: &Failure) {
        let text = if self.form == Form::Json {
            serde_json::json!({ "error": {
                "code": failure.exit.name(),
                "exit": failure.exit.code(),
                "message": failure.message,
                "hint": failure.hint,
            }})
            .to_string()
        } else {
            let hint = failure.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!("error[{}]: {}{hint}", failure.exit.name(), failure.message)
        };
        note(&text);
    }
}

/// Writes a line of data. A reader that has gone away (`| head`) is no failure of ours.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::internal(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tells a person something that is no data.
pub(crate) fn note(text: &str) {
    // If standard error is closed, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
