//! The local registry, containerd's mirror for every name: images come from it or not at all, never from the network.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::command::run;
use crate::image;
use crate::process::{Launch, Place, Recorded, write_whole};
use crate::programs::Programs;
use crate::state::{Record, StateDir};
use crate::wait::{self, Look};

pub(crate) const PROGRAM: &str = "registry";
/// Every pod's first container; under a name that no registry has.
pub(crate) const PAUSE: &str = "breakglass.test/pause:1";
/// All of them hold the same small layer, under the names that people and the samples use.
const NAMES: [&str; 9] = [
    PAUSE,
    "busybox:latest",
    "busybox:1.36",
    "alpine:latest",
    "nicolaka/netshoot:latest",
    "wallnerryan/fiotools:latest",
    "debug-tools:v2",
    "nixery.dev/shell/fio/sysstat:latest",
    "audit-logger:v1",
];
const START_LIMIT: Duration = Duration::from_secs(15);

/// An image reference, taken apart as containerd does it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    host: String,
    repository: String,
    tag: String,
}

impl Reference {
    pub(crate) fn parse(text: &str) -> Result<Reference> {
        let (name, tag) = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (text, "latest"),
        };
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if host.contains('.') || host == "localhost" => {
                (host, path.to_owned())
            }
            Some(_) => ("docker.io", name.to_owned()),
            None => ("docker.io", format!("library/{name}")),
        };
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte)
        };
        if path.is_empty() || tag.is_empty() || !path.bytes().chain(host.bytes()).all(plain) {
            bail!(
                "image reference {text:?}: write NAME:TAG or HOST/PATH:TAG, without port and digest"
            );
        }
        Ok(Reference {
            host: host.into(),
            repository: path,
            tag: tag.into(),
        })
    }

    fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.tar",
            self.host,
            self.repository.replace('/', "_"),
            self.tag
        )
    }

    /// Where it lies in the local registry: a folder per host, so that no two names meet.
    fn local(&self, registry: &str) -> String {
        format!("{registry}/{}/{}:{}", self.host, self.repository, self.tag)
    }
}

/// Starts the registry, makes the images and offers them.
pub(crate) fn start(state: &StateDir, record: &Record) -> Result<()> {
    let programs = Programs::at(&record.programs);
    let folder = state.path().join("registry");
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    // Names without an entry of their own end here too, and are not found.
    write_mirror(state, record, "_default")?;
    let argv = [
        &programs.path("crane"),
        "registry",
        "serve",
        "--address",
        &record.registry,
        "--disk",
        &folder.display().to_string(),
    ];
    let launch = Launch {
        name: PROGRAM.into(),
        argv: argv.map(String::from).to_vec(),
        place: Place::Host,
        log: state.log(PROGRAM),
    };
    await_registry(record, &state.processes().start(launch)?)?;
    let layer = image::layer()?;
    let archive = state.path().join("registry/new.tar");
    for name in NAMES {
        layer.write_image(&archive, name)?;
        load(state, record, &archive, name)?;
    }
    fs::remove_file(&archive).with_context(|| format!("{}", archive.display()))
}

/// Offers an image archive under a name, on every cluster. Nodes that have this very name already pull it again only when
/// their pods say `imagePullPolicy: Always` (as they do by themselves for `:latest`).
pub(crate) fn load(state: &StateDir, record: &Record, archive: &Path, name: &str) -> Result<()> {
    let reference = Reference::parse(name)?;
    write_mirror(state, record, &reference.host)?;
    // A copy, because a restarted registry is told again and the original may be gone by then.
    let kept = state.images().join(reference.file_name());
    let bytes =
        fs::read(archive).with_context(|| format!("image archive {}", archive.display()))?;
    write_whole(&kept, &bytes)?;
    push(record, &kept, &reference)?;
    let mut offered = offered(state)?;
    offered.insert(name.to_owned(), kept);
    write_whole(&offered_path(state), &serde_json::to_vec_pretty(&offered)?)
}

/// The registry keeps names in memory only: after its restart they are told again.
pub(crate) fn restart(state: &StateDir, record: &Record) -> Result<()> {
    await_registry(record, &state.processes().restart(PROGRAM)?)?;
    for (name, archive) in offered(state)? {
        push(record, &archive, &Reference::parse(&name)?)?;
    }
    Ok(())
}

fn push(record: &Record, archive: &Path, reference: &Reference) -> Result<()> {
    let crane = Programs::at(&record.programs).path("crane");
    let target = reference.local(&record.registry);
    run(
        crane,
        &[
            "push",
            "--insecure",
            &archive.display().to_string(),
            &target,
        ],
    )
    .map(drop)
}

fn await_registry(record: &Record, program: &Recorded) -> Result<()> {
    let found = wait::until("the registry's port", START_LIMIT, || {
        wait::still_alive(program)?;
        Ok(match TcpStream::connect(&record.registry) {
            Ok(_) => Look::Found(()),
            Err(error) => Look::NotYet(error.to_string()),
        })
    });
    wait::with_log(found, program)
}

/// No `server` but ours: what is not here is not found, at once and without a network.
fn write_mirror(state: &StateDir, record: &Record, host: &str) -> Result<()> {
    let url = format!("http://{}/v2/{host}", record.registry);
    let table = format!(
        "server = \"{url}\"\noverride_path = true\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n"
    );
    write_whole(
        &state.mirrors().join(host).join("hosts.toml"),
        table.as_bytes(),
    )
}

fn offered_path(state: &StateDir) -> PathBuf {
    state.images().join("offered.json")
}

/// Names and the archives that they were offered from.
fn offered(state: &StateDir) -> Result<BTreeMap<String, PathBuf>> {
    match fs::read(offered_path(state)) {
        Ok(bytes) => serde_json::from_slice(&bytes).context("the list of offered images"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).context("the list of offered images"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart_as_containerd_does_it() {
        let local = |text: &str| {
            Reference::parse(text)
                .map(|reference| reference.local("r"))
                .ok()
        };
        for (text, expected) in [
            ("busybox", Some("r/docker.io/library/busybox:latest")),
            ("busybox:1.36", Some("r/docker.io/library/busybox:1.36")),
            (
                "nicolaka/netshoot:latest",
                Some("r/docker.io/nicolaka/netshoot:latest"),
            ),
            (
                "nixery.dev/shell/fio/sysstat",
                Some("r/nixery.dev/shell/fio/sysstat:latest"),
            ),
            ("localhost:5000/x:1", None),
            ("x@sha256:00", None),
            ("x:", None),
        ] {
            assert_eq!(local(text).as_deref(), expected, "{text}");
        }
    }
}
