//! `problems.put`, `problems.get`, `problems.list`, `problems.fetch`.

use std::sync::Arc;

use warren_host::{
    digest::sha256_hex,
    ids::{self, quoted},
};
use warren_package::Package;
use warren_proto::problems::{
    CHUNK_BYTES, FetchReply, FetchRequest, GetRequest, ListReply, ListRequest, PACKAGE_BYTES_MAX, Problem, PutRequest,
};
use warren_rpc::{Context, Status};

use crate::{names, state::State, store::NewPackage};

pub(crate) async fn put(state: Arc<State>, _: Context, request: PutRequest) -> Result<Problem, Status> {
    // Unpacking takes its time: not on a thread that others wait for.
    let package = tokio::task::spawn_blocking(move || check(request)).await.map_err(|error| {
        tracing::error!(%error, "reading a package failed");
        Status::internal("reading the package failed")
    })??;
    state.store.put_problem(&package).await?;
    Ok(package.info)
}

/// Reads the package, and says what is wrong with it.
fn check(request: PutRequest) -> Result<NewPackage, Status> {
    ids::check_name("problem", &request.problem)?;
    let bytes = request.package.into_vec();
    if bytes.len() > PACKAGE_BYTES_MAX {
        let text = format!("package: {} bytes, at most {PACKAGE_BYTES_MAX}", bytes.len());
        return Err(Status::invalid_argument(text));
    }
    let package = Package::read(&bytes).map_err(|error| Status::invalid_argument(format!("package: {error}")))?;
    let info = package.to_problem(&request.problem, &sha256_hex(&bytes), bytes.len() as u64);
    Ok(NewPackage { info, bytes })
}

pub(crate) async fn get(state: Arc<State>, _: Context, request: GetRequest) -> Result<Problem, Status> {
    let found = state.store.problem(&request.problem).await?;
    if let Some(problem) = found {
        return Ok(problem);
    }
    let known = state.store.problem_names().await?;
    Err(names::no_such_problem(&request.problem, &known))
}

pub(crate) async fn list(state: Arc<State>, _: Context, _: ListRequest) -> Result<ListReply, Status> {
    let problems = state.store.problem_names().await?;
    Ok(ListReply { problems })
}

pub(crate) async fn fetch(state: Arc<State>, _: Context, request: FetchRequest) -> Result<FetchReply, Status> {
    let FetchRequest { package_sha256, offset_bytes } = request;
    let chunk = state.store.package_chunk(&package_sha256, offset_bytes, CHUNK_BYTES).await;
    let Some(chunk) = chunk? else {
        return Err(Status::not_found(format!("package_sha256: no package {}", quoted(&package_sha256))));
    };
    if offset_bytes > chunk.package_bytes {
        let text = format!("offset_bytes: {offset_bytes} is behind the end, the package has {}", chunk.package_bytes);
        return Err(Status::invalid_argument(text));
    }
    Ok(FetchReply { chunk: chunk.bytes.into(), package_bytes: chunk.package_bytes })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A zip file of these files.
    fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cases")).unwrap();
        for (path, text) in files {
            fs::write(folder.path().join(path), text).unwrap();
        }
        warren_package::zip_folder(folder.path()).unwrap()
    }

    fn put(problem: &str, package: Vec<u8>) -> Result<Problem, String> {
        let request = PutRequest { problem: problem.to_owned(), package: package.into() };
        check(request).map(|package| package.info).map_err(|status| status.to_string())
    }

    #[test]
    fn a_good_package_is_described_under_its_hash() {
        let bytes = zip(&[("cases/a.1.in", "2 3"), ("cases/a.1.out", "5")]);
        let (sha256, package_bytes) = (sha256_hex(&bytes), bytes.len() as u64);
        let info = put("sum", bytes).unwrap();
        assert_eq!((info.package_sha256, info.package_bytes), (sha256, package_bytes));
        assert_eq!((info.problem.as_str(), info.cases[0].group.as_str()), ("sum", "a"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field_and_file() {
        let good = zip(&[("cases/a.in", ""), ("cases/a.out", "")]);
        assert!(put("a b", good).unwrap_err().starts_with("invalid_argument: problem: \"a b\""));
        let message = put("sum", b"not a zip".to_vec()).unwrap_err();
        assert!(message.starts_with("invalid_argument: package: "), "{message}");
        let message = put("sum", zip(&[("cases/a.in", "")])).unwrap_err();
        assert!(message.contains("cases/a"), "{message}");
        let message = put("sum", vec![0; PACKAGE_BYTES_MAX + 1]).unwrap_err();
        assert!(message.contains("package: 15728641 bytes, at most 15728640"), "{message}");
    }
}
