//! `warren certificate CODE`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;
use warren_proto::certificates;

use super::Session;
use crate::{cli::Certificate, failure::Failure};

pub(super) async fn run(session: &Session, certificate: &Certificate) -> Result<(), Failure> {
    let path = certificate.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.pdf", certificate.code)));
    let found = save(session, &certificate.code, &path).await?;
    session.output.value(&json!({"name": found.name, "contest": found.contest_title, "path": path}))
}

/// Writes a certificate's PDF to a file.
pub(super) async fn save(session: &Session, code: &str, path: &Path) -> Result<certificates::Certificate, Failure> {
    let request = certificates::CodeRequest { code: code.to_owned() };
    let found = session.client.call_with::<certificates::Get>(&request, session.options()).await?;
    fs::write(path, &*found.pdf).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(found.certificate)
}
