//! What must be installed before services run: a broker, a sandbox, compilers.

use crate::{
    cli::ServiceName,
    failure::{Exit, Failure},
};

/// Makes sure of everything that the whole platform needs.
pub(crate) fn ensure() -> Result<(), Failure> {
    let mut missing = warren_rabbitmq::missing_packages();
    missing.extend(warren_runner::missing_packages());
    install(&missing)
}

/// Makes sure of what these services need.
pub(crate) fn ensure_for(services: &[ServiceName]) -> Result<(), Failure> {
    if services.contains(&ServiceName::Runner) { install(&warren_runner::missing_packages()) } else { Ok(()) }
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    warren_debian::ensure(packages).map_err(|missing| Failure::new(Exit::Missing, missing.to_string()))
}
