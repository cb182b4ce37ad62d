//! The folder as it is at one moment: which manifests are in it and what they say. Everything is read every time: a
//! folder of templates is small, and content is the only thing about a file that cannot lie (a ConfigMap swaps whole
//! folders behind a link, an editor may keep size and time).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use breakglass_protocol::limits::MAX_MANIFEST_BYTES;

/// Files that are read; a few hundred templates are a large organisation's.
const MAX_FILES: usize = 2_000;
/// All files together: read once a second, this takes some 10 ms.
const MAX_TOTAL_BYTES: usize = 16 * 1024 * 1024;
/// Folders below the folder. Ends the walk where a link leads in a circle.
const MAX_DEPTH: usize = 8;
/// Files and folders looked at, manifests or not: ends the walk where many links lead in circles.
const MAX_ENTRIES: usize = 20_000;

/// What is in the folder, by path below it (with `/`).
pub(super) type Contents = BTreeMap<String, FileContent>;

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FileContent {
    Text(String),
    /// It is there but cannot be used; worded to follow the file's name.
    Unusable(String),
}

/// The folder as a whole cannot be read: what was loaded before stays.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} holds more than {MAX_FILES} manifests; split them over several hubs or remove some"
    )]
    TooMany { path: PathBuf },
    #[error(
        "{path} holds more than {MAX_ENTRIES} files and folders; point --templates to a folder of manifests only"
    )]
    TooManyEntries { path: PathBuf },
    #[error(
        "the manifests in {path} are larger than {MAX_TOTAL_BYTES} bytes together; remove some"
    )]
    TooLarge { path: PathBuf },
}

/// Reads all manifests: `*.yaml`, `*.yml`, `*.json`, in subfolders too. Names that start with a dot are left out; that is
/// where a ConfigMap keeps what its links point to.
pub(super) fn read(folder: &Path) -> Result<Contents, FolderError> {
    let mut walk = Walk {
        folder,
        found: Contents::new(),
        total: 0,
        entries: 0,
    };
    walk.folder(folder, "", 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    folder: &'a Path,
    found: Contents,
    total: usize,
    entries: usize,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), FolderError> {
        let error = |source| FolderError::Read {
            path: path.to_owned(),
            source,
        };
        for entry in std::fs::read_dir(path).map_err(error)? {
            let entry = entry.map_err(error)?;
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(FolderError::TooManyEntries {
                    path: self.folder.to_owned(),
                });
            }
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            self.entry(&entry.path(), format!("{prefix}{name}"), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: String, depth: usize) -> Result<(), FolderError> {
        // Follows links. What went away since the folder was listed is not there.
        let Ok(metadata) = std::fs::metadata(path) else {
            if is_manifest(&name) && std::fs::symlink_metadata(path).is_ok() {
                self.add(
                    name,
                    FileContent::Unusable("is a link to nothing".to_owned()),
                )?;
            }
            return Ok(());
        };
        if metadata.is_dir() {
            if depth < MAX_DEPTH {
                self.folder(path, &format!("{name}/"), depth + 1)?;
            }
            return Ok(());
        }
        // A pipe or device would block or never end.
        if !metadata.is_file() || !is_manifest(&name) {
            return Ok(());
        }
        match read_text(path) {
            Ok(content) => self.add(name, content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => self.add(
                name,
                FileContent::Unusable(format!("cannot be read: {error}")),
            ),
        }
    }

    fn add(&mut self, name: String, content: FileContent) -> Result<(), FolderError> {
        if self.found.len() == MAX_FILES {
            return Err(FolderError::TooMany {
                path: self.folder.to_owned(),
            });
        }
        if let FileContent::Text(text) = &content {
            self.total += text.len();
        }
        if self.total > MAX_TOTAL_BYTES {
            return Err(FolderError::TooLarge {
                path: self.folder.to_owned(),
            });
        }
        self.found.insert(name, content);
        Ok(())
    }
}

fn is_manifest(name: &str) -> bool {
    [".yaml", ".yml", ".json"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn read_text(path: &Path) -> io::Result<FileContent> {
    let mut bytes = Vec::new();
    let limit = MAX_MANIFEST_BYTES as u64 + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Ok(FileContent::Unusable(format!(
            "is larger than {MAX_MANIFEST_BYTES} bytes; split it"
        )));
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => FileContent::Text(text),
        Err(_) => FileContent::Unusable("is not UTF-8 text".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_by_ending_and_in_subfolders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("teams/a")).unwrap();
        for name in [
            "b.yaml",
            "teams/a/c.yml",
            "d.json",
            "notes.txt",
            "e.yaml~",
            ".hidden.yaml",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        std::fs::write(folder.path().join("f.yaml"), [0xFF, 0xFE]).unwrap();
        let found = read(folder.path()).unwrap();
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(names, ["b.yaml", "d.json", "f.yaml", "teams/a/c.yml"]);
        assert_eq!(found["b.yaml"], FileContent::Text("b.yaml".to_owned()));
        assert_eq!(
            found["f.yaml"],
            FileContent::Unusable("is not UTF-8 text".to_owned())
        );
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        std::fs::write(folder.path().join("a.yaml"), "a").unwrap();
        assert_eq!(read(folder.path()).unwrap().len(), MAX_DEPTH + 1);
    }

    #[test]
    fn a_configmap_is_read_through_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "old"), ("..2", "new")] {
            std::fs::create_dir(path(version)).unwrap();
            std::fs::write(path(version).join("a.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("..1", path("..data")).unwrap();
        std::os::unix::fs::symlink("..data/a.yaml", path("a.yaml")).unwrap();
        assert_eq!(
            read(folder.path()).unwrap()["a.yaml"],
            FileContent::Text("old".to_owned())
        );
        std::os::unix::fs::symlink("..2", path("..next")).unwrap();
        std::fs::rename(path("..next"), path("..data")).unwrap();
        let found = read(folder.path()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found["a.yaml"], FileContent::Text("new".to_owned()));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_not_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            read(&folder.path().join("none")),
            Err(FolderError::Read { .. })
        ));
    }

    #[test]
    fn a_file_too_large_is_told_and_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("a.yaml"),
            vec![b'a'; MAX_MANIFEST_BYTES + 10],
        )
        .unwrap();
        let found = read(folder.path()).unwrap();
        assert!(matches!(&found["a.yaml"], FileContent::Unusable(why) if why.contains("split it")));
    }
}
