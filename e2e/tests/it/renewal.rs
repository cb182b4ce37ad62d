//! Renewal moves the real end of access; removal and notify-only end it for people while pods go on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::User;
use breakglass_e2e::stack::Stack;
use breakglass_e2e::wait::{self, Look};
use serde_json::Value;

use crate::Case;
use crate::story::{GONE, NAMESPACE, READY, Running, Session, refused, text, works};

pub const CASES: &[Case] = &[
    ("renewal::s12_a_renewal_moves_the_end_of_access", renewed),
    ("renewal::s07_a_renewal_under_approval", under_approval),
    (
        "renewal::d07_remove_cuts_an_open_shell_and_others_get_into_the_new_pod",
        removed,
    ),
    ("renewal::s11_a_barred_person_is_out_everywhere", barred),
    (
        "renewal::s11_notify_only_keeps_the_workload_for_nobody",
        notify_only,
    ),
];

/// D1's limits are measured on a quiet machine (docs/FIGURES.md); here only that the stream is cut.
const CUT: Duration = Duration::from_secs(20);
/// A frame to the agent, its report, and a busy machine.
const LINK: Duration = Duration::from_secs(20);

fn expires_at(session: &Value) -> String {
    session["status"]["expiresAt"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn renewed(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &["--duration", "60s"])?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    let before = expires_at(&session.get()?);
    let asked = session.act(User::Alice, "renew", &["--extend-by", "30s"])?;
    ensure!(
        asked["status"]["pendingRenewal"]["waitsFor"] == "agent"
            || asked["status"]["renewalCount"] == 1,
        "a renewal waits for the agent: {}",
        asked["status"]["pendingRenewal"]
    );
    let counted = session.await_so("the renewal taken in", LINK, |session| {
        session["status"]["renewalCount"] == 1
    })?;
    let after = expires_at(&counted);
    ensure!(after > before, "{before} became {after}");
    ensure!(
        counted["status"]["pendingRenewal"].is_null(),
        "nothing waits any more"
    );
    // Past the first end: the same pod is still open, and nothing of it was touched (D4).
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    past(&before)?;
    works(
        &session.exec(User::Alice, &pod, &["true"])?,
        "exec past the first end",
    )?;
    ensure!(shell.is_open()?, "the shell is open past the first end");
    shell.await_cut(Duration::from_secs(40) + CUT)?;
    refused(
        &session.exec(User::Alice, &pod, &["true"])?,
        "exec past the second end",
    )?;
    session.await_end("Expired").map(drop)
}

/// Waits until the machine's clock is a second past a time of the hub.
fn past(time: &str) -> Result<()> {
    let time: jiff::Timestamp = time.parse().context("a time of the hub")?;
    let time = time + jiff::SignedDuration::from_secs(1);
    wait::until("the first end", Duration::from_secs(120), || {
        Ok(if jiff::Timestamp::now() > time {
            Look::Found(())
        } else {
            Look::NotYet(format!("it is before {time}"))
        })
    })
}

fn under_approval(stack: &Stack) -> Result<()> {
    let session = Session::ready(stack, "west", "it-renewal-approved", 1)?;
    let before = expires_at(&session.get()?);
    let asked = session.act(User::Alice, "renew", &["--extend-by", "10m"])?;
    let id = text(&asked["status"]["pendingRenewal"]["id"])?;
    ensure!(
        expires_at(&asked) == before,
        "nothing is extended before it is approved"
    );
    session.act(User::Carol, "approve", &["--renewal", &id])?;
    let counted = session.await_so("the renewal taken in", LINK, |session| {
        session["status"]["renewalCount"] == 1
    })?;
    ensure!(expires_at(&counted) > before, "the end moved");
    ensure!(
        session
            .act(User::Carol, "approve", &["--renewal", &id])
            .is_err(),
        "one approval counts once"
    );
    session.end().map(drop)
}

fn removed(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &["--invite", "bob@example.com"])?;
    session.await_pods(1)?;
    session.act(User::Bob, "join", &[])?;
    let pod = session.pod()?;
    session.await_allowed(User::Bob, &pod)?;
    let mut shell = Running::shell(&session, User::Bob, &pod)?;
    ensure!(shell.is_open()?, "bob's shell is open before");
    session.act(User::Alice, "remove", &["--user", "bob@example.com"])?;
    let told = Instant::now();
    let cut = shell.await_cut(CUT)?.duration_since(told);
    println!("remove → stream cut: {} ms", cut.as_millis());
    let replaced = session.await_so("the replaced pod", READY, |session| {
        session["status"]["podReplacement"]["completed"] == 1
            && session["status"]["allowedPods"]
                .as_array()
                .is_some_and(|pods| pods.len() == 1 && pods[0]["ready"] == Value::Bool(true))
    })?;
    let fresh = text(&replaced["status"]["allowedPods"][0]["name"])?;
    ensure!(fresh != pod, "the pod is another one");
    session.await_allowed(User::Alice, &fresh)?;
    refused(&session.exec(User::Bob, &fresh, &["true"])?, "exec by bob")?;
    ensure!(
        session.act(User::Bob, "join", &[]).is_err(),
        "who was removed does not join again"
    );
    session.end().map(drop)
}

