//! Real Kubernetes clusters on this machine, for the demo and the end-to-end tests, without a container engine.
//!
//! The path of `testbed up --cluster west=2`, in ten lines:
//! 1. `programs.rs` has `programs.sh` build what is missing (once), and checks the machine.
//! 2. `state.rs` takes a slot and writes the plan; `slot.rs` says which addresses and names that means.
//! 3. `network.rs` makes the bridge, one namespace per node and the rule that lets nothing new in; `cgroup.rs` the cgroups.
//! 4. `pki.rs`, `kubeconfig.rs`: one authority per cluster; a certificate for each program and each `user.rs`.
//! 5. `node.rs` makes the machines (a view of the file system of their own) and starts containerd, kubelet, kube-proxy.
//! 6. `control_plane.rs` starts etcd, API server, controllers, on the cluster's first machine.
//! 7. `doorway.rs` is how people's kubectl gets in; `registry.rs` and `image.rs` are where images come from.
//! 8. `process.rs` records each program; `wait.rs` waits for it, with an end and with its log.
//! 9. `cluster.rs` is what a test holds; `webhook.rs` and `dump.rs` are two things it can do.
//! 10. `sweep.rs` ends all of it, also after a crash; `up.rs` and `testbed.rs` put the steps in order.

mod cgroup;
mod cluster;
mod command;
mod control_plane;
pub mod doorway;
mod dump;
mod image;
mod kubeconfig;
mod network;
mod node;
mod pki;
mod process;
mod programs;
mod progress;
mod registry;
mod slot;
pub mod stack;
mod state;
mod sweep;
mod testbed;
mod up;
mod user;
pub mod wait;
mod webhook;

pub use cluster::Cluster;
pub use process::Recorded;
pub use programs::Programs;
pub use progress::Progress;
pub use slot::Slot;
pub use state::{ClusterRecord, NodeRecord, Record, Stage};
pub use testbed::Testbed;
pub use up::{ClusterRequest, NodeLabel, OnFailure, UpRequest};
pub use user::User;
