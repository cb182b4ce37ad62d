//! Who gets in, with real kubectl against a real API server that asks the agent.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::stack::Stack;
use breakglass_e2e::{Cluster, User};

use crate::Case;
use crate::story::{NAMESPACE, Running, Session, refused, works};

pub const CASES: &[Case] = &[
    (
        "access::owner_execs_by_websocket_and_by_spdy_attaches_and_forwards",
        owner_gets_in,
    ),
    (
        "access::logs_are_refused_by_default_and_open_where_the_template_says_so",
        logs,
    ),
    (
        "access::invited_participant_gets_in_after_joining_not_before",
        participant,
    ),
    (
        "access::same_group_but_not_in_the_session_is_refused_everything",
        stranger,
    ),
    (
        "access::owner_is_refused_on_a_pod_that_is_not_the_sessions",
        other_pod,
    ),
    ("access::s04_a_viewer_does_not_type", viewer),
    ("access::owner_sees_only_the_sessions_pod", narrow_get),
];

fn owner_gets_in(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    works(
        &session.exec(User::Alice, &pod, &["id", "-u"])?,
        "exec by WebSocket",
    )?;
    let mut spdy = session.cluster.kubectl_command(User::Alice)?;
    spdy.env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        .args(["exec", "-n", NAMESPACE, &pod, "--", "id", "-u"]);
    works(&spdy.output()?, "exec by SPDY")?;
    let attach = ["attach", "-n", NAMESPACE, &pod];
    Running::kubectl(&session.cluster, User::Alice, &attach, "tick", &[]).context("attach")?;
    for websockets in ["true", "false"] {
        forward(&session.cluster, &pod, websockets)
            .with_context(|| format!("port-forward, WebSocket {websockets}"))?;
    }
    session.end()?;
    refused(
        &session.exec(User::Alice, &pod, &["id"])?,
        "exec after the end",
    )
}

fn forward(cluster: &Cluster, pod: &str, websockets: &str) -> Result<()> {
    let args = ["port-forward", "-n", NAMESPACE, pod, ":8080"];
    let env = [("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets)];
    let (_running, line) = Running::kubectl(
        cluster,
        User::Alice,
        &args,
        "Forwarding from 127.0.0.1:",
        &env,
    )?;
    let port = line
        .split(':')
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .context("no port in kubectl's line")?;
    let mut socket = TcpStream::connect(("127.0.0.1", port.parse()?))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    socket.write_all(b"GET /passwd HTTP/1.0\r\n\r\n")?;
    let mut page = String::new();
    socket.read_to_string(&mut page)?;
    ensure!(
        page.contains("root:"),
        "the pod's page came back as {page:?}"
    );
    Ok(())
}

fn logs(stack: &Stack) -> Result<()> {
    let closed = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = closed.pod()?;
    refused(
        &closed
            .cluster
            .kubectl(User::Alice, &["logs", "-n", NAMESPACE, &pod])?,
        "logs by default",
    )?;
    closed.end()?;
    let open = Session::ready(stack, "west", "it-overrides", 2)?;
    let pod = open.pod()?;
    works(
        &open
            .cluster
            .kubectl(User::Alice, &["logs", "-n", NAMESPACE, &pod])?,
        "logs where they are on",
    )?;
    refused(
        &open.exec(User::Alice, &pod, &["id"])?,
        "exec where it is off",
    )?;
    open.end().map(drop)
}

fn participant(stack: &Stack) -> Result<()> {
    let session = Session::asked(stack, "west", "it-shell", &["--invite", "bob@example.com"])?;
    session.act(User::Carol, "approve", &[])?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    refused(
        &session.exec(User::Bob, &pod, &["id"])?,
        "exec by bob before he joined",
    )?;
    session.act(User::Bob, "join", &[])?;
    session.await_allowed(User::Bob, &pod)?;
    session.act(User::Bob, "leave", &[])?;
    session.await_refused(User::Bob, &pod)?;
    works(
        &session.exec(User::Alice, &pod, &["id"])?,
        "alice, after bob left",
    )?;
    session.end().map(drop)
}

fn stranger(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    let kubectl = |args: &[&str]| session.cluster.kubectl(User::Mallory, args);
    refused(
        &session.exec(User::Mallory, &pod, &["id"])?,
        "exec by mallory",
    )?;
    refused(
        &kubectl(&["attach", "-n", NAMESPACE, &pod])?,
        "attach by mallory",
    )?;
    refused(
        &kubectl(&["logs", "-n", NAMESPACE, &pod])?,
        "logs by mallory",
    )?;
    refused(
        &kubectl(&["port-forward", "-n", NAMESPACE, &pod, ":8080"])?,
        "port-forward by mallory",
    )?;
    let output = session.exec(User::Mallory, &pod, &["id"])?;
    // She named the pod herself; nothing beyond that is told.
    let said = String::from_utf8_lossy(&output.stderr).replace(&pod, "THE-POD");
    ensure!(
        !said.contains("alice") && !said.contains(&session.name),
        "a refusal tells of another's session: {said}"
    );
    let approve = stack.bgctl(
        User::Mallory,
        &["debug", "session", "approve", &session.name],
    )?;
    ensure!(!approve.status.success(), "mallory is no approver");
    session.end().map(drop)
}

fn other_pod(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    session.cluster.admin(&[
        "run",
        "other",
        "-n",
        NAMESPACE,
        "--image=busybox:latest",
        "--restart=Never",
        "--",
        "sleep",
        "600",
    ])?;
    session.cluster.admin(&[
        "wait",
        "-n",
        NAMESPACE,
        "--for=condition=Ready",
        "pod/other",
        "--timeout=60s",
    ])?;
    let result = refused(
        &session.exec(User::Alice, "other", &["id"])?,
        "exec in another pod",
    );
    session.cluster.admin(&[
        "delete",
        "pod",
        "other",
        "-n",
        NAMESPACE,
        "--grace-period=0",
        "--force",
    ])?;
    session.end()?;
    result
}

fn viewer(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    session.act(
        User::Alice,
        "invite",
        &["bob@example.com", "--role", "viewer"],
    )?;
    session.act(User::Bob, "join", &[])?;
    session.await_so("bob's stay", Duration::from_secs(10), |s| {
        s["status"]["participants"]
            .as_array()
            .is_some_and(|p| p.len() == 2)
    })?;
    refused(&session.exec(User::Bob, &pod, &["id"])?, "exec by a viewer")?;
    refused(
        &session
            .cluster
            .kubectl(User::Bob, &["attach", "-n", NAMESPACE, &pod])?,
        "attach by a viewer",
    )?;
    session.end().map(drop)
}

fn narrow_get(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-shell", 1)?;
    let pod = session.pod()?;
    let kubectl = |args: &[&str]| session.cluster.kubectl(User::Alice, args);
    works(
        &kubectl(&["get", "pod", "-n", NAMESPACE, &pod])?,
        "get of her pod",
    )?;
    refused(
        &kubectl(&["get", "pods", "-n", NAMESPACE])?,
        "list of the namespace",
    )?;
    refused(&kubectl(&["get", "pods", "-A"])?, "list of the cluster")?;
    refused(
        &kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"])?,
        "delete of her pod",
    )?;
    refused(&kubectl(&["get", "secrets", "-n", NAMESPACE])?, "secrets")?;
    session.end().map(drop)
}
