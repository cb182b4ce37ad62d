//! Bringing a testbed up: everything at once that does not wait for something else.
//!
//! Per cluster: certificates → machines → etcd, API server, doorway and containerds → controllers → kubelets → ready.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::cluster::{Bed, Cluster, kubeconfig_of};
use crate::control_plane;
use crate::kubeconfig;
use crate::network;
use crate::node::Node;
use crate::pki::Pki;
use crate::process::{Launch, Place, Recorded};
use crate::programs::{Programs, check_disk, check_machine, own_program};
use crate::progress::Progress;
use crate::registry;
use crate::slot::Slot;
use crate::state::{ClusterRecord, NodeRecord, Record, Stage, StateDir, claim_slot};
use crate::sweep;
use crate::testbed::{Testbed, remove};
use crate::user::User;
use crate::wait::{self, Look};

/// 3 s on an idle machine.
const NODES_LIMIT: Duration = Duration::from_secs(90);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct UpRequest {
    pub state: PathBuf,
    /// The first free one when none is asked for.
    pub slot: Option<Slot>,
    pub clusters: Vec<ClusterRequest>,
    pub labels: Vec<NodeLabel>,
    pub on_failure: OnFailure,
}

/// What becomes of a testbed that does not come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Remove,
    /// Logs and programs stay, for somebody to look at; the next `up` or `down` removes them.
    Keep,
}

/// `NAME` or `NAME=NODES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterRequest {
    pub name: String,
    pub nodes: u8,
}

impl FromStr for ClusterRequest {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<ClusterRequest> {
        let (name, nodes) = text.split_once('=').unwrap_or((text, "1"));
        let nodes = nodes
            .parse()
            .with_context(|| format!("{text:?}: NODES is a number"))?;
        Ok(ClusterRequest {
            name: name.to_owned(),
            nodes,
        })
    }
}

/// `NODE:KEY=VALUE`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLabel {
    node: String,
    label: String,
}

impl FromStr for NodeLabel {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<NodeLabel> {
        match text.split_once(':') {
            Some((node, label)) if label.contains('=') => Ok(NodeLabel {
                node: node.into(),
                label: label.into(),
            }),
            _ => bail!("{text:?}: a node's label is NODE:KEY=VALUE"),
        }
    }
}

impl Testbed {
    /// Starts the clusters, or finds them running. Leftovers of a crash are removed first.
    ///
    /// # Errors
    /// The folder holds other clusters than these, the machine lacks something, or a program does not come up (with its
    /// last log lines); then nothing is left behind, unless the request says so.
    pub fn up(request: &UpRequest, progress: Progress) -> Result<Testbed> {
        check_machine()?;
        let programs = Programs::build()?;
        let state = StateDir::open(&request.state)?;
        let _held = state.lock()?;
        let mut asked = request.slot;
        if let Some(old) = state.record()? {
            let testbed = Testbed::of(state.clone(), old.clone());
            refuse_other(&old, request)?;
            let wrong = testbed.judge_health()?;
            if wrong.is_empty() {
                progress.say(format!("already up in slot {}", old.slot));
                return Ok(testbed);
            }
            progress.say(format!(
                "removing what is left of a testbed: {}",
                wrong.join("; ")
            ));
            remove(&state, &old)?;
            asked = asked.or(Some(old.slot));
            fs::create_dir_all(state.path())?;
        }
        check_disk(state.path())?;
        let record = claim(&state, request, asked, &programs, progress)?;
        match start(&state, record.clone(), &request.labels, progress) {
            Ok(testbed) => Ok(testbed),
            Err(error) => Err(give_up(&state, &record, request.on_failure, error)),
        }
    }
}

fn refuse_other(old: &Record, request: &UpRequest) -> Result<()> {
    // More nodes than asked for: somebody added one.
    let same = |(known, asked): (&ClusterRecord, &ClusterRequest)| {
        known.name == asked.name && known.nodes.len() >= asked.nodes.into()
    };
    let all = old.clusters.len() == request.clusters.len()
        && old.clusters.iter().zip(&request.clusters).all(same);
    if !all || request.slot.is_some_and(|slot| slot != old.slot) {
        let clusters = old
            .clusters
            .iter()
            .map(|cluster| format!("{}={}", cluster.name, cluster.nodes.len()));
        let clusters: Vec<String> = clusters.collect();
        bail!(
            "this state folder holds {} in slot {}: `testbed down` first, or take another folder",
            clusters.join(" "),
            old.slot
        );
    }
    Ok(())
}

