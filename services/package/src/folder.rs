//! Packs a package's folder, the same bytes every time.

use std::{
    fs,
    io::{Cursor, Read, Write},
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, DateTime, System, ZipWriter, write::SimpleFileOptions};

use crate::{PackageError, archive};

/// What belongs to a package, at its top. Anything else in the folder (version control, notes) stays out.
const FOLDERS: [&str; 6] = ["cases", "examples", "interactive", "solutions", "statements", "tests"];
const FILES: [&str; 2] = ["settings.json", "testplan"];

/// Zips what belongs to the package in `folder`: `cases/`, `testplan`, `settings.json`, `statements/`, `solutions/`,
/// `tests/`, `examples/`, `interactive/` and `validator.*`. Hidden files are left out. The result depends on names
/// and content alone, so the same package has the same digest everywhere.
///
/// # Errors
///
/// If `folder` is no folder with `cases/`, cannot be read, holds a symbolic link or anything else that is neither file
/// nor folder, or is larger than a package may be.
pub fn zip_folder(folder: &Path) -> Result<Vec<u8>, PackageError> {
    if !folder.join("cases").is_dir() {
        return Err(refused(folder, "is not a problem package: it has no folder cases/"));
    }
    let mut found = Vec::new();
    for (name, path) in children(folder)? {
        if FOLDERS.contains(&name.as_str()) {
            collect(&path, &name, &mut found)?;
        } else if FILES.contains(&name.as_str()) || name.starts_with("validator.") {
            require_file(&path)?;
            found.push((name, path));
        }
    }
    if found.len() > archive::ENTRIES_MAX {
        return Err(PackageError::TooManyEntries);
    }
    pack(&found)
}

/// All files under the folder `path`, which is `prefix` in the package.
fn collect(path: &Path, prefix: &str, found: &mut Vec<(String, PathBuf)>) -> Result<(), PackageError> {
    if !file_type(path)?.is_dir() {
        return Err(refused(path, "is not a folder"));
    }
    for (name, child) in children(path)? {
        let inside = format!("{prefix}/{name}");
        if file_type(&child)?.is_dir() {
            collect(&child, &inside, found)?;
        } else {
            require_file(&child)?;
            found.push((inside, child));
        }
    }
    Ok(())
}

/// What is in a folder, sorted by name, without hidden files.
fn children(folder: &Path) -> Result<Vec<(String, PathBuf)>, PackageError> {
    let failed = |source| PackageError::Io { path: folder.to_owned(), source };
    let mut children = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with('.') => {}
            Some(name) => children.push((name.to_owned(), path)),
            None => return Err(refused(&path, "its name is not UTF-8 text")),
        }
    }
    children.sort();
    Ok(children)
}

fn file_type(path: &Path) -> Result<fs::FileType, PackageError> {
    let metadata = fs::symlink_metadata(path);
    metadata.map(|metadata| metadata.file_type()).map_err(|source| PackageError::Io { path: path.to_owned(), source })
}

fn require_file(path: &Path) -> Result<(), PackageError> {
    match file_type(path)? {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_symlink() => Err(refused(path, "is a symbolic link; a package holds files and folders only")),
        _ => Err(refused(path, "is neither a file nor a folder")),
    }
}

fn refused(path: &Path, problem: &str) -> PackageError {
    PackageError::Folder { path: path.to_owned(), problem: problem.to_owned() }
}

fn pack(found: &[(String, PathBuf)]) -> Result<Vec<u8>, PackageError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .system(System::Unix);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let mut left_bytes = archive::TOTAL_BYTES_MAX;
    for (name, path) in found {
        let failed = |source| PackageError::Io { path: path.clone(), source };
        let mut content = Vec::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(archive::ENTRY_BYTES_MAX as u64 + 1).read_to_end(&mut content).map_err(failed)?;
        if content.len() > archive::ENTRY_BYTES_MAX {
            return Err(refused(path, &format!("is larger than {} MiB", archive::ENTRY_BYTES_MAX >> 20)));
        }
        left_bytes = left_bytes.checked_sub(content.len()).ok_or(PackageError::TooLarge)?;
        writer.start_file(name.as_str(), options).map_err(|error| failed(error.into()))?;
        writer.write_all(&content).map_err(failed)?;
    }
    let zipped = writer
        .finish()
        .map_err(|error| PackageError::File { file: "the package".to_owned(), problem: error.to_string() })?;
    Ok(zipped.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Package;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    const PAIR: [(&str, &str); 2] = [("cases/1.in", "1"), ("cases/1.out", "1")];

    #[test]
    fn a_folder_becomes_a_package_without_what_does_not_belong() {
        let more = [("testplan", "1 1"), ("notes.txt", "x"), (".git/config", "x"), ("cases/.DS_Store", "x")];
        let bytes = zip_folder(folder(&[&PAIR[..], &more].concat()).path()).unwrap();
        assert_eq!(Package::read(&bytes).unwrap().cases().len(), 1);
        let archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["cases/1.in", "cases/1.out", "testplan"]);
    }

    #[test]
    fn the_same_content_is_the_same_bytes() {
        let reversed: Vec<(&str, &str)> = PAIR.into_iter().rev().collect();
        assert_eq!(zip_folder(folder(&PAIR).path()).unwrap(), zip_folder(folder(&reversed).path()).unwrap());
    }

    #[test]
    fn what_is_no_package_is_told() {
        let refusal = |folder: &Path| zip_folder(folder).unwrap_err().to_string();
        assert!(refusal(folder(&[("a", "")]).path()).ends_with("it has no folder cases/"));
        assert!(refusal(Path::new("/nonexistent")).starts_with("/nonexistent: "));
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_are_refused() {
        let folder = folder(&PAIR);
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("cases/2.in")).unwrap();
        assert!(zip_folder(folder.path()).unwrap_err().to_string().contains("cases/2.in: is a symbolic link"));
    }
}
