//! The whole platform for one command, in this process: an embedded broker, and every service.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use etcetera::{BaseStrategy, choose_base_strategy};
use tempfile::TempDir;
use warren_broker::Broker;
use warren_certificates::SetupError;
use warren_proto::problems;
use warren_rpc::{CallOptions, Client, ClientOptions, Running, ServeOptions, Service};

use crate::{
    address,
    cli::ServiceName,
    failure::{Exit, Failure},
    packages,
};

/// Every service, in the order in which they start.
pub(crate) const ALL: [ServiceName; 5] = [
    ServiceName::Calculator,
    ServiceName::Scoreboard,
    ServiceName::Certificates,
    ServiceName::Runner,
    ServiceName::Grading,
];

/// How soon a service that runs answers.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Instances of the runner beside one of everything else: as many programs are judged at a time.
const RUNNERS: u16 = 2;

/// A broker and all services.
#[derive(Debug)]
pub(crate) struct Platform {
    running: Vec<Running>,
    client: Client,
    url: String,
    /// The broker, if it is our own.
    broker: Option<Broker>,
    /// Removed with the platform, if the data are not to be kept.
    _temporary: Option<TempDir>,
}

impl Platform {
    /// Starts the services, and an embedded broker unless one is given. Without `data` they store in a temporary
    /// folder.
    pub(crate) async fn start(
        given: Option<&str>,
        data: Option<PathBuf>,
        link_prefix: Option<&str>,
    ) -> Result<Self, Failure> {
        packages::ensure_for(&ALL)?;
        let (data, temporary) = match data {
            Some(data) => (data, None),
            None => {
                let folder = tempfile::tempdir().map_err(|error| Failure::internal(error.to_string()))?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        let settings = Settings { data: &data, link_prefix };
        let (broker, url) = match given {
            Some(url) => (None, url.to_owned()),
            None => {
                let broker = embedded_broker().await?;
                let url = broker.url();
                (Some(broker), url)
            }
        };
        let client = address::connect(&url, ClientOptions::default()).await?;
        let mut platform = Self { running: Vec::new(), client, url, broker, _temporary: temporary };
        match platform.serve_all(settings).await {
            Ok(()) => Ok(platform),
            Err(failure) => {
                platform.stop().await;
                Err(failure)
            }
        }
    }

    async fn serve_all(&mut self, settings: Settings<'_>) -> Result<(), Failure> {
        for name in ALL {
            let instances = if name == ServiceName::Runner { RUNNERS } else { 1 };
            self.running.extend(serve(name, instances, &self.client, settings, &ServeOptions::default()).await?);
        }
        Ok(())
    }

    /// A client of the broker.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The broker's address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether the broker is this platform's own.
    pub(crate) fn has_embedded_broker(&self) -> bool {
        self.broker.is_some()
    }

    /// Stops everything in order: the services finish what they have before the broker goes.
    pub(crate) async fn stop(self) {
        stop(self.running).await;
        self.client.close().await;
        if let Some(broker) = self.broker {
            broker.stop().await;
        }
    }
}

async fn embedded_broker() -> Result<Broker, Failure> {
    let broker = Broker::start(warren_broker::Options::default()).await;
    broker.map_err(|error| Failure::new(Exit::BrokerUnreachable, format!("the embedded broker: {error}")))
}

/// Whether instances of the contest's services run on this broker already.
pub(crate) async fn is_served(url: &str) -> Result<bool, Failure> {
    let client = address::connect(url, ClientOptions::default()).await?;
    let options = CallOptions { deadline: ANSWERS_WITHIN, ..CallOptions::default() };
    let answer = client.call_with::<problems::List>(&problems::ListRequest {}, options).await;
    client.close().await;
    Ok(answer.is_ok())
}

/// Shuts instances down side by side.
pub(crate) async fn stop(running: Vec<Running>) {
    futures::future::join_all(running.into_iter().map(Running::shutdown)).await;
}

/// What the services of this process are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'a> {
    /// Where they store.
    pub(crate) data: &'a Path,
    /// [`warren_certificates::Options::link_prefix`].
    pub(crate) link_prefix: Option<&'a str>,
}

/// Starts instances of a service.
pub(crate) async fn serve(
    name: ServiceName,
    instances: u16,
    client: &Client,
    settings: Settings<'_>,
    options: &ServeOptions,
) -> Result<Vec<Running>, Failure> {
    let Settings { data, link_prefix } = settings;
    std::fs::create_dir_all(data).map_err(|error| Failure::usage(format!("--data {}: {error}", data.display())))?;
    let failed = |error: &dyn std::error::Error| Failure::internal(error.to_string());
    match name {
        ServiceName::Calculator => start(&warren_calculator::service(), instances, client, options).await,
        ServiceName::Grading => {
            let service = warren_grading::service(data).await.map_err(|error| failed(&error))?;
            start(&service, instances, client, options).await
        }
        ServiceName::Runner => {
            let runner = warren_runner::Options::default();
            let service = warren_runner::service(data, runner).await.map_err(|error| failed(&error))?;
            start(&service, instances, client, options).await
        }
        ServiceName::Scoreboard => {
            let service = warren_scoreboard::service(data).await.map_err(|error| failed(&error))?;
            start(&service, instances, client, options).await
        }
        ServiceName::Certificates => {
            let mut certificates = warren_certificates::Options::default();
            if let Some(link_prefix) = link_prefix {
                certificates.link_prefix = link_prefix.to_owned();
            }
            let service = warren_certificates::service(data, certificates).await.map_err(|error| match error {
                SetupError::LinkPrefix { .. } => {
                    Failure::usage(error.to_string().replace("link_prefix", "--link-prefix"))
                }
                error => failed(&error),
            })?;
            start(&service, instances, client, options).await
        }
    }
}

async fn start<S: Send + Sync + 'static>(
    service: &Service<S>,
    instances: u16,
    client: &Client,
    options: &ServeOptions,
) -> Result<Vec<Running>, Failure> {
    let mut running = Vec::with_capacity(instances.into());
    for _ in 0..instances {
        running.push(service.serve(client, options.clone()).await?);
    }
    Ok(running)
}

/// Where services store if nothing else is said: `warren` in the user's data directory.
pub(crate) fn default_data() -> Result<PathBuf, Failure> {
    let directories = choose_base_strategy()
        .map_err(|error| Failure::usage(format!("{error}")).with_hint("--data names a folder"))?;
    Ok(directories.data_dir().join("warren"))
}