/// Takes a slot, plans, and records the plan before anything of it is made, so that `down` knows what to look for.
fn claim(
    state: &StateDir,
    request: &UpRequest,
    asked: Option<Slot>,
    programs: &Programs,
    progress: Progress,
) -> Result<Record> {
    if request.clusters.is_empty() {
        bail!("a testbed needs a cluster: --cluster NAME[=NODES]");
    }
    let claim = claim_slot(asked, state)?;
    let slot = claim.slot;
    if let Some(vanished) = claim.vanished {
        progress.say(format!(
            "slot {slot}: removing what {} left behind",
            vanished.path().display()
        ));
        sweep::sweep(slot, &vanished)?;
    }
    sweep::sweep(slot, state)?;
    let mut clusters = vec![];
    for (index, asked) in (0..).zip(&request.clusters) {
        if clusters
            .iter()
            .any(|other: &ClusterRecord| other.name == asked.name)
        {
            bail!("cluster {:?} is asked for twice", asked.name);
        }
        clusters.push(ClusterRecord::plan(slot, index, &asked.name, asked.nodes)?);
    }
    let record = Record {
        slot,
        programs: programs.folder().to_owned(),
        hub_address: slot.hub_address(),
        registry: slot.registry().to_string(),
        clusters,
        stage: Stage::Starting,
    };
    state.save(&record)?;
    Ok(record)
}

fn give_up(
    state: &StateDir,
    record: &Record,
    on_failure: OnFailure,
    error: anyhow::Error,
) -> anyhow::Error {
    match on_failure {
        OnFailure::Keep => error.context(format!(
            "the testbed did not come up; everything stays in {}",
            state.path().display()
        )),
        OnFailure::Remove => match remove(state, record) {
            Ok(()) => {
                error.context("the testbed did not come up; what was started has been removed")
            }
            Err(left) => error.context(format!(
                "the testbed did not come up, nor could all be removed ({left:#})"
            )),
        },
    }
}

fn start(
    state: &StateDir,
    mut record: Record,
    labels: &[NodeLabel],
    progress: Progress,
) -> Result<Testbed> {
    let names: Vec<&str> = record
        .clusters
        .iter()
        .map(|cluster| cluster.name.as_str())
        .collect();
    progress.say(format!(
        "slot {}: starting {}",
        record.slot,
        names.join(", ")
    ));
    network::make_bridge(record.slot)?;
    install_own_program(state)?;
    thread::scope(|scope| {
        let registry = scope.spawn(|| {
            registry::start(state, &record).context("registry")?;
            progress.say("registry: images are offered");
            Ok(())
        });
        let clusters = record.clusters.iter().map(|cluster| {
            let bed = Bed {
                state: state.clone(),
                record: record.clone(),
                cluster: cluster.clone(),
            };
            scope.spawn(move || {
                start_cluster(&bed, progress)
                    .with_context(|| format!("cluster {}", bed.cluster.name))
            })
        });
        let started: Vec<_> = clusters.collect();
        started.into_iter().chain([registry]).try_for_each(join)
    })?;
    for label in labels {
        let cluster = record
            .clusters
            .iter()
            .find(|cluster| cluster.nodes.iter().any(|node| node.name == label.node));
        let cluster =
            cluster.with_context(|| format!("label {}: no node {}", label.label, label.node))?;
        Cluster::of(state, &record, cluster).admin(&[
            "label",
            "node",
            &label.node,
            &label.label,
            "--overwrite",
        ])?;
    }
    record.stage = Stage::Up;
    state.save(&record)?;
    progress.say("up");
    Ok(Testbed::of(state.clone(), record))
}

fn join(started: thread::ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    started
        .join()
        .unwrap_or_else(|_| Err(anyhow!("a thread that started it panicked")))
}

/// Restarts must start what ran before, though cargo may have built another since.
fn install_own_program(state: &StateDir) -> Result<()> {
    let target = state.testbed_program();
    fs::create_dir_all(state.path().join("bin"))?;
    fs::copy(own_program()?, &target).with_context(|| format!("{}", target.display()))?;
    Ok(())
}

