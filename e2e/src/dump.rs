//! Everything that explains a failed run, as files: what the clusters say, what their programs wrote, how the network was.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cluster::Cluster;
use crate::command::run_inside;
use crate::node::pod_logs;
use crate::progress::Progress;
use crate::testbed::Testbed;
use crate::user::User;

/// Of a longer log the end is kept: a chatty program must not fill the disk of whoever collects dumps.
const LOG_BYTES: u64 = 8 << 20;

/// What the administrator asks, and the file for the answer.
const QUESTIONS: [(&str, &[&str]); 8] = [
    (
        "all.txt",
        &[
            "get",
            "all,serviceaccounts,secrets,configmaps,roles,rolebindings",
            "--all-namespaces",
            "--output=wide",
        ],
    ),
    (
        "pods.yaml",
        &["get", "pods", "--all-namespaces", "--output=yaml"],
    ),
    ("pods.txt", &["describe", "pods", "--all-namespaces"]),
    (
        "workloads.txt",
        &[
            "describe",
            "deployments,daemonsets,replicasets,jobs",
            "--all-namespaces",
        ],
    ),
    (
        "events.txt",
        &[
            "get",
            "events",
            "--all-namespaces",
            "--sort-by=.lastTimestamp",
            "--output=wide",
        ],
    ),
    ("nodes.txt", &["describe", "nodes"]),
    ("namespaces.yaml", &["get", "namespaces", "--output=yaml"]),
    ("resource-kinds.txt", &["api-resources"]),
];

impl Testbed {
    /// Writes everything about every cluster below `to`. What cannot be asked any more leaves its error as the answer.
    pub fn dump(&self, to: &Path, progress: Progress) -> Result<()> {
        fs::create_dir_all(to).with_context(|| format!("{}", to.display()))?;
        fs::copy(self.folder().join("testbed.json"), to.join("testbed.json"))
            .context("testbed.json")?;
        let programs = self.judge_programs()?.into_iter();
        let lines = programs.map(|(name, pid)| {
            pid.map_or_else(
                || format!("dead        {name}\n"),
                |pid| format!("{pid:<11} {name}\n"),
            )
        });
        fs::write(to.join("programs.txt"), lines.collect::<String>())?;
        copy_logs(&self.folder().join("log"), &to.join("log"))?;
        for cluster in self.clusters() {
            cluster.dump(&to.join(cluster.name()))?;
            progress.say(format!(
                "{} is dumped to {}",
                cluster.name(),
                to.join(cluster.name()).display()
            ));
        }
        Ok(())
    }
}

impl Cluster {
    /// The same for one cluster, also for one that was attached by kubeconfig (then without its programs' logs).
    pub fn dump(&self, to: &Path) -> Result<()> {
        fs::create_dir_all(to.join("pods")).with_context(|| format!("{}", to.display()))?;
        for (file, question) in QUESTIONS {
            let words = [question, &["--request-timeout=20s"]].concat();
            fs::write(to.join(file), self.answer(&words))?;
        }
        for (namespace, pod) in self.pods() {
            let words = [
                "logs",
                &pod,
                "--namespace",
                &namespace,
                "--all-containers",
                "--prefix",
                "--timestamps",
                "--limit-bytes=8388608",
            ];
            fs::write(
                to.join("pods").join(format!("{namespace}.{pod}.log")),
                self.answer(&words),
            )?;
        }
        let Ok(bed) = self.bed("its programs") else {
            return Ok(());
        };
        let folder = self.folder()?;
        copy_logs(&folder.join("log"), &to.join("log"))?;
        copy_tail(
            &crate::control_plane::audit_log(&folder),
            &to.join("audit.log"),
        );
        copy_tail(
            &crate::control_plane::authorization_file(&folder),
            &to.join("authorization.yaml"),
        );
        for node in &bed.cluster.nodes {
            fs::write(
                to.join(format!("{}.network.txt", node.name)),
                network(&node.netns),
            )?;
            // Also of containers that the API server has forgotten.
            for log in pod_logs(&bed.node(node).dir()).unwrap_or_default() {
                let name = log
                    .components()
                    .rev()
                    .take(3)
                    .map(|part| part.as_os_str().to_string_lossy().into_owned());
                let name: Vec<String> = name.collect();
                copy_tail(
                    &log,
                    &to.join("pods").join(format!(
                        "{}.{}",
                        node.name,
                        name.iter().rev().cloned().collect::<Vec<_>>().join(".")
                    )),
                );
            }
        }
        Ok(())
    }

    fn answer(&self, words: &[&str]) -> Vec<u8> {
        match self.kubectl(User::Admin, words) {
            Ok(output) => [output.stdout, output.stderr].concat(),
            Err(error) => format!("{error:#}\n").into_bytes(),
        }
    }

    fn pods(&self) -> Vec<(String, String)> {
        let format = "--output=jsonpath={range .items[*]}{.metadata.namespace}{\" \"}{.metadata.name}{\"\\n\"}{end}";
        let list = self
            .admin(&[
                "get",
                "pods",
                "--all-namespaces",
                "--request-timeout=20s",
                format,
            ])
            .unwrap_or_default();
        list.lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(namespace, pod)| (namespace.into(), pod.into()))
            .collect()
    }
}

fn network(netns: &Path) -> String {
    let mut text = String::new();
    let questions: [&[&str]; 4] = [
        &["ip", "address"],
        &["ip", "route"],
        &["iptables-save", "-c"],
        &["conntrack", "-L"],
    ];
    for question in questions {
        let answer = run_inside(netns, question, "").unwrap_or_else(|error| format!("{error:#}\n"));
        text += &format!("== {}\n{answer}\n", question.join(" "));
    }
    text
}

fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{}", to.display()))?;
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        copy_tail(&entry.path(), &to.join(entry.file_name()));
    }
    Ok(())
}

/// A dump tells as much as it can: a log that vanishes meanwhile is no reason to stop.
fn copy_tail(from: &Path, to: &Path) {
    let copy = || -> std::io::Result<()> {
        let mut log = File::open(from)?;
        let skip = log.metadata()?.len().saturating_sub(LOG_BYTES);
        log.seek(SeekFrom::Start(skip))?;
        let mut bytes = vec![];
        log.take(LOG_BYTES).read_to_end(&mut bytes)?;
        fs::write(to, bytes)
    };
    copy().ok();
}
