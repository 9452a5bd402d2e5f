//! The REPL: a line is a command line without `warren`, and a first word with a dot means `call`.

mod editor;
mod line;

use std::io::{self, BufRead, IsTerminal};

use clap::{CommandFactory, Parser};
use tokio::runtime::Handle;

use self::line::Line;
use crate::{
    cli::{self, Cli, Form, Globals},
    commands::{self, Session},
    failure::{Exit, Failure},
    output::{Output, note, print},
};

/// Reads lines until the end, from a person or from a pipe. The first failure of a pipe's lines is the program's.
pub(crate) fn run(runtime: &Handle, session: &Session, globals: &Globals) -> Result<(), Failure> {
    if io::stdin().is_terminal() {
        return interactive(runtime, session, globals);
    }
    let mut first_failure = None;
    for text in io::stdin().lock().lines() {
        let text = text.map_err(|error| Failure::usage(format!("standard input: {error}")))?;
        match execute(runtime, session, globals, &text) {
            Ok(Next::Line) => {}
            Ok(Next::Leave) => break,
            Err((output, failure)) => {
                output.failure(&failure);
                let interrupted = failure.exit == Exit::Interrupted;
                first_failure.get_or_insert(failure);
                if interrupted {
                    break;
                }
            }
        }
    }
    // It has been told already: what remains of it is the exit code.
    first_failure.map_or(Ok(()), |failure| Err(Failure { message: String::new(), ..failure }))
}

fn interactive(runtime: &Handle, session: &Session, globals: &Globals) -> Result<(), Failure> {
    let mut editor = editor::Editor::open();
    note("Type a call (calculator.sum a:=2 b:=3), methods, help, or exit. Tab completes.");
    while let Some(text) = editor.read_line()? {
        match execute(runtime, session, globals, &text) {
            Ok(Next::Line) => {}
            Ok(Next::Leave) => break,
            Err((output, failure)) => output.failure(&failure),
        }
    }
    Ok(())
}

/// Flags that choose the broker and how services run: they mean nothing once a REPL runs.
const STARTING_FLAGS: [&str; 4] = ["--url", "--embedded", "--data", "--link-prefix"];

fn is_flag(word: &str, flag: &str) -> bool {
    word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}

enum Next {
    Line,
    Leave,
}

/// Runs one line. Ctrl-C ends the command, not the REPL.
fn execute(runtime: &Handle, session: &Session, globals: &Globals, text: &str) -> Result<Next, (Output, Failure)> {
    let failed = |failure| (session.output, failure);
    let words = match line::read(text).map_err(failed)? {
        Line::Empty => return Ok(Next::Line),
        Line::Leave => return Ok(Next::Leave),
        Line::Help => return help().map(|()| Next::Line).map_err(failed),
        Line::Words(words) => words,
    };
    if let Some(flag) = words.iter().find_map(|word| STARTING_FLAGS.into_iter().find(|flag| is_flag(word, flag))) {
        return Err(failed(Failure::usage(format!(
            "{flag} belongs to the start of `warren`: broker and services run already"
        ))));
    }
    let cli = match Cli::try_parse_from(std::iter::once("warren".to_owned()).chain(words)) {
        Ok(cli) => cli,
        Err(usage) if !usage.use_stderr() => {
            return print(usage.to_string().trim_end()).map(|()| Next::Line).map_err(failed);
        }
        Err(usage) => return Err(failed(cli::mistaken(&usage))),
    };
    let Some(command) = cli.command else {
        return Err(failed(Failure::usage("flags belong behind a command here: calculator.sum a:=2 b:=3 -o json")));
    };
    let session = with_flags_of(&cli.globals, session, globals);
    let run = async {
        tokio::select! {
            ended = commands::run(&session, &command) => ended,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted: the work may go on")),
        }
    };
    runtime.block_on(run).map(|()| Next::Line).map_err(|failure| (session.output, failure))
}

/// The session as this line's own flags want it.
fn with_flags_of(line: &Globals, session: &Session, globals: &Globals) -> Session {
    let form = if line.output == Form::Auto { globals.output } else { line.output };
    Session { output: Output { form }, timeout: line.timeout.or(globals.timeout), ..session.clone() }
}

fn help() -> Result<(), Failure> {
    let mut text = String::from("commands:\n");
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("  {:<12} {about}\n", command.get_name()));
    }
    text.push_str("  exit         leave\n");
    text.push_str("a first word with a dot is a call: calculator.sum a:=2 b:=3; COMMAND --help tells more");
    print(&text)
}