fn start_cluster(bed: &Bed, progress: Progress) -> Result<()> {
    let cluster = &bed.cluster;
    let say = |line: &str| progress.say(format!("{}: {line}", cluster.name));
    let pki = Pki::of(&bed.state.cluster(&cluster.name));
    pki.make_cluster(cluster)?;
    let doorway_url = format!("https://127.0.0.1:{}", cluster.api_port);
    for user in User::ALL {
        let path = kubeconfig_of(&bed.state, &cluster.name, user);
        kubeconfig::write(&path, &pki, &cluster.name, user.short_name(), &doorway_url)?;
    }
    let nodes: Vec<Node<'_>> = cluster.nodes.iter().map(|node| bed.node(node)).collect();
    let first = bed.node(cluster.first_node()?);
    nodes.iter().try_for_each(Node::make_machine)?;
    network::route_between(&cluster.nodes)?;
    let api_server = control_plane::start_api_server(&first)?;
    let doorway = start_doorway(bed)?;
    say("machines are there, API server is starting");
    nodes.iter().try_for_each(Node::start_containerd)?;
    let handle = Cluster::of(&bed.state, &bed.record, cluster);
    control_plane::await_api_server(&api_server, &doorway, || {
        let answer = handle.admin(&["get", "--raw=/readyz", "--request-timeout=2s"]);
        answer.map(drop).map_err(|error| format!("{error:#}"))
    })?;
    say("API server is ready");
    control_plane::start_controllers(&first)?;
    let kubelets: Vec<Recorded> = nodes
        .iter()
        .map(Node::start_kubernetes)
        .collect::<Result<_>>()?;
    await_nodes(&handle, &kubelets)?;
    say(&format!(
        "{} of {} nodes are ready: {doorway_url}",
        kubelets.len(),
        kubelets.len()
    ));
    Ok(())
}

fn start_doorway(bed: &Bed) -> Result<Recorded> {
    let netns = &bed.cluster.first_node()?.netns;
    let name = bed.cluster.program("doorway");
    let argv = vec![
        bed.state.testbed_program().display().to_string(),
        "doorway".into(),
        format!("--port={}", bed.cluster.api_port),
        format!("--netns={}", netns.display()),
    ];
    let log = bed
        .state
        .cluster(&bed.cluster.name)
        .join("log")
        .join(format!("{name}.log"));
    bed.state.processes().start(Launch {
        name,
        argv,
        place: Place::Host,
        log,
    })
}

/// Nodes ready, and the `default` ServiceAccount there, without which a bare pod is refused.
fn await_nodes(cluster: &Cluster, kubelets: &[Recorded]) -> Result<()> {
    let found = wait::until("nodes ready", NODES_LIMIT, || {
        kubelets.iter().try_for_each(wait::still_alive)?;
        if let Err(seen) = cluster.judge_ready() {
            return Ok(Look::NotYet(seen));
        }
        Ok(
            match cluster.admin(&["get", "serviceaccount", "default", "--namespace=default"]) {
                Ok(_) => Look::Found(()),
                Err(error) => Look::NotYet(format!("{error:#}")),
            },
        )
    });
    kubelets.iter().fold(found, wait::with_log)
}

/// A node more for a cluster that runs.
pub(crate) fn add_node(
    state: &StateDir,
    record: &mut Record,
    index: usize,
    progress: Progress,
) -> Result<String> {
    let cluster = record.clusters.get_mut(index).context("no such cluster")?;
    let node: NodeRecord = cluster.plan_node(record.slot)?;
    let name = node.name.clone();
    cluster.nodes.push(node.clone());
    let cluster = cluster.clone();
    state.save(record)?;
    let bed = Bed {
        state: state.clone(),
        record: record.clone(),
        cluster,
    };
    let added = bed.node(&node);
    added.make_machine()?;
    network::route_between(&bed.cluster.nodes)?;
    added.start_containerd()?;
    let kubelet = added.start_kubernetes()?;
    await_nodes(&Cluster::of(state, record, &bed.cluster), &[kubelet])?;
    progress.say(format!("node {name} is ready"));
    Ok(name)
}
