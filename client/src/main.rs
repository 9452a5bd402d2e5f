//! The `warren` program: REPL, commands, and every service in one binary.
//!
//! `cli` is what can be typed, `commands` what it does, `repl` the interactive form of it; `platform` runs everything
//! in this process, `address` finds a broker that runs elsewhere; `output` and `failure` are the two ways to end.

mod address;
mod arguments;
mod cli;
mod commands;
mod failure;
mod near;
mod output;
mod packages;
mod platform;
mod repl;

use std::{io::IsTerminal, process::ExitCode};

use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use warren_rpc::{Client, ClientOptions};
use warren_runner::sandbox::{LAUNCHER_ARGUMENT, launcher_main};

use crate::{
    cli::{Cli, Command, Globals},
    commands::Session,
    failure::{Exit, Failure},
    output::{Output, note},
    platform::{Platform, Settings},
};

fn main() -> ExitCode {
    // The sandbox starts this program again as its launcher: small, and before anything else exists.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == LAUNCHER_ARGUMENT) {
        return launcher_main(arguments);
    }
    // Two providers may be compiled in by a dependency; rustls wants to be told which. Only the first call counts.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(ended) => return ended,
    };
    init_log();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                Output { form: cli.globals.output }.failure(&failure);
            }
            ExitCode::from(failure.exit.code())
        }
    }
}

/// Logs to standard error what `WARREN_LOG` asks for, in the form of tracing's `EnvFilter`; by default warnings.
fn init_log() {
    // lapin logs the whole of each returned message, and again what its errors tell us anyway.
    let filter = EnvFilter::try_from_env("WARREN_LOG").unwrap_or_else(|_| EnvFilter::new("warn,lapin=off"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(|error| Failure::internal(format!("the runtime: {error}")))?;
    let globals = &cli.globals;
    match &cli.command {
        Some(Command::Methods) => commands::methods(Output { form: globals.output }),
        Some(Command::Serve(serve)) => {
            let url = address::find(globals.url.as_deref())?;
            let settings = Settings { data: &data(globals)?, link_prefix: globals.link_prefix.as_deref() };
            runtime.block_on(commands::serve(&url, settings, serve))
        }
        Some(Command::Broker(_)) if globals.embedded => {
            Err(Failure::usage("--embedded: `warren broker` is the embedded broker, without services"))
        }
        Some(Command::Broker(broker)) => runtime.block_on(commands::broker(Output { form: globals.output }, broker)),
        Some(command) if globals.embedded => embedded(&runtime, globals, None, Some(command)),
        Some(command @ Command::Demo(_)) => demo(&runtime, globals, command),
        Some(command) => elsewhere(&runtime, globals, command),
        None if globals.url.is_some() && !globals.embedded => repl_elsewhere(&runtime, globals),
        None => embedded(&runtime, globals, None, None),
    }
}

/// Runs the demo with a broker and services of our own; on a given broker with those that serve there, or else ours.
fn demo(runtime: &Runtime, globals: &Globals, command: &Command) -> Result<(), Failure> {
    match globals.url.as_deref() {
        Some(url) if runtime.block_on(or_interrupt(platform::is_served(url)))? => elsewhere(runtime, globals, command),
        broker => embedded(runtime, globals, broker, Some(command)),
    }
}

/// Runs a command, or the REPL, with services of our own, and a broker of our own unless one is given.
fn embedded(
    runtime: &Runtime,
    globals: &Globals,
    broker: Option<&str>,
    command: Option<&Command>,
) -> Result<(), Failure> {
    // Only a REPL keeps what it stored, unless --data says where.
    let data = match command {
        None => Some(data(globals)?),
        Some(_) => globals.data.clone(),
    };
    let platform = runtime.block_on(or_interrupt(Platform::start(broker, data, globals.link_prefix.as_deref())))?;
    let _left = platform.has_embedded_broker().then(|| address::leave(platform.url()));
    let session = Session::new(platform.client().clone(), platform.url(), globals, command.is_some());
    let ended = match command {
        None => {
            note(&format!("embedded broker (in memory: for development): {}", platform.url()));
            repl::run(runtime.handle(), &session, globals)
        }
        Some(command) => {
            let ended = runtime.block_on(or_interrupt(commands::run(&session, command)));
            match command {
                Command::Demo(demo) if demo.repl && ended.is_ok() => repl::run(runtime.handle(), &session, globals),
                _ => ended,
            }
        }
    };
    drop(session);
    runtime.block_on(platform.stop());
    ended
}

/// Runs a command against a broker that runs already.
fn elsewhere(runtime: &Runtime, globals: &Globals, command: &Command) -> Result<(), Failure> {
    runtime.block_on(or_interrupt(async {
        let (client, url) = connect(globals).await?;
        let session = Session::new(client, &url, globals, true);
        let ended = commands::run(&session, command).await;
        session.client.close().await;
        ended
    }))
}

fn repl_elsewhere(runtime: &Runtime, globals: &Globals) -> Result<(), Failure> {
    let (client, url) = runtime.block_on(or_interrupt(connect(globals)))?;
    let session = Session::new(client, &url, globals, false);
    let ended = repl::run(runtime.handle(), &session, globals);
    runtime.block_on(session.client.close());
    ended
}

async fn connect(globals: &Globals) -> Result<(Client, String), Failure> {
    let url = address::find(globals.url.as_deref())?;
    Ok((address::connect(&url, ClientOptions::default()).await?, url))
}

fn data(globals: &Globals) -> Result<std::path::PathBuf, Failure> {
    globals.data.clone().map_or_else(platform::default_data, Ok)
}

/// Ctrl-C ends what is being done, in order.
async fn or_interrupt<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted")),
    }
}
