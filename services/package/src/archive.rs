//! Takes a zip apart without trusting it: names, counts and sizes are checked by what is really read.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use zip::ZipArchive;

use crate::PackageError;

/// Most entries of a package.
pub(crate) const ENTRIES_MAX: usize = 10_000;

/// Most bytes of one file of a package, unpacked.
pub(crate) const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Most bytes of all files of a package that are looked at, unpacked.
pub(crate) const TOTAL_BYTES_MAX: usize = 256 << 20;

/// Most bytes of `testplan` and of `settings.json`: both are read into structures larger than their text.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The files of a package that judging needs, by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Reads what judging needs; the rest is only checked by name, and never unpacked.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Files, PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(PackageError::NotZip)?;
    if archive.len() > ENTRIES_MAX {
        return Err(PackageError::TooManyEntries);
    }
    if archive.has_duplicate_names() {
        return Err(PackageError::Duplicate(None));
    }
    let entries = list(&mut archive)?;
    let top = top_folder(&entries);
    let mut files = Files::new();
    let mut left_bytes = TOTAL_BYTES_MAX;
    for entry in entries.iter().filter(|entry| !entry.is_folder) {
        let path = top.and_then(|top| entry.path.strip_prefix(top)).unwrap_or(&entry.path);
        if !is_needed(path) {
            continue;
        }
        let limit_bytes = if path.starts_with("cases/") { ENTRY_BYTES_MAX } else { TEXT_BYTES_MAX };
        let content = read(&mut archive, entry, limit_bytes)?;
        left_bytes = left_bytes.checked_sub(content.len()).ok_or(PackageError::TooLarge)?;
        if files.insert(path.to_owned(), content).is_some() {
            return Err(PackageError::Duplicate(Some(path.to_owned())));
        }
    }
    Ok(files)
}

struct Entry {
    index: usize,
    path: String,
    is_folder: bool,
}

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Every entry, with its name checked. What macOS adds (`__MACOSX/`, `.DS_Store`) is left out.
fn list(archive: &mut Archive<'_>) -> Result<Vec<Entry>, PackageError> {
    let mut entries = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(PackageError::NotZip)?;
        let path = file.name().map_err(PackageError::NotZip)?.into_owned();
        if file.is_symlink() {
            return Err(PackageError::file(path, "is a symbolic link; a package holds files and folders only"));
        }
        if file.encrypted() {
            return Err(PackageError::file(path, "is encrypted"));
        }
        if !is_plain(&path) {
            let problem = "is not a plain relative path (no leading `/`, no `..`, no `\\`)";
            return Err(PackageError::file(path.escape_debug().to_string(), problem));
        }
        if !path.starts_with("__MACOSX/") && !path.ends_with(".DS_Store") {
            entries.push(Entry { index, is_folder: file.is_dir(), path });
        }
    }
    Ok(entries)
}

fn is_plain(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    !path.contains(['\\', '\0', '\n']) && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// The folder, with its `/`, that holds everything, as when a folder was zipped instead of its content.
fn top_folder(entries: &[Entry]) -> Option<&str> {
    let first = &entries.first()?.path;
    let top = &first[..=first.find('/')?];
    (top != "cases/" && entries.iter().all(|entry| entry.path.starts_with(top))).then_some(top)
}

/// `interactive/` is needed to be refused: it would be judged wrongly without.
fn is_needed(path: &str) -> bool {
    path.starts_with("cases/") || path.starts_with("interactive/") || matches!(path, "testplan" | "settings.json")
}

fn read(archive: &mut Archive<'_>, entry: &Entry, limit_bytes: usize) -> Result<Vec<u8>, PackageError> {
    let broken = |error: String| PackageError::file(&entry.path, format!("cannot be unpacked: {error}"));
    let file = archive.by_index(entry.index).map_err(|error| broken(error.to_string()))?;
    let mut content = Vec::new();
    file.take(limit_bytes as u64 + 1).read_to_end(&mut content).map_err(|error| broken(error.to_string()))?;
    if content.len() > limit_bytes {
        let problem = format!("unpacks to more than {} MiB", limit_bytes >> 20);
        return Err(PackageError::file(&entry.path, problem));
    }
    Ok(content)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    /// A zip of these files.
    pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in files {
            writer.start_file(*path, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn refusal(bytes: &[u8]) -> String {
        unpack(bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_a_zip_is_told() {
        assert!(refusal(b"hello").starts_with("the package is not a zip file: "));
        assert!(refusal(b"").starts_with("the package is not a zip file: "));
        let whole = zip_of(&[("cases/1.in", b"1"), ("cases/1.out", b"1")]);
        assert!(refusal(&whole[..whole.len() - 30]).starts_with("the package is not a zip file: "));
    }

    #[test]
    fn damaged_content_names_the_file() {
        let mut bytes = zip_of(&[("cases/1.in", b"abcabcabcabc")]);
        let at = bytes.windows(10).position(|window| window == b"cases/1.in").unwrap() + 12;
        bytes[at] ^= 0xff;
        assert!(refusal(&bytes).starts_with("cases/1.in: cannot be unpacked: "), "{}", refusal(&bytes));
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["../cases/1.in", "/etc/passwd", "cases/../../1.in", "cases\\1.in", "cases//1.in", "./cases/1.in"] {
            assert!(refusal(&zip_of(&[(path, b"")])).contains("is not a plain relative path"), "{path}");
        }
    }

    #[test]
    fn symbolic_links_are_refused() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.add_symlink("cases/1.in", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let bytes = writer.finish().unwrap().into_inner();
        assert!(refusal(&bytes).starts_with("cases/1.in: is a symbolic link"));
    }

    #[test]
    fn two_files_of_one_name_are_refused() {
        let mut bytes = zip_of(&[("cases/1.in", b"1"), ("cases/2.in", b"2")]);
        while let Some(at) = bytes.windows(10).position(|window| window == b"cases/2.in") {
            bytes[at + 6] = b'1';
        }
        assert_eq!(refusal(&bytes), "the package holds two files of the same name");
    }

    #[test]
    fn a_bomb_is_stopped_by_what_it_unpacks_to() {
        let zeros = vec![0; ENTRY_BYTES_MAX + 1];
        assert_eq!(refusal(&zip_of(&[("cases/1.in", &zeros)])), "cases/1.in: unpacks to more than 64 MiB");
        assert_eq!(refusal(&zip_of(&[("sum/testplan", &zeros)])), "sum/testplan: unpacks to more than 1 MiB");
        let names: Vec<String> = (0..5).map(|number| format!("cases/{number}.in")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &zeros[..ENTRY_BYTES_MAX])).collect();
        assert_eq!(refusal(&zip_of(&files)), "the package unpacks to more than 256 MiB");
    }

    #[test]
    fn too_many_entries_are_refused() {
        let names: Vec<String> = (0..=ENTRIES_MAX).map(|number| format!("cases/{number}.in")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(refusal(&zip_of(&files)), "the package holds more than 10000 files");
    }

    #[test]
    fn one_top_folder_is_taken_off_and_the_rest_left_packed() {
        let bytes = zip_of(&[
            ("sum/", b""),
            ("sum/cases/1.in", b"1"),
            ("sum/statements/en.markdown", b"x"),
            ("__MACOSX/sum/cases/._1.in", b"x"),
            ("sum/.DS_Store", b"x"),
        ]);
        let files = unpack(&bytes).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["cases/1.in"]);
    }
}
