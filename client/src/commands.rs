//! What the commands do: each takes its flags, a client and the form of output.

mod bench;
mod board;
mod broker;
mod call;
mod certificate;
mod demo;
mod methods;
mod problem;
mod serve;
mod submit;

use std::time::Duration;

use warren_rpc::{CallOptions, Client};

pub(crate) use self::{broker::run as broker, methods::run as methods, serve::serve};
use crate::{
    cli::{Command, Globals},
    failure::Failure,
    output::Output,
};

/// What a command has at hand.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The broker's address.
    pub(crate) url: String,
    pub(crate) output: Output,
    /// `--timeout`.
    pub(crate) timeout: Option<Duration>,
    /// Whether a `-` may read standard input.
    pub(crate) stdin: bool,
}

impl Session {
    pub(crate) fn new(client: Client, url: &str, globals: &Globals, stdin: bool) -> Self {
        Self { client, url: url.to_owned(), output: Output { form: globals.output }, timeout: globals.timeout, stdin }
    }

    /// Options of a call that `--timeout` bounds.
    fn options(&self) -> CallOptions {
        let default = CallOptions::default();
        CallOptions { deadline: self.timeout.unwrap_or(default.deadline), ..default }
    }
}

/// Runs a command that talks to a broker.
pub(crate) async fn run(session: &Session, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Call(call) => call::run(session, call).await,
        Command::Methods => methods::run(session.output),
        Command::Submit(submit) => submit::run(session, submit).await,
        Command::Problem(problem) => problem::run(session, problem).await,
        Command::Board(board) => board::run(session, board).await,
        Command::Certificate(certificate) => certificate::run(session, certificate).await,
        Command::Demo(demo) => demo::run(session, demo).await,
        Command::Bench(bench) => bench::run(session, bench).await,
        Command::Broker(_) => Err(Failure::usage("broker is a program of its own: type it in another terminal")
            .with_hint(format!("the broker of this REPL is {}", session.url))),
        Command::Serve(_) => Err(Failure::usage("serve is a program of its own: type it in another terminal")),
    }
}
