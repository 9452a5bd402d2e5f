use std::{
    io::{Cursor, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use warren_host::digest::sha256_hex;
use warren_proto::problems::CHUNK_BYTES;
use warren_rpc::Code;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::*;

/// A package of more than one piece.
fn package() -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["cases/1.in", "cases/1.out"] {
        writer.start_file(name, options).unwrap();
        writer.write_all(&vec![b'x'; CHUNK_BYTES]).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Answers as `problems.fetch` does, and counts.
struct Source {
    bytes: Vec<u8>,
    calls: AtomicUsize,
}

impl Source {
    fn of(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { bytes, calls: AtomicUsize::new(0) })
    }

    async fn fetch(self: Arc<Self>, request: FetchRequest) -> Result<FetchReply, CallError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let rest = &self.bytes[usize::try_from(request.offset_bytes).unwrap()..];
        let chunk = rest[..rest.len().min(CHUNK_BYTES)].to_vec().into();
        Ok(FetchReply { chunk, package_bytes: self.bytes.len() as u64 })
    }
}

fn cache() -> (tempfile::TempDir, PackageCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = PackageCache::open(folder.path().join("packages"), 64 << 20).unwrap();
    (folder, cache)
}

async fn get(cache: &PackageCache, digest: &str, source: &Arc<Source>) -> Result<Arc<Package>, Status> {
    cache.get(digest, |request| Arc::clone(source).fetch(request)).await
}

#[tokio::test]
async fn a_package_is_fetched_once_however_many_ask() {
    let (_folder, cache) = cache();
    let source = Source::of(package());
    let digest = sha256_hex(&source.bytes);
    let asked = futures_of(5, || get(&cache, &digest, &source)).await;
    assert!(asked.iter().all(Result::is_ok));
    assert_eq!(source.calls.load(Ordering::Relaxed), 3);
    assert!(cache.fetching.lock().unwrap().is_empty());
    // Another process finds it on disk.
    let again = PackageCache { store: Arc::clone(&cache.store), last: Mutex::default(), fetching: Mutex::default() };
    assert!(get(&again, &digest, &source).await.is_ok());
    assert_eq!(source.calls.load(Ordering::Relaxed), 3);
}

async fn futures_of<F: Future>(count: usize, make: impl Fn() -> F) -> Vec<F::Output> {
    futures::future::join_all((0..count).map(|_| make())).await
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_refused() {
    let (_folder, cache) = cache();
    let other = "0".repeat(64);
    let refused = get(&cache, &other, &Source::of(package())).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.message.ends_with("arrives damaged"));
}

#[tokio::test]
async fn what_is_no_package_is_told() {
    let (_folder, cache) = cache();
    let source = Source::of(b"hello".to_vec());
    let refused = get(&cache, &sha256_hex(b"hello"), &source).await.unwrap_err();
    assert_eq!(refused.code, Code::FailedPrecondition);
    assert!(refused.message.contains("is not a zip file"));
}

#[tokio::test]
async fn a_digest_that_is_a_path_is_refused() {
    let (_folder, cache) = cache();
    for digest in ["../../etc/passwd", "", &"A".repeat(64)] {
        let refused = get(&cache, digest, &Source::of(Vec::new())).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument);
    }
}