fn barred(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-shell", &["--invite", "bob@example.com"])?;
    session.await_pods(1)?;
    session.act(User::Bob, "join", &[])?;
    let pod = session.pod()?;
    session.await_allowed(User::Bob, &pod)?;
    let mut shell = Running::shell(&session, User::Bob, &pod)?;
    stack.ask(User::Admin, &["person", "bar", "bob@example.com", "--yes"])?;
    let outcome = shell.await_cut(CUT).and_then(|_| {
        let asked = Session::asked(stack, "west", "it-shell", &[]);
        ensure!(asked.is_ok(), "others still ask");
        asked?.act(User::Alice, "terminate", &["--yes"])?;
        ensure!(
            session.act(User::Bob, "join", &[]).is_err(),
            "the barred do not join"
        );
        Ok(())
    });
    // Whatever came of it: the other tests need bob.
    stack.ask(User::Admin, &["person", "unbar", "bob@example.com"])?;
    outcome?;
    session.end().map(drop)
}

fn notify_only(stack: &Stack) -> Result<()> {
    let session = Session::approved(stack, "west", "it-notify-only", &["--duration", "30s"])?;
    session.await_pods(1)?;
    let pod = session.pod()?;
    let mut shell = Running::shell(&session, User::Alice, &pod)?;
    shell.await_cut(Duration::from_secs(35) + CUT)?;
    session.await_so("Expired", GONE, |session| {
        session["status"]["state"] == "Expired"
    })?;
    let fresh = wait::until("the new pod", READY, || {
        let selector = format!("breakglass.t-caas.telekom.com/session={}", session.name);
        let args = [
            "get", "pods", "-n", NAMESPACE, "-l", &selector, "-o", "name",
        ];
        let listed = session.cluster.kubectl(User::Admin, &args)?;
        let names = works(&listed, "listing the pods")?;
        let names: Vec<&str> = names
            .lines()
            .map(|n| n.trim_start_matches("pod/"))
            .collect();
        Ok(match names.as_slice() {
            [name] if *name != pod => Look::Found((*name).to_owned()),
            other => Look::NotYet(format!("{other:?}")),
        })
    })?;
    refused(
        &session.exec(User::Alice, &fresh, &["true"])?,
        "exec into the new pod",
    )?;
    ensure!(
        session
            .act(User::Alice, "renew", &["--extend-by", "1m"])
            .is_err(),
        "no renewal after the end"
    );
    let asked = session.act(User::Alice, "terminate", &["--yes"])?;
    ensure!(
        asked["status"]["state"] == "Expired",
        "it ended when it ended"
    );
    session.await_end("Expired").map(drop)
}
