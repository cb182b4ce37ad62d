//! A testbed's state folder: what lies where, and the record that says what was made.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::command::run;
use crate::process::{Processes, write_whole};
use crate::slot::{CLUSTERS, ClusterAddresses, NODES, Slot};

/// What every testbed of this machine must agree on: who has which slot, who is at work in which state folder.
const MACHINE: &str = "/run/breakglass-testbed";
/// Node machines see these folders of the host through an overlay of their own, so a state folder cannot lie there.
const OVERLAID: [&str; 4] = ["/etc", "/run", "/var/lib", "/var/log"];

/// A testbed's folder, by its true path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// The path cannot be made, or mounts and configuration files could not carry it.
    pub(crate) fn open(path: &Path) -> Result<StateDir> {
        fs::create_dir_all(path).with_context(|| format!("state folder {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("state folder {}", path.display()))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
        if !path
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .all(|byte| plain(*byte))
        {
            bail!(
                "state folder {}: only letters, digits and /._-+@ (it becomes a mount option)",
                path.display()
            );
        }
        if path.parent().is_none() || OVERLAID.iter().any(|folder| path.starts_with(folder)) {
            bail!(
                "state folder {}: choose one outside {}",
                path.display(),
                OVERLAID.join(", ")
            );
        }
        Ok(StateDir(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn processes(&self) -> Processes {
        Processes::of(&self.0)
    }

    fn record_path(&self) -> PathBuf {
        self.0.join("testbed.json")
    }

    pub(crate) fn record(&self) -> Result<Option<Record>> {
        match fs::read(self.record_path()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
                format!(
                    "unreadable {} (remove the folder's testbed by hand?)",
                    self.record_path().display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{}", self.record_path().display())),
        }
    }

    pub(crate) fn save(&self, record: &Record) -> Result<()> {
        write_whole(&self.record_path(), &serde_json::to_vec_pretty(record)?)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// containerd's table of registries, read at every pull.
    pub(crate) fn mirrors(&self) -> PathBuf {
        self.0.join("mirrors")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.0.join("log").join(format!("{name}.log"))
    }

    /// `testbed` itself, copied, so that a rebuild does not change what a restart starts.
    pub(crate) fn testbed_program(&self) -> PathBuf {
        self.0.join("bin").join("testbed")
    }

    pub(crate) fn cluster(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Holds every other `up`, `down`, … of this folder back until the answer is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let digest = hex::encode(Sha256::digest(self.0.as_os_str().as_encoded_bytes()));
        lock(&format!("state-{}", &digest[..16]))
    }
}

fn lock(name: &str) -> Result<File> {
    let path = Path::new(MACHINE).join(format!("{name}.lock"));
    let file = fs::create_dir_all(MACHINE)
        .and_then(|()| File::create(&path))
        .with_context(|| format!("lock {}", path.display()))?;
    file.lock()
        .with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// A slot that is ours now, and whose it was when that testbed's folder vanished without a `down`.
pub(crate) struct Claim {
    pub slot: Slot,
    pub vanished: Option<StateDir>,
}

/// Takes the slot that is asked for, or the first free one. A slot whose state folder has no record any more is free.
pub(crate) fn claim_slot(asked: Option<Slot>, state: &StateDir) -> Result<Claim> {
    let _held = lock("slots")?;
    let routes = run("ip", &["-oneline", "-4", "route", "show"])?;
    let hindrance = |slot: Slot| match slot_owner(slot) {
        Some(owner) if owner != *state && owner.record_path().exists() => Some(format!(
            "belongs to the testbed in {}",
            owner.path().display()
        )),
        Some(_) | None => foreign_route(&routes, slot)
            .map(|route| format!("meets a network of this machine: {route}")),
    };
    let slot = match asked {
        Some(slot) => match hindrance(slot) {
            Some(hindrance) => bail!("slot {slot} {hindrance}; choose another"),
            None => slot,
        },
        None => Slot::all()
            .find(|slot| hindrance(*slot).is_none())
            .context("all ten slots are taken; bring a testbed down")?,
    };
    let vanished = slot_owner(slot).filter(|owner| owner != state);
    write_whole(
        &slot_path(slot),
        state.path().as_os_str().as_encoded_bytes(),
    )?;
    Ok(Claim { slot, vanished })
}

fn slot_owner(slot: Slot) -> Option<StateDir> {
    let owner = fs::read_to_string(slot_path(slot)).ok()?;
    Some(StateDir(PathBuf::from(owner.trim())))
}

/// A route into the slot's wire that is not the slot's own.
fn foreign_route(routes: &str, slot: Slot) -> Option<&str> {
    let hub = slot.hub_address().octets();
    let wire = format!("{}.{}.", hub[0], hub[1]);
    let own = format!("dev {} ", slot.bridge());
    routes
        .lines()
        .find(|route| route.starts_with(&wire) && !route.contains(&own))
}

/// Gives the slot back, if it still is this folder's.
pub(crate) fn release_slot(slot: Slot, state: &StateDir) -> Result<()> {
    let _held = lock("slots")?;
    if slot_owner(slot).is_some_and(|owner| owner == *state) {
        fs::remove_file(slot_path(slot)).with_context(|| format!("slot {slot}"))?;
    }
    Ok(())
}

fn slot_path(slot: Slot) -> PathBuf {
    Path::new(MACHINE).join(format!("slot-{slot}"))
}

/// `testbed.json`: everything that the outside may want to know, spelled out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub slot: Slot,
    /// Folder of kubectl, helm, crane and the cluster programs.
    pub programs: PathBuf,
    /// The host's side of the bridge: what pods can dial.
    pub hub_address: Ipv4Addr,
    /// `address:port` of the local registry.
    pub registry: String,
    pub clusters: Vec<ClusterRecord>,
    pub stage: Stage,
}

/// How far `up` came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// `up` is at work, or was killed at it.
    Starting,
    Up,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterRecord {
    pub name: String,
    pub(crate) index: u8,
    /// The same port on the host's loopback (the doorway) and on the first node.
    pub api_port: u16,
    /// `https://address:port` for everything inside the cluster.
    pub api_url: String,
    pub nodes_cidr: String,
    pub pods_cidr: String,
    pub services_cidr: String,
    pub(crate) first_service: Ipv4Addr,
    pub nodes: Vec<NodeRecord>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeRecord {
    /// As Kubernetes knows it: `CLUSTER-node-NUMBER`.
    pub name: String,
    pub(crate) number: u8,
    pub address: Ipv4Addr,
    /// The namespace's file, for `nsenter --net=`.
    pub netns: PathBuf,
    pub(crate) interface: String,
    pub pods_cidr: String,
    pub(crate) cgroup: String,
}

impl ClusterRecord {
    pub(crate) fn plan(slot: Slot, index: u8, name: &str, nodes: u8) -> Result<ClusterRecord> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty()
            || name.len() > 30
            || !name.bytes().all(plain)
            || name.starts_with('-')
            || name.ends_with('-')
        {
            bail!(
                "cluster {name:?}: a name is 1 to 30 of a-z, 0-9 and -, and neither begins nor ends with -"
            );
        }
        if ["run", "log", "images", "mirrors", "bin", "registry"].contains(&name) {
            bail!("cluster {name:?}: the state folder keeps other things under this name");
        }
        if index >= CLUSTERS {
            bail!("cluster {name:?}: a testbed holds at most {CLUSTERS} clusters");
        }
        if nodes == 0 || nodes > NODES {
            bail!("cluster {name:?}: 1 to {NODES} nodes, not {nodes}");
        }
        let addresses = slot.cluster(index);
        Ok(ClusterRecord {
            name: name.to_owned(),
            index,
            api_port: addresses.api_port(),
            api_url: format!("https://{}:{}", addresses.node(1), addresses.api_port()),
            nodes_cidr: addresses.nodes(),
            pods_cidr: addresses.pods(),
            services_cidr: addresses.services(),
            first_service: addresses.first_service(),
            nodes: (1..=nodes)
                .map(|number| NodeRecord::plan(slot, addresses, name, number))
                .collect(),
        })
    }

    /// The next node, for a cluster that runs.
    pub(crate) fn plan_node(&self, slot: Slot) -> Result<NodeRecord> {
        let number = self.nodes.iter().map(|node| node.number).max().unwrap_or(0) + 1;
        if number > NODES {
            bail!(
                "cluster {:?} has {NODES} nodes already; its addresses are used up",
                self.name
            );
        }
        Ok(NodeRecord::plan(
            slot,
            slot.cluster(self.index),
            &self.name,
            number,
        ))
    }

    /// The node that also runs the control plane.
    pub(crate) fn first_node(&self) -> Result<&NodeRecord> {
        self.nodes
            .first()
            .with_context(|| format!("cluster {:?} has no node", self.name))
    }

    pub(crate) fn program(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }
}

impl NodeRecord {
    fn plan(slot: Slot, addresses: ClusterAddresses, cluster: &str, number: u8) -> NodeRecord {
        let name = format!("{cluster}-node-{number}");
        let unique = format!("{}{name}", slot.prefix());
        NodeRecord {
            number,
            address: addresses.node(number),
            netns: Path::new("/run/netns").join(&unique),
            interface: addresses.node_interface(number),
            pods_cidr: addresses.node_pods(number),
            cgroup: unique,
            name,
        }
    }

    pub(crate) fn program(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    pub(crate) fn machine(&self) -> String {
        self.program("machine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_sizes_that_cannot_be_are_refused() {
        let slot = Slot::try_from(3).unwrap();
        let refused = |index, name, nodes| {
            ClusterRecord::plan(slot, index, name, nodes)
                .unwrap_err()
                .to_string()
        };
        for name in ["", "West", "-west", "west-", "a.b", "run", "registry"] {
            assert!(refused(0, name, 1).contains(&format!("{name:?}")));
        }
        assert!(refused(10, "west", 1).contains("at most 10"));
        assert!(refused(0, "west", 0).contains("1 to 14"));
        assert!(refused(0, "west", 15).contains("1 to 14"));
    }

    #[test]
    fn a_node_is_added_after_the_last() {
        let slot = Slot::try_from(3).unwrap();
        let west = ClusterRecord::plan(slot, 1, "west", 2).unwrap();
        let third = west.plan_node(slot).unwrap();
        assert_eq!(third.name, "west-node-3");
        assert_eq!(third.address.to_string(), "10.203.0.35");
        assert_eq!(third.pods_cidr, "10.213.19.0/24");
    }
}
