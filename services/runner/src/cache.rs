//! Packages on this machine: fetched once, checked by their SHA-256 on every use, the oldest dropped when room is
//! short.

mod fetch;
mod store;

use std::{
    collections::HashMap,
    future::Future,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use warren_package::Package;
use warren_proto::problems::{FetchReply, FetchRequest};
use warren_rpc::{CallError, Status};

use self::store::Store;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// The packages that a runner has.
#[derive(Debug)]
pub(crate) struct PackageCache {
    store: Arc<Store>,
    /// The package used last, unpacked: the next submission is often to the same problem.
    last: Mutex<Option<(String, Arc<Package>)>>,
    /// Who holds a package's lock fetches it; the others wait and find it.
    fetching: Mutex<HashMap<String, Lock>>,
}

impl PackageCache {
    /// The cache in `folder`, which holds at most `bytes_max` of packages (more only if one package is larger).
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub(crate) fn open(folder: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let store = Arc::new(Store::open(folder, bytes_max)?);
        Ok(Self { store, last: Mutex::default(), fetching: Mutex::default() })
    }

    /// The package with this SHA-256, fetched piece by piece with `fetch` if it is not here.
    ///
    /// # Errors
    ///
    /// `invalid_argument` if the digest is none, `not_found` if nobody has the package, `failed_precondition` if what
    /// was fetched is no package, `unavailable` if it could not be fetched or stored: nothing was done, a retry may
    /// help.
    pub(crate) async fn get<F, R>(&self, sha256: &str, fetch: F) -> Result<Arc<Package>, Status>
    where
        F: Fn(FetchRequest) -> R,
        R: Future<Output = Result<FetchReply, CallError>>,
    {
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(Status::invalid_argument("package_sha256: 64 digits of 0-9 a-f are expected"));
        }
        if let Some(package) = self.remembered(sha256) {
            return Ok(package);
        }
        let lock = self.lock_of(sha256);
        let held = lock.lock().await;
        let package = self.load_or_fetch(sha256, fetch).await;
        drop(held);
        self.forget_lock(sha256, lock);
        let package = Arc::new(package?);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((sha256.to_owned(), Arc::clone(&package)));
        Ok(package)
    }

    async fn load_or_fetch<F, R>(&self, sha256: &str, fetch: F) -> Result<Package, Status>
    where
        F: Fn(FetchRequest) -> R,
        R: Future<Output = Result<FetchReply, CallError>>,
    {
        let bytes = match self.load(sha256).await? {
            Some(bytes) => bytes,
            None => self.keep(sha256, fetch::fetch(sha256, fetch).await?).await?,
        };
        let unpacked = tokio::task::spawn_blocking(move || Package::read(&bytes)).await;
        unpacked
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::failed_precondition(format!("the package {sha256}: {error}")))
    }

    async fn load(&self, sha256: &str) -> Result<Option<Vec<u8>>, Status> {
        let (store, sha256) = (Arc::clone(&self.store), sha256.to_owned());
        let loaded = tokio::task::spawn_blocking(move || store.load(&sha256)).await;
        loaded.map_err(|error| Status::internal(error.to_string()))
    }

    async fn keep(&self, sha256: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Status> {
        let (store, sha256) = (Arc::clone(&self.store), sha256.to_owned());
        let work = move || store.keep(&sha256, &bytes).map(|()| bytes);
        let kept = tokio::task::spawn_blocking(work).await.map_err(|error| Status::internal(error.to_string()))?;
        kept.map_err(|error| Status::unavailable(format!("the package cannot be stored: {error}")))
    }

    fn remembered(&self, sha256: &str) -> Option<Arc<Package>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(digest, _)| digest == sha256).map(|(_, package)| Arc::clone(package))
    }

    fn lock_of(&self, sha256: &str) -> Lock {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(fetching.entry(sha256.to_owned()).or_default())
    }

    /// Drops the package's lock if nobody else has it; a future dropped before leaves it to the next one.
    fn forget_lock(&self, sha256: &str, lock: Lock) {
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        drop(lock);
        if fetching.get(sha256).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            fetching.remove(sha256);
        }
    }
}

#[cfg(test)]
mod tests;
