//! Every route × who calls × the session's state → status, as a reviewed file: `hub/tests/golden/routes.txt`. Made by
//! really calling the router. A route without a line in [`CALLS`] fails here, so nobody can add one unseen.

use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use breakglass_hub::api::endpoint::Endpoint;
use breakglass_hub::api::endpoints;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::harness::{Actor, TestHub, name_of, request};

/// How each route is called: its id, what stands for `{name}` and `{namespace}/{name}`, and the body. `SESSION` is a
/// session in each of [`STATES`].
const CALLS: &[(&str, &str, &str)] = &[
    ("listDebugSessions", "", ""),
    (
        "createDebugSession",
        "",
        r#"{"templateRef": "approved-debug", "cluster": "west"}"#,
    ),
    ("getDebugSession", SESSION, ""),
    ("listDebugSessionEvents", SESSION, ""),
    ("listDebugSessionAudit", SESSION, ""),
    ("approveDebugSession", SESSION, "{}"),
    ("rejectDebugSession", SESSION, "{}"),
    (
        "inviteToDebugSession",
        SESSION,
        r#"{"users": ["zoe@example.com"]}"#,
    ),
    ("joinDebugSession", SESSION, "{}"),
    ("leaveDebugSession", SESSION, "{}"),
    (
        "removeFromDebugSession",
        SESSION,
        r#"{"user": "vera@example.com"}"#,
    ),
    ("renewDebugSession", SESSION, r#"{"extendBy": "10m"}"#),
    ("terminateDebugSession", SESSION, "{}"),
    ("listBarredPeople", "", ""),
    ("barPerson", "", r#"{"user": "zoe@example.com"}"#),
    ("unbarPerson", "", r#"{"user": "zoe@example.com"}"#),
    ("listDebugSessionTemplates", "", ""),
    ("getDebugSessionTemplate", "approved-debug", ""),
    ("listDebugSessionTemplateClusters", "approved-debug", ""),
    ("listClusterBindings", "", ""),
    ("getClusterBinding", "breakglass/none", ""),
    ("listDebugPodTemplates", "", ""),
    ("getDebugPodTemplate", "toolbox", ""),
    ("listClusters", "", ""),
    ("registerCluster", "", r#"{"name": "north"}"#),
    ("getCluster", "west", ""),
    ("acceptCluster", "north", "{}"),
    ("revokeCluster", "north", "{}"),
    ("putDebugPodTemplate", "tools", POD),
    ("deleteDebugPodTemplate", "none", ""),
    ("putDebugSessionTemplate", "none", "{}"),
    ("deleteDebugSessionTemplate", "none", ""),
    ("putClusterBinding", "breakglass/none", "{}"),
    ("deleteClusterBinding", "breakglass/none", ""),
    ("listDenyPolicies", "", ""),
    ("getDenyPolicy", "none", ""),
    ("putDenyPolicy", "none", "{}"),
    ("deleteDenyPolicy", "none", ""),
    ("putCluster", "none", "{}"),
    ("deleteCluster", "none", ""),
    ("watch", "", ""),
    (
        "explain",
        "",
        r#"{"templateRef": "approved-debug", "cluster": "west"}"#,
    ),
    ("clusterWebhookConfig", "north", r#"{"csrPem": "none"}"#),
];

const POD: &str = r#"{"apiVersion": "breakglass.t-caas.telekom.com/v1alpha1", "kind": "DebugPodTemplate", "metadata": {"name": "tools"},
    "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "busybox"}]}}}}"#;

const SESSION: &str = "SESSION";

/// Who calls. Nobody and a bad token come first, then people by what they are to the session.
const CALLERS: [&str; 9] = [
    "nobody",
    "badToken",
    "stranger",
    "teammate",
    "requester",
    "participant",
    "viewer",
    "approver",
    "admin",
];

const STATES: [&str; 3] = ["PendingApproval", "Active", "Terminated"];

fn caller(hub: &TestHub, who: &str) -> Option<Actor> {
    Some(match who {
        "nobody" => return None,
        "badToken" => hub.bearer("nobody-has-this-token-0123456789"),
        "stranger" => hub.eve(),
        "teammate" => hub.mallory(),
        "requester" => hub.alice(),
        "participant" => hub.bob(),
        "viewer" => hub.vera(),
        "approver" => hub.carol(),
        "admin" => hub.root(),
        other => panic!("who is {other}?"),
    })
}

/// A session of alice's with bob as participant and vera as viewer.
async fn session_in(hub: &TestHub, state: &str) -> String {
    let wish = json!({ "templateRef": "approved-debug", "cluster": "west", "invitedParticipants": ["bob@example.com"] });
    let session = name_of(&hub.alice().post("/debug-sessions", wish).await.created());
    let watchers = json!({ "users": ["vera@example.com"] });
    let invite = format!("/debug-sessions/{session}/invite");
    hub.alice().post(&invite, watchers).await.ok();
    if state == "PendingApproval" {
        return session;
    }
    hub.carol().verb("approve", &session).await.ok();
    hub.bob().verb("join", &session).await.ok();
    hub.vera().verb("join", &session).await.ok();
    if state == "Terminated" {
        hub.alice().verb("terminate", &session).await.ok();
    }
    session
}

/// The status alone: an answer may go on for ever.
async fn call(who: Option<Actor>, hub: &TestHub, request: Request<Body>) -> StatusCode {
    match who {
        Some(actor) => actor.open(request).await.status(),
        None => hub.send(request).await.status,
    }
}

/// The statuses of one route, one for each caller. A session that somebody changed is made anew for the next.
async fn statuses(hub: &TestHub, endpoint: &Endpoint, state: Option<&str>) -> Vec<String> {
    let (_, name, body) = CALLS
        .iter()
        .find(|(id, _, _)| *id == endpoint.id)
        .unwrap_or_else(|| panic!("{} has no line in CALLS of {}: say how it is called, run with UPDATE_GOLDEN=1 and review who may", endpoint.id, file!()));
    let method = Method::from_bytes(endpoint.method.as_str().to_uppercase().as_bytes()).unwrap();
    let mut session = None;
    let mut told = Vec::new();
    for who in CALLERS {
        let name = match (state, &session) {
            (Some(state), None) => session.insert(session_in(hub, state).await).clone(),
            (Some(_), Some(made)) => made.clone(),
            (None, _) => (*name).to_owned(),
        };
        let path = endpoint
            .path
            .replace("{namespace}/{name}", &name)
            .replace("{name}", &name);
        let asked = request(method.clone(), &path, Body::from(*body));
        let status = call(caller(hub, who), hub, asked).await;
        if method != Method::GET && status.is_success() {
            session = None;
        }
        told.push(status.as_u16().to_string());
    }
    told
}

#[tokio::test]
async fn who_may_call_what_is_the_reviewed_table() {
    let hub = TestHub::start().await;
    let mut out =
        "# route × caller × state of the session → status (hub/tests/it/rest/access_matrix.rs)\n"
            .to_owned();
    writeln!(
        out,
        "{:<18}{}",
        "#",
        CALLERS.map(|who| format!("{who:<12}")).concat().trim_end()
    )
    .unwrap();
    for endpoint in endpoints() {
        let method = endpoint.method.as_str().to_uppercase();
        writeln!(out, "\n{method} {}", endpoint.path).unwrap();
        let is_of_session = CALLS
            .iter()
            .any(|(id, name, _)| *id == endpoint.id && *name == SESSION);
        let states: Vec<Option<&str>> = if is_of_session {
            STATES.into_iter().map(Some).collect()
        } else {
            vec![None]
        };
        for state in states {
            let told = statuses(&hub, &endpoint, state).await;
            let told: String = told.iter().map(|status| format!("{status:<12}")).collect();
            writeln!(out, "  {:<16}{}", state.unwrap_or("-"), told.trim_end()).unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/routes.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &out).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == out,
        "who may call what changed; run with UPDATE_GOLDEN=1 and review hub/tests/golden/routes.txt. Now:\n{out}"
    );
}

#[test]
fn no_line_stands_for_a_route_that_is_gone() {
    let routes = endpoints();
    for (id, _, _) in CALLS {
        assert!(routes.iter().any(|endpoint| endpoint.id == *id), "{id}");
    }
}
