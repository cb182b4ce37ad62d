//! A testbed that is up: its clusters, its registry, its end.

use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::cluster::Cluster;
use crate::progress::Progress;
use crate::registry;
use crate::state::{ClusterRecord, Record, Stage, StateDir, release_slot};
use crate::sweep;
use crate::up;

/// Several clusters side by side on this machine, known by their state folder.
#[derive(Clone, Debug)]
pub struct Testbed {
    state: StateDir,
    record: Record,
}

impl Testbed {
    pub(crate) fn of(state: StateDir, record: Record) -> Testbed {
        Testbed { state, record }
    }

    /// The testbed that was started with this state folder.
    pub fn attach(state: &Path) -> Result<Testbed> {
        if !state.exists() {
            bail!("no testbed in {}: `testbed up` starts one", state.display());
        }
        let state = StateDir::open(state)?;
        let record = state.record()?.with_context(|| {
            format!(
                "no testbed in {}: `testbed up` starts one",
                state.path().display()
            )
        })?;
        Ok(Testbed { state, record })
    }

    /// Ends everything that belongs to this state folder, also what crashed; nothing to end is fine.
    pub fn down(state: &Path, progress: Progress) -> Result<()> {
        if !state.exists() {
            progress.say(format!(
                "nothing to bring down: {} does not exist",
                state.display()
            ));
            return Ok(());
        }
        let state = StateDir::open(state)?;
        let _held = state.lock()?;
        let Some(record) = state.record()? else {
            progress.say(format!(
                "nothing to bring down in {}",
                state.path().display()
            ));
            return Ok(());
        };
        remove(&state, &record)?;
        progress.say(format!("slot {} is free, nothing is left", record.slot));
        Ok(())
    }

    pub fn folder(&self) -> &Path {
        self.state.path()
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Folder of kubectl, helm and crane.
    pub fn programs(&self) -> crate::programs::Programs {
        crate::programs::Programs::at(&self.record.programs)
    }

    pub fn clusters(&self) -> Vec<Cluster> {
        self.record
            .clusters
            .iter()
            .map(|cluster| Cluster::of(&self.state, &self.record, cluster))
            .collect()
    }

    pub fn cluster(&self, name: &str) -> Result<Cluster> {
        let cluster = self
            .record
            .clusters
            .iter()
            .find(|cluster| cluster.name == name);
        let cluster = cluster.with_context(|| {
            let known: Vec<&str> = self
                .record
                .clusters
                .iter()
                .map(|cluster| cluster.name.as_str())
                .collect();
            format!("no cluster {name:?}; there are {}", known.join(", "))
        })?;
        Ok(Cluster::of(&self.state, &self.record, cluster))
    }

    /// Offers an image archive (as `docker save` writes it) to every cluster under this name.
    pub fn load_image(&self, archive: &Path, name: &str) -> Result<()> {
        let _held = self.state.lock()?;
        registry::load(&self.state, &self.record, archive, name)
    }

    /// Adds a node to a running cluster and waits until it is ready; answers with its name.
    pub fn add_node(&mut self, cluster: &str, progress: Progress) -> Result<String> {
        let _held = self.state.lock()?;
        let index = self
            .record
            .clusters
            .iter()
            .position(|known| known.name == cluster);
        let index = index.with_context(|| format!("no cluster {cluster:?}"))?;
        up::add_node(&self.state, &mut self.record, index, progress)
    }

    /// Kills a program, by the name of its record (`registry`, `west.etcd`, `west-node-2.kubelet`), and starts it again.
    pub fn restart(&self, program: &str) -> Result<()> {
        if program == registry::PROGRAM {
            return registry::restart(&self.state, &self.record);
        }
        self.state.processes().restart(program).map(drop)
    }

    /// Every program that should run, and whether it does (its process number) or not.
    pub fn judge_programs(&self) -> Result<Vec<(String, Option<i32>)>> {
        let processes = self.state.processes();
        let judge = |name: String| {
            let alive = processes
                .find(&name)?
                .filter(crate::process::Recorded::is_alive);
            Ok((name, alive.map(|program| program.pid())))
        };
        expected_programs(&self.record)
            .into_iter()
            .map(judge)
            .collect()
    }

    /// What is wrong with it; nothing when everything runs and answers.
    pub fn judge_health(&self) -> Result<Vec<String>> {
        let mut wrong = vec![];
        if self.record.stage != Stage::Up {
            wrong.push("it never came up completely".to_owned());
        }
        let dead = self
            .judge_programs()?
            .into_iter()
            .filter(|(_, pid)| pid.is_none());
        wrong.extend(dead.map(|(name, _)| format!("{name} does not run")));
        if wrong.is_empty() {
            let clusters = self.clusters();
            let answers = thread::scope(|scope| {
                let asked: Vec<_> = clusters
                    .iter()
                    .map(|cluster| scope.spawn(|| cluster.judge_ready()))
                    .collect();
                asked
                    .into_iter()
                    .map(thread::ScopedJoinHandle::join)
                    .collect::<Vec<_>>()
            });
            for (cluster, answer) in clusters.iter().zip(answers) {
                match answer {
                    Ok(Ok(())) => {}
                    Ok(Err(seen)) => wrong.push(format!("cluster {}: {seen}", cluster.name())),
                    Err(_) => wrong.push(format!(
                        "cluster {}: its examination panicked",
                        cluster.name()
                    )),
                }
            }
        }
        Ok(wrong)
    }
}

/// Ends and removes everything of this record, and gives the slot back.
pub(crate) fn remove(state: &StateDir, record: &Record) -> Result<()> {
    sweep::sweep(record.slot, state)?;
    let clusters: Vec<String> = record
        .clusters
        .iter()
        .map(|cluster| cluster.name.clone())
        .collect();
    sweep::remove_files(state, &clusters)?;
    release_slot(record.slot, state)
}

fn expected_programs(record: &Record) -> Vec<String> {
    let control_plane = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "doorway",
    ];
    let of_node = ["machine", "containerd", "kubelet", "kube-proxy"];
    let of_cluster = |cluster: &ClusterRecord| {
        let mut names: Vec<String> = control_plane
            .iter()
            .map(|name| cluster.program(name))
            .collect();
        names.extend(
            cluster
                .nodes
                .iter()
                .flat_map(|node| of_node.iter().map(|name| node.program(name))),
        );
        names
    };
    let clusters = record.clusters.iter().flat_map(of_cluster);
    std::iter::once(registry::PROGRAM.to_owned())
        .chain(clusters)
        .collect()
}
