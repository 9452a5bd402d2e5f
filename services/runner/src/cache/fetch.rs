//! A package by `problems.fetch`, piece by piece.

use std::future::Future;

use warren_host::digest::sha256_hex;
use warren_proto::problems::{FetchReply, FetchRequest, PACKAGE_BYTES_MAX};
use warren_rpc::{CallError, Code, Status};

/// All pieces in order, checked against the digest.
pub(super) async fn fetch<F, R>(sha256: &str, fetch: F) -> Result<Vec<u8>, Status>
where
    F: Fn(FetchRequest) -> R,
    R: Future<Output = Result<FetchReply, CallError>>,
{
    let mut bytes = Vec::new();
    loop {
        let request = FetchRequest { package_sha256: sha256.to_owned(), offset_bytes: bytes.len() as u64 };
        let FetchReply { chunk, package_bytes } = fetch(request).await.map_err(|error| describe(sha256, &error))?;
        let package_bytes = usize::try_from(package_bytes).unwrap_or(usize::MAX);
        if package_bytes > PACKAGE_BYTES_MAX || chunk.len() > package_bytes.saturating_sub(bytes.len()) {
            return Err(Status::unavailable(format!("the package {sha256} arrives larger than it may be")));
        }
        bytes.extend_from_slice(&chunk);
        if bytes.len() == package_bytes {
            break;
        }
        if chunk.is_empty() {
            return Err(Status::unavailable(format!("the package {sha256} arrives cut off")));
        }
    }
    if sha256_hex(&bytes) == sha256 {
        return Ok(bytes);
    }
    Err(Status::unavailable(format!("the package {sha256} arrives damaged")))
}

fn describe(sha256: &str, error: &CallError) -> Status {
    match error {
        CallError::Status(status) if status.code == Code::NotFound => {
            Status::not_found(format!("the package {sha256}: {}", status.message))
        }
        other => Status::unavailable(format!("the package {sha256} cannot be fetched: {other}")),
    }
}
