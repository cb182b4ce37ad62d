//! A cluster's control plane on its first node, and the API server's authorization and audit files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::kubeconfig;
use crate::node::Node;
use crate::pki::Pki;
use crate::process::{Recorded, write_whole};
use crate::programs::Programs;
use crate::wait::{self, Look};

/// 4 s when the machine has nothing else to do; two clusters start at once on two cores.
const API_SERVER_LIMIT: Duration = Duration::from_secs(90);

/// Node and RBAC, and nothing else: what a cluster has before anybody lays a webhook beside it.
pub(crate) const PLAIN_AUTHORIZATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- {type: Node, name: node}
- {type: RBAC, name: rbac}
";

/// `DIR/CLUSTER/apiserver`
pub(crate) fn api_server_dir(cluster_dir: &Path) -> PathBuf {
    cluster_dir.join("apiserver")
}

pub(crate) fn authorization_file(cluster_dir: &Path) -> PathBuf {
    api_server_dir(cluster_dir).join("authorization.yaml")
}

pub(crate) fn audit_log(cluster_dir: &Path) -> PathBuf {
    api_server_dir(cluster_dir).join("audit.log")
}

/// Starts etcd and the API server; they are not waited for.
pub(crate) fn start_api_server(first: &Node<'_>) -> Result<Recorded> {
    let dir = first.state.cluster(&first.cluster.name);
    write_whole(&authorization_file(&dir), PLAIN_AUTHORIZATION.as_bytes())?;
    write_whole(
        &api_server_dir(&dir).join("audit-policy.yaml"),
        &audit_policy()?,
    )?;
    let programs = Programs::at(&first.record.programs);
    let processes = first.state.processes();
    let etcd = [
        format!("--data-dir={}", dir.join("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".into(),
        "--advertise-client-urls=http://127.0.0.1:2379".into(),
        "--listen-peer-urls=http://127.0.0.1:2380".into(),
        // A testbed does not outlive a power cut, and the disk is the slowest part of this machine.
        "--unsafe-no-fsync".into(),
    ];
    processes.start(first.launch(
        &first.cluster.program("etcd"),
        argv(programs.path("etcd"), etcd),
    ))?;
    let api_server = argv(
        programs.path("kube-apiserver"),
        api_server_flags(first, &dir),
    );
    processes.start(first.launch(&first.cluster.program("kube-apiserver"), api_server))
}

/// Starts what works on the API server's objects, once it answers.
pub(crate) fn start_controllers(first: &Node<'_>) -> Result<()> {
    let dir = first.state.cluster(&first.cluster.name);
    let pki = Pki::of(&dir);
    let programs = Programs::at(&first.record.programs);
    let processes = first.state.processes();
    for name in ["kube-controller-manager", "kube-scheduler"] {
        let config = dir.join("control-plane").join(format!("{name}.kubeconfig"));
        kubeconfig::write(
            &config,
            &pki,
            &first.cluster.name,
            name,
            &first.cluster.api_url,
        )?;
        let own = config.display();
        let mut flags = vec![
            format!("--kubeconfig={own}"),
            format!("--authentication-kubeconfig={own}"),
            format!("--authorization-kubeconfig={own}"),
            "--leader-elect=false".into(),
        ];
        if name == "kube-controller-manager" {
            flags.extend([
                format!(
                    "--service-account-private-key-file={}",
                    pki.key("sa").display()
                ),
                format!("--root-ca-file={}", pki.certificate("ca").display()),
                format!(
                    "--cluster-signing-cert-file={}",
                    pki.certificate("ca").display()
                ),
                format!("--cluster-signing-key-file={}", pki.key("ca").display()),
                format!("--cluster-cidr={}", first.cluster.pods_cidr),
                "--use-service-account-credentials=true".into(),
                // Each node's pods were given their subnet by the testbed.
                "--allocate-node-cidrs=false".into(),
            ]);
        }
        processes.start(first.launch(
            &first.cluster.program(name),
            argv(programs.path(name), flags),
        ))?;
    }
    Ok(())
}

/// Waits until the API server, asked through the doorway as a person would, says that it is ready.
pub(crate) fn await_api_server(
    api_server: &Recorded,
    doorway: &Recorded,
    ready: impl Fn() -> Result<(), String>,
) -> Result<()> {
    let found = wait::until("the API server's /readyz", API_SERVER_LIMIT, || {
        wait::still_alive(api_server)?;
        wait::still_alive(doorway)?;
        Ok(match ready() {
            Ok(()) => Look::Found(()),
            Err(seen) => Look::NotYet(seen),
        })
    });
    wait::with_log(found, api_server)
}

fn argv(program: String, flags: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(program).chain(flags).collect()
}

fn api_server_flags(first: &Node<'_>, dir: &Path) -> Vec<String> {
    let pki = Pki::of(dir);
    let own = api_server_dir(dir);
    let cert = |name: &str| pki.certificate(name).display().to_string();
    let key = |name: &str| pki.key(name).display().to_string();
    let cluster = first.cluster;
    vec![
        "--etcd-servers=http://127.0.0.1:2379".into(),
        format!("--secure-port={}", cluster.api_port),
        format!("--advertise-address={}", first.node.address),
        format!("--service-cluster-ip-range={}", cluster.services_cidr),
        format!("--tls-cert-file={}", cert("apiserver")),
        format!("--tls-private-key-file={}", key("apiserver")),
        format!("--client-ca-file={}", cert("ca")),
        format!(
            "--service-account-key-file={}",
            pki.public_key("sa").display()
        ),
        format!("--service-account-signing-key-file={}", key("sa")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        format!("--kubelet-client-certificate={}", cert("kubelet-client")),
        format!("--kubelet-client-key={}", key("kubelet-client")),
        format!("--kubelet-certificate-authority={}", cert("ca")),
        "--kubelet-preferred-address-types=InternalIP".into(),
        format!("--requestheader-client-ca-file={}", cert("front-proxy-ca")),
        "--requestheader-allowed-names=front-proxy-client".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
        format!("--proxy-client-cert-file={}", cert("front-proxy-client")),
        format!("--proxy-client-key-file={}", key("front-proxy-client")),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--allow-privileged=true".into(),
        format!(
            "--authorization-config={}",
            authorization_file(dir).display()
        ),
        format!(
            "--audit-policy-file={}",
            own.join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", audit_log(dir).display()),
        // 100 MB: a long test run of pod requests is a tenth of that.
        "--audit-log-maxsize=100".into(),
        "--audit-log-maxbackup=1".into(),
    ]
}

/// Who asked what of pods and of the streams into them; nothing of the kubelets' and controllers' own work.
fn audit_policy() -> Result<Vec<u8>> {
    let pods = json!([{"group": "", "resources": ["pods", "pods/*"]}]);
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "None", "users": ["system:kube-scheduler", "system:kube-controller-manager", "system:apiserver"]},
            {"level": "Metadata", "resources": pods},
            {"level": "None"},
        ],
    });
    Ok(serde_json::to_vec_pretty(&policy)?)
}
