//! The service itself: one method, one submission at a time an instance.

use std::{path::Path, sync::Arc};

use warren_proto::{
    grading::SOURCE_BYTES_MAX,
    problems::Fetch,
    runner::{Judge, JudgeReply, JudgeRequest},
};
use warren_rpc::{Context, MethodOptions, Service, Status};

use crate::{
    cache::PackageCache,
    judge::{Submission, judge},
    sandbox::{Sandbox, SandboxError, SandboxOptions},
};

/// Programs that judging needs, and the Debian packages that have them.
const NEEDED: [(&str, &str); 5] = [
    ("/usr/bin/bwrap", "bubblewrap"),
    ("/usr/bin/gcc", "gcc"),
    ("/usr/bin/g++", "g++"),
    ("/usr/bin/python3", "python3"),
    ("/usr/bin/prlimit", "util-linux"),
];

/// Most bytes of packages that are kept; the one used longest ago makes room.
const CACHE_BYTES_MAX: u64 = 1 << 30;

/// How a runner runs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The sandbox.
    pub sandbox: SandboxOptions,
}

/// Why a runner does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Programs are missing.
    #[error("a runner needs the Debian packages {}", .0.join(", "))]
    Missing(Vec<&'static str>),
    /// The sandbox does not work or does not contain.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The cache of packages cannot be made.
    #[error("the cache of packages: {0}")]
    Cache(#[source] std::io::Error),
}

/// What the instances of a process share.
#[derive(Debug)]
pub struct Runner {
    sandbox: Sandbox,
    packages: PackageCache,
}

/// The Debian packages that a runner needs and this machine has not got, for an `apt-get install` line.
#[must_use]
pub fn missing_packages() -> Vec<&'static str> {
    NEEDED.into_iter().filter(|(program, _)| !Path::new(program).exists()).map(|(_, package)| package).collect()
}

/// The service `runner`, its packages kept under `data_dir`. Starts only if the sandbox was seen to contain.
///
/// # Errors
///
/// If a program or a working sandbox is missing, or `data_dir` cannot be written.
pub async fn service(data_dir: &Path, options: Options) -> Result<Service<Runner>, StartError> {
    let missing = missing_packages();
    if !missing.is_empty() {
        return Err(StartError::Missing(missing));
    }
    let packages = PackageCache::open(data_dir.join("packages"), CACHE_BYTES_MAX).map_err(StartError::Cache)?;
    let sandbox = Sandbox::probed(options.sandbox).await?;
    tracing::info!("{}", sandbox.tier());
    let runner = Arc::new(Runner { sandbox, packages });
    let one_at_a_time = MethodOptions { prefetch: Some(1) };
    let service = Service::new("runner", env!("CARGO_PKG_VERSION"), runner);
    Ok(service.method_with::<Judge, _, _>(one_at_a_time, on_judge))
}

async fn on_judge(runner: Arc<Runner>, context: Context, request: JudgeRequest) -> Result<JudgeReply, Status> {
    // The broker hands it out again as often as its runner dies, so trying it here would go on for ever, uncounted.
    if context.redelivered() {
        return Err(Status::aborted("the runner that had this submission was lost"));
    }
    let source_bytes = request.source.len();
    if source_bytes > SOURCE_BYTES_MAX {
        return Err(Status::invalid_argument(format!("source: {source_bytes} bytes, at most {SOURCE_BYTES_MAX}")));
    }
    let client = context.client();
    let fetch = |piece| async move { client.call::<Fetch>(&piece).await };
    let package = runner.packages.get(&request.package_sha256, fetch).await?;
    let submission = Submission { package, language: request.language, source: request.source };
    let judgement = judge(&runner.sandbox, &submission, context.instance()).await;
    Ok(JudgeReply { attempt: request.attempt, judgement })
}
