//! One cgroup per node, the root of all its pods, in every hierarchy that the machine has (version 1, 2 or both).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Controllers that pods' limits need; on version 2 children get only what the parent hands down.
const CONTROLLERS: [&str; 5] = ["cpuset", "cpu", "io", "memory", "pids"];

/// A mounted hierarchy.
struct Hierarchy {
    root: PathBuf,
    version: Version,
}

#[derive(PartialEq, Eq)]
enum Version {
    One,
    Two,
}

fn hierarchies() -> Result<Vec<Hierarchy>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("the list of mounts")?;
    let hierarchy = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let version = match kind.split(' ').next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        Some(Hierarchy {
            root: PathBuf::from(place.split(' ').nth(4)?),
            version,
        })
    };
    Ok(mounts.lines().filter_map(hierarchy).collect())
}

/// Makes the cgroup everywhere.
pub(crate) fn make(name: &str) -> Result<()> {
    for hierarchy in hierarchies()? {
        let folder = hierarchy.root.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cgroup {}", folder.display()))?;
        match hierarchy.version {
            // A new cpuset is empty and would take no process.
            Version::One => {
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    if let Ok(all) = fs::read(hierarchy.root.join(file)) {
                        fs::write(folder.join(file), all)
                            .with_context(|| format!("{file} of cgroup {}", folder.display()))?;
                    }
                }
            }
            Version::Two => hand_down(&hierarchy.root),
        }
    }
    Ok(())
}

/// What a controller's refusal means is known only to the kubelet, which names what it misses; so none is an error here.
fn hand_down(root: &Path) {
    for controller in CONTROLLERS {
        fs::write(
            root.join("cgroup.subtree_control"),
            format!("+{controller}"),
        )
        .ok();
    }
}

/// Every process in cgroups whose name begins with this, also in those below.
pub(crate) fn processes(prefix: &str) -> Result<Vec<i32>> {
    let mut found = vec![];
    for folder in folders(prefix)? {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    Ok(found)
}

/// Removes them, the lower ones first; they must be empty. Answers with those that are still there.
pub(crate) fn remove(prefix: &str) -> Result<Vec<PathBuf>> {
    let mut folders = folders(prefix)?;
    folders.reverse();
    Ok(folders
        .into_iter()
        .filter(|folder| fs::remove_dir(folder).is_err() && folder.exists())
        .collect())
}

/// Parents before children.
fn folders(prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![];
    for hierarchy in hierarchies()? {
        let tops = children(&hierarchy.root).into_iter();
        found.extend(tops.filter(|top| {
            top.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        }));
    }
    let mut next = 0;
    while let Some(folder) = found.get(next) {
        let below = children(folder);
        found.extend(below);
        next += 1;
    }
    Ok(found)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
