//! What must be installed before services run: a sandbox, compilers.

use crate::{
    cli::ServiceName,
    failure::{Exit, Failure},
};

/// Makes sure of what these services need.
pub(crate) fn ensure_for(services: &[ServiceName]) -> Result<(), Failure> {
    if services.contains(&ServiceName::Runner) {
        warren_debian::ensure(&warren_runner::missing_packages())
            .map_err(|missing| Failure::new(Exit::Missing, missing.to_string()))?;
    }
    Ok(())
}
