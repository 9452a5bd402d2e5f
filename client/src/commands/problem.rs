//! `warren problem import|ls`.

use std::{fs, path::Path};

use warren_proto::problems;

use super::Session;
use crate::{cli::Problem, failure::Failure};

pub(super) async fn run(session: &Session, problem: &Problem) -> Result<(), Failure> {
    match problem {
        Problem::Import { package, name } => {
            let name = match name {
                Some(name) => name.clone(),
                None => name_of(package)?,
            };
            let stored = put(session, name, read(package)?).await?;
            session.output.value(&stored)
        }
        Problem::Ls => {
            let listed = session.client.call_with::<problems::List>(&Default::default(), session.options()).await?;
            session.output.value(&listed.problems)
        }
    }
}

/// Stores a package.
pub(super) async fn put(session: &Session, name: String, package: Vec<u8>) -> Result<problems::Problem, Failure> {
    if package.len() > problems::PACKAGE_BYTES_MAX {
        let (bytes, bytes_max) = (package.len(), problems::PACKAGE_BYTES_MAX);
        return Err(Failure::usage(format!("package: {bytes} bytes zipped, at most {bytes_max}")));
    }
    let request = problems::PutRequest { problem: name, package: package.into() };
    Ok(session.client.call_with::<problems::Put>(&request, session.options()).await?)
}

/// The zip file, or the folder zipped.
fn read(package: &Path) -> Result<Vec<u8>, Failure> {
    if package.is_dir() {
        warren_package::zip_folder(package).map_err(|error| Failure::usage(error.to_string()))
    } else {
        fs::read(package).map_err(|error| Failure::usage(format!("{}: {error}", package.display())))
    }
}

/// The folder's or file's own name, as the problem's.
fn name_of(package: &Path) -> Result<String, Failure> {
    let name = fs::canonicalize(package).map_err(|error| Failure::usage(format!("{}: {error}", package.display())))?;
    let name = if name.is_dir() { name.file_name() } else { name.file_stem() };
    name.and_then(|name| name.to_str())
        .map(str::to_owned)
        .ok_or_else(|| Failure::usage("the problem's name cannot be told from the path").with_hint("--name gives one"))
}
