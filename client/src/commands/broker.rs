//! `warren broker`.

use std::{fs, net::SocketAddr, path::Path};

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use warren_broker::{Options, StartError, TlsOptions, UserOptions};

use crate::{
    address,
    cli::{Broker, Form, NewUser},
    failure::Failure,
    output::{Output, note, print},
};

/// Runs a broker until a signal.
pub(crate) async fn run(output: Output, flags: &Broker) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure::internal(error.to_string()))?;
    let broker = warren_broker::Broker::start(options(flags)?).await.map_err(|error| refused(&error, flags))?;
    let left = address::leave(&broker.url());
    tell(output, flags, &broker)?;
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    drop(left);
    broker.stop().await;
    Ok(())
}

fn tell(output: Output, flags: &Broker, broker: &warren_broker::Broker) -> Result<(), Failure> {
    let (url, tls_url, http_url) = (broker.url(), broker.tls_url(), broker.http_url());
    match output.form {
        Form::Json => output.value(&json!({ "url": url, "tls_url": tls_url, "http_url": http_url }))?,
        _ => print(&url)?,
    }
    if let Some(tls_url) = tls_url {
        note(&format!("TLS: {tls_url}"));
    }
    if let Some(http_url) = http_url {
        note(&format!("HTTP: {http_url}"));
    }
    let addresses = [Some(flags.listen), flags.tls_listen, flags.http];
    if flags.users.is_empty() && addresses.iter().flatten().any(|address| !address.ip().is_loopback()) {
        note("whoever reaches this machine can connect as guest: --user NAME:PASSWORD names others");
    }
    note("embedded broker (in memory: for development and tests); Ctrl-C ends it");
    Ok(())
}

fn options(flags: &Broker) -> Result<Options, Failure> {
    let mut options = Options { listen: flags.listen, http: flags.http, strict: flags.strict, ..Options::default() };
    options.tls = tls_options(flags)?;
    if !flags.users.is_empty() {
        let user = |NewUser { name, password }: &NewUser| UserOptions::new(name, password);
        options.users = flags.users.iter().map(user).collect();
    }
    options.vhosts.extend(flags.vhosts.iter().cloned());
    options.body_bytes_max = flags.body_bytes_max.unwrap_or(options.body_bytes_max);
    Ok(options)
}

fn tls_options(flags: &Broker) -> Result<Option<TlsOptions>, Failure> {
    let (Some(listen), Some(certificate), Some(key)) = (flags.tls_listen, &flags.tls_certificate, &flags.tls_key)
    else {
        return Ok(None);
    };
    let mut options = TlsOptions::new(read("--tls-certificate", certificate)?, read("--tls-key", key)?);
    options.listen = listen;
    options.client_roots =
        flags.tls_client_roots.as_deref().map(|roots| read("--tls-client-roots", roots)).transpose()?;
    Ok(Some(options))
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::usage(format!("{flag} {}: {error}", file.display())))
}

/// Why it did not start, with the flag that would change it.
fn refused(error: &StartError, flags: &Broker) -> Failure {
    match error {
        StartError::Listen { address, source } => match listening_flag(*address, flags) {
            Some(flag) => Failure::usage(format!("{flag} {address}: {source}"))
                .with_hint(format!("{flag} 127.0.0.1:0 takes a free port")),
            None => Failure::usage(error.to_string()),
        },
        StartError::Tls { field, source } => {
            let (flag, file) = match *field {
                "certificates" => ("--tls-certificate", &flags.tls_certificate),
                "key" => ("--tls-key", &flags.tls_key),
                _ => ("--tls-client-roots", &flags.tls_client_roots),
            };
            Failure::usage(format!("{flag} {}: {source}", file.as_deref().unwrap_or(Path::new("")).display()))
        }
        error => Failure::usage(error.to_string()),
    }
}

/// The flag that asked for this address: of two that did, the one that came second to it.
fn listening_flag(address: SocketAddr, flags: &Broker) -> Option<&'static str> {
    let asked = [("--http", flags.http), ("--tls-listen", flags.tls_listen), ("--listen", Some(flags.listen))];
    asked.into_iter().find(|(_, asked)| *asked == Some(address)).map(|(flag, _)| flag)
}
