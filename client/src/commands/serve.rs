//! `warren serve SERVICE...`.

use futures::future::select_all;
use tokio::signal::unix::{SignalKind, signal};
use warren_rpc::{ClientOptions, ServeOptions};

use crate::{
    address,
    cli::Serve,
    failure::Failure,
    output::note,
    packages,
    platform::{self, Settings},
};

/// Runs instances until a signal, or until the broker is given up.
pub(crate) async fn serve(url: &str, settings: Settings<'_>, serve: &Serve) -> Result<(), Failure> {
    packages::ensure_for(&serve.services)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| Failure::internal(error.to_string()))?;
    let options = ClientOptions { name: "warren serve".to_owned(), ..ClientOptions::default() };
    let client = address::connect(url, options).await?;
    let options =
        ServeOptions { prefetch: serve.prefetch, drain_timeout: serve.drain_timeout, ..ServeOptions::default() };
    let mut running = Vec::new();
    for &name in &serve.services {
        running.extend(platform::serve(name, serve.instances, &client, settings, &options).await?);
    }
    for instance in &running {
        note(&format!("serving as {}", instance.instance()));
    }
    let ended = select_all(running.iter_mut().map(|instance| Box::pin(instance.ended())));
    let lost = tokio::select! {
        (error, ..) = ended => Some(error),
        _ = tokio::signal::ctrl_c() => None,
        _ = terminate.recv() => None,
    };
    if let Some(error) = lost {
        return Err(Failure::from(error).with_hint("start it again when the broker is back"));
    }
    note("stopping: what is being handled is finished first");
    platform::stop(running).await;
    client.close().await;
    Ok(())
}
