//! The end of a testbed, also of one that crashed: finds what is left by marks that cannot be anybody else's.
//!
//! A process belongs to a testbed when its record says so, when it carries the mark (`process::MARK`) in its
//! environment, when it is in one of the nodes' network namespaces, or in one of the nodes' cgroups. Never by name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup;
use crate::command::run;
use crate::process::{MARK, await_end, start_of};
use crate::slot::Slot;
use crate::state::StateDir;

/// A round kills what it sees; what was being started meanwhile is seen by the next.
const ROUNDS: usize = 20;
const END_LIMIT: Duration = Duration::from_secs(10);
/// What `up` makes in the state folder, besides one folder per cluster.
const OWN: [&str; 7] = [
    "run",
    "log",
    "images",
    "mirrors",
    "bin",
    "registry",
    "testbed.json",
];

/// Ends every process of this testbed and removes its mounts, cgroups, namespaces and bridge.
///
/// # Errors
/// Something does not go away; the rest was still tried.
pub(crate) fn sweep(slot: Slot, state: &StateDir) -> Result<()> {
    let prefix = slot.prefix();
    let ended = end_processes(&prefix, state);
    let unmounted = unmount_below(state.path());
    let cgroups = remove_cgroups(&prefix);
    let network = remove_network(slot, &prefix);
    ended.and(unmounted).and(cgroups).and(network)
}

/// Removes what `up` and `dump` made in the folder, and the folder if nothing else is in it.
pub(crate) fn remove_files(state: &StateDir, clusters: &[String]) -> Result<()> {
    for name in OWN
        .iter()
        .copied()
        .chain(clusters.iter().map(String::as_str))
    {
        let path = state.path().join(name);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("could not remove {}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    // Other files in it are somebody's; the folder stays with them.
    fs::remove_dir(state.path()).ok();
    Ok(())
}

fn end_processes(prefix: &str, state: &StateDir) -> Result<()> {
    for recorded in state.processes().all() {
        recorded.signal(Signal::KILL)?;
    }
    let mut left = BTreeSet::new();
    for _ in 0..ROUNDS {
        left = processes(prefix, state)?;
        if left.is_empty() {
            return Ok(());
        }
        // All at once, then all waited for: one that waits for another would hold us up otherwise.
        for pid in &left {
            kill(*pid, prefix, state);
        }
        for pid in &left {
            await_end(*pid, END_LIMIT)?;
        }
    }
    bail!("processes that come again and again: {left:?}")
}

/// By a handle that was opened before the last look, so that a reused number is not hit.
fn kill(pid: i32, prefix: &str, state: &StateDir) {
    let Some(handle) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return;
    };
    let ours = Marks::read(prefix, state).is_ok_and(|marks| marks.fit(pid));
    if ours {
        // It may end by itself in this very moment.
        pidfd_send_signal(&handle, Signal::KILL).ok();
    }
}

fn processes(prefix: &str, state: &StateDir) -> Result<BTreeSet<i32>> {
    let marks = Marks::read(prefix, state)?;
    let own = i32::try_from(std::process::id())?;
    let all = fs::read_dir("/proc").context("/proc")?.flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Ok(pids
        .filter(|pid| *pid != own && marks.fit(*pid) && start_of(*pid).is_some())
        .collect())
}

/// What makes a process this testbed's.
struct Marks {
    environment: Vec<u8>,
    /// Device and inode, which is how the kernel tells namespaces apart.
    namespaces: BTreeSet<(u64, u64)>,
    cgroups: BTreeSet<i32>,
}

impl Marks {
    fn read(prefix: &str, state: &StateDir) -> Result<Marks> {
        let identity =
            |path: &PathBuf| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
        let environment = [
            MARK.as_bytes(),
            b"=",
            state.path().as_os_str().as_encoded_bytes(),
        ]
        .concat();
        let namespaces = namespaces(prefix).iter().filter_map(identity).collect();
        Ok(Marks {
            environment,
            namespaces,
            cgroups: cgroup::processes(prefix)?.into_iter().collect(),
        })
    }

    fn fit(&self, pid: i32) -> bool {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let in_namespace = || {
            let namespace = fs::metadata(proc.join("ns/net")).map(|file| (file.dev(), file.ino()));
            namespace.is_ok_and(|namespace| self.namespaces.contains(&namespace))
        };
        let marked = || {
            let environment = fs::read(proc.join("environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == self.environment)
        };
        self.cgroups.contains(&pid) || in_namespace() || marked()
    }
}

fn namespaces(prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

/// Nodes mount in a view of their own, so there should be none; a mount on the host would make removing files dangerous.
fn unmount_below(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("the list of mounts")?;
    let targets = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from);
    let mut below: Vec<PathBuf> = targets
        .filter(|target| target.starts_with(folder) && target != folder)
        .collect();
    below.sort();
    for target in below.iter().rev() {
        unmount(target, UnmountFlags::DETACH)
            .with_context(|| format!("unmounting {}", target.display()))?;
    }
    Ok(())
}

fn remove_cgroups(prefix: &str) -> Result<()> {
    // A cgroup is busy for a moment after its last process is gone.
    crate::wait::until("the cgroups' end", END_LIMIT, || {
        let left = cgroup::remove(prefix)?;
        Ok(if left.is_empty() {
            crate::wait::Look::Found(())
        } else {
            crate::wait::Look::NotYet(format!("{left:?}"))
        })
    })
}

fn remove_network(slot: Slot, prefix: &str) -> Result<()> {
    for namespace in namespaces(prefix) {
        let name = namespace
            .file_name()
            .context("a namespace's name")?
            .to_string_lossy()
            .into_owned();
        run("ip", &["netns", "delete", &name])?;
    }
    for entry in fs::read_dir("/sys/class/net")
        .context("the list of interfaces")?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        // A cable may vanish by itself with its namespace's other end.
        if name.starts_with(prefix)
            && run("ip", &["link", "delete", &name]).is_err()
            && entry.path().exists()
        {
            bail!("interface {name} of slot {slot} cannot be removed");
        }
    }
    Ok(())
}
