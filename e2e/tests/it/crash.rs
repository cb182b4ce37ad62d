//! Killed in the middle: hub, agent, API server. The end state is the same.

use std::time::Duration;

use anyhow::{Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};

use crate::Case;
use crate::story::{Running, Session, refused, works};

pub const CASES: &[Case] = &[
    (
        "crash::without_the_hub_access_goes_on_and_expiry_is_on_time",
        hub_gone,
    ),
    (
        "crash::without_the_agent_nobody_gets_in_and_nothing_is_lost",
        agent_gone,
    ),
    (
        "crash::agent_killed_while_it_deploys_and_while_it_ends",
        agent_killed_in_the_middle,
    ),
    (
        "crash::api_server_killed_while_a_session_ends",
        api_server_killed,
    ),
    (
        "crash::hub_killed_right_after_approve_and_right_after_terminate",
        hub_killed_in_the_middle,
    ),
];

const AGENT: &str = "breakglass-agent";

fn hub_gone(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &["--duration", "25s"])?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    stack.hub()?.kill()?;
    works(
        &session.exec(User::Alice, &pod, &["true"])?,
        "exec without the hub",
    )?;
    shell.await_cut(Duration::from_secs(25 + 15))?;
    refused(
        &session.exec(User::Alice, &pod, &["true"])?,
        "exec after expiry without the hub",
    )?;
    wait::until(
        "the pod's removal without the hub",
        Duration::from_secs(20),
        || {
            let left =
                session
                    .cluster
                    .admin(&["get", "pods", "-n", "breakglass-debug", "-o", "name"])?;
            Ok(if left.contains(&pod) {
                Look::NotYet(left)
            } else {
                Look::Found(())
            })
        },
    )?;
    stack.start_hub()?;
    session.await_end("Expired").map(drop)
}

fn scale(session: &Session<'_>, replicas: u8) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    session
        .cluster
        .admin(&["scale", "deployment", AGENT, "-n", AGENT, &replicas])?;
    Ok(())
}

fn kill_agent(session: &Session<'_>) -> Result<()> {
    // No grace: as a crash of its node would look to it.
    let args = [
        "delete",
        "pods",
        "-n",
        AGENT,
        "--all",
        "--grace-period=0",
        "--force",
    ];
    session.cluster.admin(&args).map(drop)
}

fn agent_gone(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    scale(&session, 0)?;
    let gone = [
        "wait",
        "-n",
        AGENT,
        "--for=delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=breakglass-agent",
        "--timeout=60s",
    ];
    session.cluster.admin(&gone)?;
    for _ in 0..3 {
        let output = session.exec(User::Alice, &pod, &["true"])?;
        ensure!(
            !output.status.success(),
            "somebody gets in while the agent is gone"
        );
    }
    ensure!(
        shell.is_open()?,
        "what was open before goes on: only its end is the agent's"
    );
    scale(&session, 1)?;
    session.await_allowed_within(User::Alice, &pod, Duration::from_secs(60))?;
    stack.await_connected("west")?;
    session.end().map(drop)
}

fn agent_killed_in_the_middle(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-nodes", &[])?;
    kill_agent(&session)?;
    session.await_pods(2)?;
    session.act(User::Alice, "terminate", &["--yes"])?;
    kill_agent(&session)?;
    let ended = session.await_end("Terminated")?;
    ensure!(
        ended["status"]["cleanup"]["remaining"]
            .as_array()
            .is_none_or(Vec::is_empty),
        "{}",
        ended["status"]["cleanup"]
    );
    let left = session.cluster.admin(&[
        "get",
        "all",
        "-A",
        "-l",
        &format!("breakglass.t-caas.telekom.com/session={}", session.name),
        "-o",
        "name",
    ])?;
    ensure!(left.trim().is_empty(), "left: {left}");
    Ok(())
}

fn api_server_killed(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "east", "it-shell", 1)?;
    session.cluster.kill("kube-apiserver")?;
    session.act(User::Alice, "terminate", &["--yes"])?;
    session.cluster.restart("kube-apiserver")?;
    session.cluster.await_ready(Duration::from_secs(60))?;
    session.await_end("Terminated")?;
    let again = Session::ready(stack, "east", "it-shell", 1)?;
    let pod = again.pod()?;
    works(
        &again.exec(User::Alice, &pod, &["true"])?,
        "the next session, after the API server came back",
    )?;
    again.end().map(drop)
}

fn hub_killed_in_the_middle(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &[])?;
    stack.hub()?.kill()?;
    stack.start_hub()?;
    session.await_pods(1)?;
    session.act(User::Alice, "terminate", &["--yes"])?;
    stack.hub()?.kill()?;
    stack.start_hub()?;
    session.await_end("Terminated").map(drop)
}
