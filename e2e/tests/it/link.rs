//! Enrolment and the network: outbound only, tokens once, a revoked cluster is cut.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};

use crate::Case;
use crate::story::{Session, text};

pub const CASES: &[Case] = &[
    (
        "link::nothing_new_gets_into_the_clusters_network",
        outbound_only,
    ),
    (
        "link::only_admins_register_revoke_and_configure",
        admins_only,
    ),
    ("link::a_revoked_cluster_is_cut_and_stays_out", revoked),
];

fn outbound_only(stack: &Stack) -> Result<()> {
    for cluster in stack.testbed().clusters() {
        for node in cluster.nodes()? {
            let target = (node.address, cluster.api_port()?).into();
            let answer = TcpStream::connect_timeout(&target, Duration::from_secs(1));
            ensure!(answer.is_err(), "{target} can be reached from outside");
        }
        // And yet its agent comes through.
        stack.await_connected(cluster.name())?;
    }
    Ok(())
}

fn admins_only(stack: &Stack) -> Result<()> {
    for args in [
        &["cluster", "register", "north"][..],
        &["cluster", "revoke", "west", "--yes"],
        &["cluster", "webhook-config", "west"],
    ] {
        let output = stack.bgctl(User::Alice, args)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && said.contains("admins"),
            "{args:?} as alice: {said}"
        );
    }
    Ok(())
}

/// Last of all: the cluster needs a new agent afterwards.
fn revoked(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "east", "it-shell", 1)?;
    stack.ask(User::Admin, &["cluster", "revoke", "east", "--yes"])?;
    wait::until("the cut", Duration::from_secs(10), || {
        Ok(if stack.is_connected("east")? {
            Look::NotYet("connected".into())
        } else {
            Look::Found(())
        })
    })?;
    // It goes on there, and says that nobody reaches it.
    let shown = stack.ask(User::Alice, &["debug", "session", "get", &session.name])?;
    let status = &shown["status"];
    ensure!(
        status["state"] == "Active" && status["conditions"][0]["reason"] == "ClusterRevoked",
        "{status}"
    );
    // The agent comes back, is told 403, and says so.
    wait::until("the agent's own words", Duration::from_secs(45), || {
        let log = session.cluster.admin(&[
            "-n",
            "breakglass-agent",
            "logs",
            "deployment/breakglass-agent",
            "--tail=30",
        ])?;
        Ok(if log.contains("revoked") {
            Look::Found(())
        } else {
            Look::NotYet(log)
        })
    })?;
    ensure!(
        !stack.is_connected("east")?,
        "a revoked certificate lets nobody in again"
    );
    let refused = stack.bgctl(
        User::Alice,
        &[
            "debug",
            "session",
            "create",
            "--template",
            "it-shell",
            "--cluster",
            "east",
            "--reason",
            "after the revoke",
        ],
    )?;
    ensure!(
        !refused.status.success(),
        "no new session on a revoked cluster: {}",
        text(&serde_json::Value::from(String::from_utf8_lossy(
            &refused.stdout
        )))?
    );
    Ok(())
}
