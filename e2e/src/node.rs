//! One node: a machine (mounts, a cgroup, a network namespace) and on it containerd, kubelet and kube-proxy.
//!
//! The machine is a process that does nothing but hold the node's own view of the file system. In it /etc, /var/lib and
//! /var/log are overlays of the host's, /run is empty, so three kubelets can all use the paths that a real node has, and
//! no mount of theirs is ever seen on the host or outlives the node's programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::cgroup;
use crate::kubeconfig;
use crate::network;
use crate::pki::Pki;
use crate::process::{Launch, Place, Recorded, write_whole};
use crate::programs::{CNI, Programs};
use crate::registry::PAUSE;
use crate::state::{ClusterRecord, NodeRecord, Record, StateDir};
use crate::wait::{self, Look};

/// Mounting takes milliseconds; this covers a machine that is busy with everything else.
const MACHINE_LIMIT: Duration = Duration::from_secs(20);
const CONTAINERD_LIMIT: Duration = Duration::from_secs(30);

/// A node that is to be started, with what it needs to know.
pub(crate) struct Node<'a> {
    pub state: &'a StateDir,
    pub record: &'a Record,
    pub cluster: &'a ClusterRecord,
    pub node: &'a NodeRecord,
}

impl Node<'_> {
    /// `DIR/CLUSTER/nodes/NODE`
    pub(crate) fn dir(&self) -> PathBuf {
        self.state
            .cluster(&self.cluster.name)
            .join("nodes")
            .join(&self.node.name)
    }

    fn pki(&self) -> Pki {
        Pki::of(&self.state.cluster(&self.cluster.name))
    }

    /// How a program is started on this node.
    pub(crate) fn launch(&self, name: &str, argv: Vec<String>) -> Launch {
        let place = Place::Machine {
            netns: self.node.netns.clone(),
            machine: self.node.machine(),
        };
        Launch {
            log: self.log(name),
            name: name.to_owned(),
            argv,
            place,
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.state
            .cluster(&self.cluster.name)
            .join("log")
            .join(format!("{name}.log"))
    }

    /// Network, cgroup and mounts: what a machine has before anything is installed on it.
    pub(crate) fn make_machine(&self) -> Result<()> {
        network::make_node(self.record.slot, self.cluster, self.node)?;
        cgroup::make(&self.node.cgroup)?;
        self.pki().make_node(self.node)?;
        let ready = self.dir().join("machine-is-ready");
        let script = machine_script(&self.dir(), &ready, &self.record.hub_address.to_string());
        let name = self.node.machine();
        let machine = self.state.processes().start(Launch {
            log: self.log(&name),
            name,
            argv: ["sh", "-ec", &script].map(String::from).to_vec(),
            place: Place::NewMachine {
                netns: self.node.netns.clone(),
            },
        })?;
        let found = wait::until("the node's mounts", MACHINE_LIMIT, || {
            wait::still_alive(&machine)?;
            Ok(if ready.exists() {
                Look::Found(())
            } else {
                Look::NotYet("nothing".into())
            })
        });
        wait::with_log(found, &machine)
    }

    /// containerd first and waited for: a kubelet that starts without it loses ten seconds.
    pub(crate) fn start_containerd(&self) -> Result<()> {
        let config = self.dir().join("containerd.toml");
        write_whole(
            &config,
            containerd_config(&self.dir(), &self.state.mirrors()).as_bytes(),
        )?;
        write_whole(
            &self.dir().join("cni/10-bridge.conflist"),
            &self.cni_config()?,
        )?;
        let argv = ["containerd", "--config", &config.display().to_string()]
            .map(String::from)
            .to_vec();
        let containerd = self
            .state
            .processes()
            .start(self.launch(&self.node.program("containerd"), argv))?;
        let socket = format!(
            "/proc/{}/root/run/containerd/containerd.sock",
            containerd.pid()
        );
        let found = wait::until("containerd's socket", CONTAINERD_LIMIT, || {
            wait::still_alive(&containerd)?;
            // The file alone may be there before anybody listens.
            Ok(match std::os::unix::net::UnixStream::connect(&socket) {
                Ok(_) => Look::Found(()),
                Err(error) => Look::NotYet(error.to_string()),
            })
        });
        wait::with_log(found, &containerd)
    }

    /// kubelet and kube-proxy; they wait for their API server by themselves.
    pub(crate) fn start_kubernetes(&self) -> Result<Recorded> {
        let programs = Programs::at(&self.record.programs);
        let file = |name: &str| self.dir().join(name).display().to_string();
        for holder in [self.node.name.as_str(), "kube-proxy"] {
            let path = self.dir().join(format!("{holder}.kubeconfig"));
            kubeconfig::write(
                &path,
                &self.pki(),
                &self.cluster.name,
                holder,
                &self.cluster.api_url,
            )?;
        }
        write_whole(&self.dir().join("kubelet.yaml"), &self.kubelet_config()?)?;
        let kubelet = vec![
            programs.path("kubelet"),
            format!("--config={}", file("kubelet.yaml")),
            format!(
                "--kubeconfig={}",
                file(&format!("{}.kubeconfig", self.node.name))
            ),
            format!("--hostname-override={}", self.node.name),
            format!("--node-ip={}", self.node.address),
        ];
        let proxy = vec![
            programs.path("kube-proxy"),
            format!("--kubeconfig={}", file("kube-proxy.kubeconfig")),
            format!("--hostname-override={}", self.node.name),
            format!("--cluster-cidr={}", self.cluster.pods_cidr),
            "--proxy-mode=iptables".into(),
            // The machine's connection table is the host's: not ours to resize.
            "--conntrack-max-per-core=0".into(),
        ];
        let processes = self.state.processes();
        processes.start(self.launch(&self.node.program("kube-proxy"), proxy))?;
        processes.start(self.launch(&self.node.program("kubelet"), kubelet))
    }

    fn kubelet_config(&self) -> Result<Vec<u8>> {
        let pki = self.pki();
        let config = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": pki.certificate("ca")},
                "webhook": {"enabled": true},
                "anonymous": {"enabled": false},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": pki.certificate(&self.node.name),
            "tlsPrivateKeyFile": pki.key(&self.node.name),
            // Without an entry each pod gets a warning event. Nobody answers there, so names outside fail at once.
            "clusterDNS": [self.record.hub_address],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.node.cgroup),
            "cgroupsPerQOS": true,
            // Several nodes share this machine; none may set limits for all of it.
            "enforceNodeAllocatable": [],
            "oomScoreAdj": 0,
            "failSwapOn": false,
            "failCgroupV1": false,
            // Only a disk that is truly full matters here: a share of a large machine's disk is more than a cluster ever uses.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"nodefs.available": "32Mi", "imagefs.available": "32Mi", "memory.available": "100Mi"},
        });
        Ok(serde_json::to_vec_pretty(&config)?)
    }

    fn cni_config(&self) -> Result<Vec<u8>> {
        let config = json!({
            "cniVersion": "0.4.0",
            "name": self.node.cgroup,
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "cni0",
                    "isGateway": true,
                    // The namespace's own firewall masquerades, and only what leaves the cluster.
                    "ipMasq": false,
                    "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": self.node.pods_cidr}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        });
        Ok(serde_json::to_vec_pretty(&config)?)
    }
}

