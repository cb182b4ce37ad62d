//! The wire: one bridge per testbed, one network namespace per node, and the rule that lets nothing new in.
//!
//! ```text
//!  host: hub ── bgN-br (10.20N.0.1) ──┬── eth0 of west-node-1 ── cni0 ── pods
//!                                     ├── eth0 of west-node-2 ── cni0 ── pods
//!                                     └── eth0 of east-node-1 ── cni0 ── pods
//! ```

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::command::{run, run_inside};
use crate::slot::Slot;
use crate::state::{ClusterRecord, NodeRecord};

/// Makes the bridge, if it is not there.
pub(crate) fn make_bridge(slot: Slot) -> Result<()> {
    let bridge = slot.bridge();
    if Path::new("/sys/class/net").join(&bridge).exists() {
        return Ok(());
    }
    let address = slot.hub_address_with_prefix();
    run("ip", &["link", "add", &bridge, "type", "bridge"])?;
    run("ip", &["address", "add", &address, "dev", &bridge])?;
    run("ip", &["link", "set", &bridge, "up"])?;
    Ok(())
}

/// Makes a node's namespace, its cable to the bridge, its routes and its firewall.
pub(crate) fn make_node(slot: Slot, cluster: &ClusterRecord, node: &NodeRecord) -> Result<()> {
    let netns = netns_name(node)?;
    run("ip", &["netns", "add", &netns])?;
    let peer = ["type", "veth", "peer", "name", "eth0", "netns", &netns];
    run(
        "ip",
        &[&["link", "add", &node.interface][..], &peer[..]].concat(),
    )?;
    run(
        "ip",
        &[
            "link",
            "set",
            &node.interface,
            "master",
            &slot.bridge(),
            "up",
        ],
    )?;
    let settings = [
        "net.ipv4.ip_forward=1",
        // The rule below speaks IPv4: without this, a link-local IPv6 address would be a way round it.
        "net.ipv6.conf.eth0.disable_ipv6=1",
    ];
    // Kernels without IPv6 do not know the second setting.
    let sysctl: Vec<&str> = ["sysctl", "--quiet", "--ignore", "--write"]
        .into_iter()
        .chain(settings)
        .collect();
    run_inside(&node.netns, &sysctl, "")?;
    run_inside(
        &node.netns,
        &["iptables-restore", "--noflush"],
        &firewall(cluster),
    )?;
    for line in [
        format!("address add {}/24 dev eth0", node.address),
        "link set lo up".into(),
        "link set eth0 up".into(),
        format!("route add default via {}", slot.hub_address()),
    ] {
        let words: Vec<&str> = ["-netns", &netns]
            .into_iter()
            .chain(line.split(' '))
            .collect();
        run("ip", &words)?;
    }
    Ok(())
}

/// Each node learns where the others' pods live.
pub(crate) fn route_between(nodes: &[NodeRecord]) -> Result<()> {
    for node in nodes {
        let netns = netns_name(node)?;
        for other in nodes.iter().filter(|other| other.number != node.number) {
            let via = other.address.to_string();
            run(
                "ip",
                &[
                    "-netns",
                    &netns,
                    "route",
                    "replace",
                    &other.pods_cidr,
                    "via",
                    &via,
                ],
            )?;
        }
    }
    Ok(())
}

/// Nothing from outside may open anything inside. In `mangle`, which sees a packet before any Service's address is
/// translated, so that node ports and pods are shut as well as programs.
fn firewall(cluster: &ClusterRecord) -> String {
    let ClusterRecord {
        nodes_cidr,
        pods_cidr,
        ..
    } = cluster;
    format!(
        "*mangle
:BREAKGLASS-OUTSIDE - [0:0]
-A PREROUTING -i eth0 -m conntrack ! --ctstate ESTABLISHED,RELATED -j BREAKGLASS-OUTSIDE
-A BREAKGLASS-OUTSIDE -s {nodes_cidr} -j RETURN
-A BREAKGLASS-OUTSIDE -s {pods_cidr} -j RETURN
-A BREAKGLASS-OUTSIDE -j DROP
COMMIT
*nat
:BREAKGLASS-PODS - [0:0]
-A POSTROUTING -s {pods_cidr} ! -d {pods_cidr} -o eth0 -j BREAKGLASS-PODS
-A BREAKGLASS-PODS -j MASQUERADE
COMMIT
"
    )
}

fn netns_name(node: &NodeRecord) -> Result<String> {
    let name = node.netns.file_name().and_then(|name| name.to_str());
    Ok(name
        .with_context(|| format!("namespace of {}", node.name))?
        .to_owned())
}
