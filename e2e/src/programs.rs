//! The programs that clusters consist of: ours from the cache (`programs.sh` builds them), the rest from the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

const BUILDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/programs.sh");
/// What Debian's packages bring; `prepare.sh` installs them.
const FROM_THE_MACHINE: [&str; 11] = [
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "ip",
    "iptables-restore",
    "conntrack",
    "nsenter",
    "unshare",
    "setsid",
    "mount",
    "sysctl",
];
pub(crate) const CNI: &str = "/usr/lib/cni";
/// Statically linked, so that it runs alone in an image.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// Where the built programs are.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Builds what is missing (minutes on the first run, with progress on standard error) and answers with the folder.
    pub fn build() -> Result<Programs> {
        let mut builder = Command::new(BUILDER);
        let output = builder
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("could not run {BUILDER}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().last() {
            Some(folder) if output.status.success() => Ok(Programs(PathBuf::from(folder))),
            _ => bail!("{BUILDER} failed ({}); see above", output.status),
        }
    }

    pub(crate) fn at(folder: &Path) -> Programs {
        Programs(folder.to_owned())
    }

    pub fn folder(&self) -> &Path {
        &self.0
    }

    pub fn kubectl(&self) -> PathBuf {
        self.0.join("kubectl")
    }

    pub fn helm(&self) -> PathBuf {
        self.0.join("helm")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

/// An error that says what this machine lacks and how to get it.
pub(crate) fn check_machine() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("a testbed makes namespaces, mounts and cgroups: run it as root");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let on_path =
        |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let mut missing: Vec<&str> = FROM_THE_MACHINE
        .into_iter()
        .filter(|name| !on_path(name))
        .collect();
    let files = [BUSYBOX, concat!("/usr/lib/cni", "/bridge")];
    missing.extend(files.into_iter().filter(|file| !Path::new(file).exists()));
    if !missing.is_empty() {
        bail!(
            "this machine lacks {}: run e2e/prepare.sh",
            missing.join(", ")
        );
    }
    Ok(())
}

/// What a testbed of two clusters writes in a run of all stories, and as much again.
const DISK_WANTED_MIB: u64 = 2048;

/// An error that says how much the disk lacks: otherwise a kubelet would evict pods, or a database refuse a write, much later.
pub(crate) fn check_disk(folder: &Path) -> Result<()> {
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("how much room {} has", folder.display()))?;
    let free_mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    if free_mib < DISK_WANTED_MIB {
        bail!(
            "{} has {free_mib} MiB of free disk; test clusters want {DISK_WANTED_MIB} MiB: make room, or name a folder on another disk",
            folder.display()
        );
    }
    Ok(())
}

/// The `testbed` program: this one, or the one that cargo built beside the test that runs.
pub(crate) fn own_program() -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program's own path")?;
    let folders = this.ancestors().skip(1).take(2);
    let mut candidates = folders.map(|folder| folder.join("testbed"));
    candidates.find(|candidate| candidate.is_file()).with_context(|| {
        format!("no program `testbed` beside {}: `cargo build -p breakglass-e2e --bin testbed` makes it", this.display())
    })
}
