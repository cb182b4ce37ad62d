//! Which addresses, ports and names a testbed takes, so that ten of them fit on one machine.
//!
//! Slot N owns 10.(200+N).0.0/24 (the wire between hub and nodes), 10.(210+N).0.0/16 (pods), 10.(220+N).0.0/16
//! (Services), ports 26000+10N… on the host's loopback, and every name that begins with `bgN`.
//! Cluster C of it owns 16 addresses of the wire, a /20 of pods and a /20 of Services; node J of that a /24 of pods.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

/// Ten, because a slot is one digit of every name and address above.
pub(crate) const SLOTS: u8 = 10;
/// Ten ports and ten sixteenths of the wire's /24 per slot.
pub(crate) const CLUSTERS: u8 = 10;
/// A cluster's sixteen wire addresses without the first and the last.
pub(crate) const NODES: u8 = 14;
/// Where the registry listens, on the host's side of the bridge.
const REGISTRY_PORT: u16 = 5000;
/// Below the range that kernels hand out for outgoing connections (32768…), and below NodePorts (30000…).
const FIRST_API_PORT: u16 = 26000;

/// One of ten places for a testbed on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Slot(u8);

impl Slot {
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).map(Slot)
    }

    /// 0 to 9: what tells this slot's ports from another's.
    pub fn number(self) -> u8 {
        self.0
    }

    /// What every interface, namespace and cgroup of this slot begins with.
    pub fn prefix(self) -> String {
        format!("bg{}-", self.0)
    }

    pub fn bridge(self) -> String {
        format!("bg{}-br", self.0)
    }

    /// The host's side of the bridge: where the hub listens for agents.
    pub fn hub_address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 200 + self.0, 0, 1)
    }

    pub fn registry(self) -> SocketAddrV4 {
        SocketAddrV4::new(self.hub_address(), REGISTRY_PORT)
    }

    /// The wire's network, as `ip address` takes it.
    pub fn hub_address_with_prefix(self) -> String {
        format!("{}/24", self.hub_address())
    }

    pub(crate) fn cluster(self, index: u8) -> ClusterAddresses {
        ClusterAddresses { slot: self, index }
    }
}

impl TryFrom<u8> for Slot {
    type Error = anyhow::Error;

    fn try_from(number: u8) -> Result<Slot> {
        if number >= SLOTS {
            bail!("slot {number} does not exist: slots are 0 to {}", SLOTS - 1);
        }
        Ok(Slot(number))
    }
}

impl From<Slot> for u8 {
    fn from(slot: Slot) -> u8 {
        slot.0
    }
}

impl FromStr for Slot {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Slot> {
        text.parse::<u8>()
            .with_context(|| format!("slot {text:?} is not a number"))?
            .try_into()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the cluster with this index (0…9) owns of its slot.
#[derive(Clone, Copy)]
pub(crate) struct ClusterAddresses {
    slot: Slot,
    index: u8,
}

impl ClusterAddresses {
    /// The same on the host's loopback (the doorway) and inside (the API server), so that one kubeconfig serves both.
    pub(crate) fn api_port(self) -> u16 {
        FIRST_API_PORT + 10 * u16::from(self.slot.0) + u16::from(self.index)
    }

    pub(crate) fn nodes(self) -> String {
        format!("10.{}.0.{}/28", 200 + self.slot.0, 16 * (self.index + 1))
    }

    pub(crate) fn pods(self) -> String {
        format!("10.{}.{}.0/20", 210 + self.slot.0, 16 * self.index)
    }

    pub(crate) fn services(self) -> String {
        format!("10.{}.{}.0/20", 220 + self.slot.0, 16 * self.index)
    }

    /// The Service `kubernetes` always takes the first address.
    pub(crate) fn first_service(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 220 + self.slot.0, 16 * self.index, 1)
    }

    pub(crate) fn node(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 200 + self.slot.0, 0, 16 * (self.index + 1) + number)
    }

    pub(crate) fn node_pods(self, number: u8) -> String {
        format!("10.{}.{}.0/24", 210 + self.slot.0, 16 * self.index + number)
    }

    /// At most 15 characters, the kernel's limit for an interface's name.
    pub(crate) fn node_interface(self, number: u8) -> String {
        format!("bg{}-c{}n{number}", self.slot.0, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn nothing_is_owned_twice() {
        let (mut addresses, mut pods, mut ports, mut interfaces) = Default::default();
        fn new(set: &mut BTreeSet<String>, value: impl ToString) {
            let value = value.to_string();
            assert!(set.insert(value.clone()), "{value} is owned twice");
        }
        for slot in Slot::all() {
            new(&mut addresses, slot.hub_address());
            for cluster in (0..CLUSTERS).map(|c| slot.cluster(c)) {
                new(&mut ports, cluster.api_port());
                for node in 1..=NODES {
                    new(&mut addresses, cluster.node(node));
                    new(&mut pods, cluster.node_pods(node));
                    let interface = cluster.node_interface(node);
                    assert!(interface.len() <= 15, "{interface} is too long");
                    new(&mut interfaces, interface);
                }
            }
        }
    }

    #[test]
    fn a_slot_is_one_digit() {
        assert!("9".parse::<Slot>().is_ok());
        for wrong in ["10", "-1", "", "x"] {
            assert!(wrong.parse::<Slot>().is_err(), "{wrong:?}");
        }
    }
}
