//! `warren broker`.

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use warren_broker::{Options, StartError, UserOptions};

use crate::{
    address,
    cli::{Broker, Form, NewUser},
    failure::Failure,
    output::{Output, note, print},
};

/// Runs a broker until a signal.
pub(crate) async fn run(output: Output, flags: &Broker) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure::internal(error.to_string()))?;
    let broker = warren_broker::Broker::start(options(flags)).await.map_err(|error| refused(&error, flags))?;
    let url = broker.url();
    let left = address::leave(&url);
    match output.form {
        Form::Json => output.value(&json!({ "url": url }))?,
        _ => print(&url)?,
    }
    if !flags.listen.ip().is_loopback() && flags.users.is_empty() {
        note("whoever reaches this machine can connect as guest: --user NAME:PASSWORD names others");
    }
    note("embedded broker (in memory: for development and tests); Ctrl-C ends it");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    drop(left);
    broker.stop().await;
    Ok(())
}

fn options(flags: &Broker) -> Options {
    let mut options = Options { listen: flags.listen, strict: flags.strict, ..Options::default() };
    if !flags.users.is_empty() {
        let user = |NewUser { name, password }: &NewUser| UserOptions::new(name, password);
        options.users = flags.users.iter().map(user).collect();
    }
    options.vhosts.extend(flags.vhosts.iter().cloned());
    options.body_bytes_max = flags.body_bytes_max.unwrap_or(options.body_bytes_max);
    options
}

/// Why it did not start, with the flag that would change it.
fn refused(error: &StartError, flags: &Broker) -> Failure {
    match error {
        StartError::Listen { address, source } if *address == flags.listen => {
            Failure::usage(format!("--listen {address}: {source}")).with_hint("--listen 127.0.0.1:0 takes a free port")
        }
        error => Failure::usage(error.to_string()),
    }
}
