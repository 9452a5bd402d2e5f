//! The files of the cache: `SHA256.zip`, the time of last use as their modification time.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use warren_host::digest::sha256_hex;

#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    bytes_max: u64,
}

impl Store {
    pub(super) fn open(folder: PathBuf, bytes_max: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, bytes_max })
    }

    /// The package, if it is here and whole. One that is damaged is removed.
    pub(super) fn load(&self, sha256: &str) -> Option<Vec<u8>> {
        let path = self.path(sha256);
        let bytes = fs::read(&path).ok()?;
        if sha256_hex(&bytes) != sha256 {
            tracing::warn!(package = sha256, "a package in the cache is damaged and will be fetched again");
            // If it cannot be removed, it is refused again.
            let _ = fs::remove_file(&path);
            return None;
        }
        // Only the order of eviction depends on it.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes)
    }

    /// Stores the package whole or not at all, and makes room.
    pub(super) fn keep(&self, sha256: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        let path = self.path(sha256);
        file.persist(&path).map_err(|error| error.error)?;
        self.evict(&path)
    }

    /// Removes what was used longest ago until the rest fits; never `kept`.
    fn evict(&self, kept: &Path) -> io::Result<()> {
        let mut packages = Vec::new();
        for entry in fs::read_dir(&self.folder)?.flatten() {
            // Another runner on this folder may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            packages.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        packages.sort();
        let mut total_bytes: u64 = packages.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in packages.iter().filter(|(_, _, path)| path != kept) {
            if total_bytes <= self.bytes_max {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            total_bytes -= bytes;
        }
        Ok(())
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(format!("{sha256}.zip"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_owned(), 10).unwrap();
        let digests: Vec<String> = [b"aaaa", b"bbbb", b"cccc"].iter().map(|bytes| sha256_hex(&bytes[..])).collect();
        store.keep(&digests[0], b"aaaa").unwrap();
        store.keep(&digests[1], b"bbbb").unwrap();
        let past = SystemTime::now() - std::time::Duration::from_secs(60);
        let file = File::options().append(true).open(store.path(&digests[1])).unwrap();
        file.set_modified(past).unwrap();
        assert!(store.load(&digests[0]).is_some());
        store.keep(&digests[2], b"cccc").unwrap();
        assert!(store.load(&digests[1]).is_none());
        assert!(store.load(&digests[0]).is_some() && store.load(&digests[2]).is_some());
    }

    #[test]
    fn a_damaged_package_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_owned(), 10).unwrap();
        let digest = sha256_hex(b"right");
        store.keep(&digest, b"wrong").unwrap();
        assert!(store.load(&digest).is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