/// Makes the node's view of the file system, says so by a file, and then holds it.
fn machine_script(dir: &Path, ready: &Path, nameserver: &str) -> String {
    let dir = dir.display();
    // Nobody answers at the nameserver: a name that is not in the cluster fails at once instead of after seconds.
    format!(
        "mount --make-rshared /
for over in etc var/lib var/log; do
  mkdir -p {dir}/overlay/$over/upper {dir}/overlay/$over/work
  mount -t overlay overlay -o lowerdir=/$over,upperdir={dir}/overlay/$over/upper,workdir={dir}/overlay/$over/work /$over
done
for own in var/lib/containerd var/lib/kubelet var/lib/cni var/log/pods; do
  mkdir -p {dir}/own/$own /$own
  mount --bind {dir}/own/$own /$own
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns /etc/kubernetes
rm -f /etc/resolv.conf
echo nameserver {nameserver} > /etc/resolv.conf
: > {ready}
exec sleep infinity
",
        ready = ready.display(),
    )
}

fn containerd_config(dir: &Path, mirrors: &Path) -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  # Without the right to lower it, every container would fail to start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI}"
    conf_dir = "{dir}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{mirrors}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"#,
        dir = dir.display(),
        mirrors = mirrors.display(),
    )
}

/// Where the kubelet keeps the containers' output, as the host sees it.
pub(crate) fn pod_logs(node_dir: &Path) -> Result<Vec<PathBuf>> {
    let root = node_dir.join("own/var/log/pods");
    let mut logs = vec![];
    for pod in fs::read_dir(&root)
        .with_context(|| format!("{}", root.display()))?
        .flatten()
    {
        for container in fs::read_dir(pod.path()).into_iter().flatten().flatten() {
            let files = fs::read_dir(container.path())
                .into_iter()
                .flatten()
                .flatten();
            logs.extend(files.map(|file| file.path()));
        }
    }
    Ok(logs)
}
