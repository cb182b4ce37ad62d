//! Requests that are wrong, each in its own way: each is refused with a precise error and changes nothing.

use axum::body::Body;
use breakglass_protocol::limits::{MAX_BODY_BYTES, MAX_DEPTH, MAX_PEOPLE_PER_SESSION};
use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::harness::{Actor, Answer, TestHub, detail, request};

/// One wrong request, by alice unless said otherwise, and what she is told.
struct Wrong {
    by: fn(&TestHub) -> Actor,
    method: Method,
    /// `{session}` is a running session of alice's.
    path: String,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
    /// The field that the error names; "" where it is the request as a whole.
    field: &'static str,
    says: &'static str,
}

impl Wrong {
    fn new(method: Method, path: &str, body: impl Into<Vec<u8>>) -> Self {
        let (path, body) = (path.to_owned(), body.into());
        Self {
            by: TestHub::alice,
            method,
            path,
            body,
            status: 0,
            code: "",
            field: "",
            says: "",
        }
    }

    fn by(self, by: fn(&TestHub) -> Actor) -> Self {
        Self { by, ..self }
    }

    fn malformed(self, field: &'static str, says: &'static str) -> Self {
        Self {
            status: 400,
            code: "malformed",
            field,
            says,
            ..self
        }
    }

    fn constraint(self, field: &'static str, says: &'static str) -> Self {
        Self {
            status: 422,
            code: "constraint",
            field,
            says,
            ..self
        }
    }

    fn forbidden(self, field: &'static str, says: &'static str) -> Self {
        Self {
            status: 403,
            code: "forbidden",
            field,
            says,
            ..self
        }
    }

    fn not_found(self, field: &'static str, says: &'static str) -> Self {
        Self {
            status: 404,
            code: "notFound",
            field,
            says,
            ..self
        }
    }

    async fn send(&self, hub: &TestHub, session: &str) -> Answer {
        let path = self.path.replace("{session}", session);
        (self.by)(hub)
            .send(request(
                self.method.clone(),
                &path,
                Body::from(self.body.clone()),
            ))
            .await
    }
}

fn post(path: &str, body: &str) -> Wrong {
    Wrong::new(Method::POST, path, body)
}

fn get(path: &str) -> Wrong {
    Wrong::new(Method::GET, path, "")
}

/// A request for a session, as text.
fn create(body: &str) -> Wrong {
    post("/debug-sessions", body)
}

/// A good request for `template` on `west`, with something more in it.
fn asks(template: &str, more: Value) -> Wrong {
    let mut body = json!({ "templateRef": template, "cluster": "west" });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    create(&body.to_string())
}

fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    format!(
        r#"{{"templateRef": "quick-debug", "cluster": "west", "extraDeployValues": {{"a": {open}{close}}}}}"#
    )
}

fn unreadable() -> Vec<Wrong> {
    let large = format!(r#"{{"reason": "{}"}}"#, "x".repeat(MAX_BODY_BYTES));
    vec![
        create("").malformed("", "is not JSON: EOF"),
        create("templateRef=quick-debug").malformed("", "is not JSON: expected"),
        create(r#"{"templateRef": "quick-debug", "cluster": "west"}}"#).malformed("", "trailing characters"),
        create(r#"["quick-debug", "west"]"#).malformed("", "must be a JSON object"),
        create(r#"{"templateRef": "quick-debug", "cluster": "west", "colour": "blue"}"#)
            .malformed("colour", "unknown field `colour`"),
        create(r#"{"templateRef": "quick-debug", "cluster": "west", "cluster": "east-1"}"#)
            .malformed("cluster", "is given twice"),
        create(r#"{"templateRef": 7, "cluster": "west"}"#).malformed("templateRef", "expected a string"),
        create(r#"{"templateRef": null, "cluster": "west"}"#).malformed("templateRef", "expected a string"),
        create(r#"{"templateRef": "quick-debug", "cluster": "west", "invitedParticipants": ["bob@example.com", 3]}"#)
            .malformed("invitedParticipants[1]", "expected a string"),
        create(r#"{"cluster": "west"}"#).malformed("templateRef", "is required"),
        create(r#"{"templateRef": "quick-debug"}"#).malformed("cluster", "is required"),
        Wrong::new(Method::POST, "/debug-sessions", b"{\"templateRef\": \"\xff\"}".to_vec())
            .malformed("", "is not JSON: invalid unicode"),
        Wrong { status: 413, code: "tooLarge", says: "longer than 1048576 bytes", ..create(&large) },
        create(&nested(MAX_DEPTH)).malformed("*", "is nested more than 64 deep"),
        post("/debug-sessions/{session}/join", r#"{"role": "owner"}"#)
            .malformed("role", "expected `viewer` or `participant`"),
        post("/debug-sessions/{session}/invite", "").malformed("", "is not JSON: EOF"),
        post("/debug-sessions/{session}/invite", "{}").malformed("users", "is required"),
        post("/debug-sessions/{session}/terminate", r#"{"force": true}"#).malformed("force", "unknown field `force`"),
        post("/debug-sessions/{session}/approve", r#"{"reason": ["yes"]}"#)
            .by(TestHub::carol)
            .malformed("reason", "expected a string"),
        post("/clusters", r#"{"name": "south", "userNames": {}}"#)
            .by(TestHub::root)
            .malformed("userNames", "unknown field `userNames`"),
        get("/debug-sessions?state=Running").malformed("state", "\"Running\" is not a state; there are Pending, "),
        get("/debug-sessions?continue=yesterday").malformed("continue", "is not what a page before this one gave"),
        get("/debug-sessions?limit=0").malformed("limit", "\"0\" is not a number from 1 to 500"),
        get("/debug-sessions?limit=100000").malformed("limit", "is not a number from 1 to 500"),
        get("/debug-sessions?mine=maybe").malformed("mine", "\"maybe\" is neither true nor false"),
        get("/debug-session-templates?includeHidden=1").malformed("includeHidden", "neither true nor false"),
        get("/debug-sessions/%FF").malformed("", "the path is not UTF-8"),
    ]
}

fn unknown() -> Vec<Wrong> {
    vec![
        asks("no-such-debug", json!({})).not_found(
            "templateRef",
            "there is no session template \"no-such-debug\"",
        ),
        asks("secret-debug", json!({})).not_found(
            "templateRef",
            "there is no session template \"secret-debug\"",
        ),
        asks("", json!({})).not_found("templateRef", "there is no session template \"\""),
        asks("../quick-debug", json!({})).not_found("templateRef", "there is no session template"),
        asks("mars-debug", json!({ "cluster": "mars-9" }))
            .not_found("cluster", "there is no cluster \"mars-9\""),
        get("/debug-sessions/debug-session-zzzzzz").not_found("", "does not exist"),
        get("/debug-sessions/..%2F..%2Fhub.db").not_found("", "does not exist"),
        get("/debug-sessions/x%00y").not_found("", "does not exist"),
        get("/debug-pod-templates/..%2Ftoolbox").not_found("", "does not exist"),
        get("/clusters/..%2Fwest").not_found("", "is not registered"),
        Wrong {
            code: "noRoute",
            ..get("/debug-session").not_found("", "/api/openapi.json")
        },
        Wrong {
            code: "noRoute",
            ..get("/debug-sessions/../clusters").not_found("", "there is no such path")
        },
        Wrong {
            code: "noRoute",
            ..post("/debug-sessions/{session}/explode", "").not_found("", "no such path")
        },
        Wrong {
            status: 405,
            code: "methodNotAllowed",
            says: "no such method",
            ..Wrong::new(Method::DELETE, "/debug-sessions/{session}", "")
        },
        Wrong {
            status: 405,
            code: "methodNotAllowed",
            says: "no such method",
            ..get("/debug-sessions/{session}/approve")
        },
    ]
}

fn not_for_them() -> Vec<Wrong> {
    vec![
        asks("quick-debug", json!({}))
            .by(TestHub::eve)
            .forbidden("templateRef", "admits members of sre-team"),
        asks("approved-debug", json!({}))
            .by(TestHub::carol)
            .forbidden("templateRef", "you are in none of them"),
        asks("quick-debug", json!({ "cluster": "north" }))
            .forbidden("cluster", "does not reach a cluster \"north\""),
        // What it does not reach is not told to exist or not.
        asks("quick-debug", json!({ "cluster": "atlantis" }))
            .forbidden("cluster", "does not reach a cluster"),
        asks("quick-debug", json!({ "cluster": "east-1/../west" }))
            .not_found("cluster", "there is no cluster"),
    ]
}

fn against_the_rules() -> Vec<Wrong> {
    let crowd: Vec<String> = (0..MAX_PEOPLE_PER_SESSION)
        .map(|i| format!("guest-{i}@example.com"))
        .collect();
    let ask = |more| asks("approved-debug", more);
    let duration = |text: &str| ask(json!({ "requestedDuration": text }));
    let namespace = |name: &str| ask(json!({ "targetNamespace": name }));
    let inviting = |name: &str| ask(json!({ "invitedParticipants": [name] }));
    let reasoned = |reason: &str| asks("reasoned-debug", json!({ "reason": reason }));
    let invite = |users: Value| {
        post(
            "/debug-sessions/{session}/invite",
            &json!({ "users": users }).to_string(),
        )
    };
    vec![
        asks("dangling-debug", json!({})).constraint(
            "templateRef",
            "names lost-toolbox, and there is no such pod template",
        ),
        duration("45 minutes").constraint(
            "requestedDuration",
            "is not a duration: \" minutes\" is not a unit",
        ),
        duration("-1h").constraint("requestedDuration", "a number is missing before \"-1h\""),
        duration("90").constraint("requestedDuration", "a unit is missing after 90"),
        duration("").constraint(
            "requestedDuration",
            "is empty; write whole numbers with units",
        ),
        duration("99999999999999999999h").constraint("requestedDuration", "is longer than 3650d"),
        duration("5h").constraint(
            "requestedDuration",
            "is 5h, over this template's limit of 4h",
        ),
        duration("0s").constraint("requestedDuration", "is less than a second"),
        ask(json!({ "namespace": "team-a", "targetNamespace": "team-b" })).constraint(
            "namespace",
            "says \"team-a\" and targetNamespace says \"team-b\"",
        ),
        namespace("kube-system").constraint(
            "targetNamespace",
            "not among the namespaces allowed by session template",
        ),
        namespace("team-secret").constraint(
            "targetNamespace",
            "among the namespaces denied by session template",
        ),
        namespace("Team_A").constraint("targetNamespace", "\"Team_A\" is not a namespace's name"),
        namespace("team-a/../kube-system")
            .constraint("targetNamespace", "is not a namespace's name"),
        asks("quick-debug", json!({ "targetNamespace": "team-a" })).constraint(
            "targetNamespace",
            "you may not choose the namespace here; leave it out to get breakglass-debug",
        ),
        inviting("alice@example.com").constraint("invitedParticipants[0]", "is you"),
        inviting("ALICE@example.com").constraint("invitedParticipants[0]", "is you"),
        inviting("system:masters").constraint("invitedParticipants[0]", "starts with \"system:\""),
        inviting("bo\u{200b}b@example.com").constraint("invitedParticipants[0]", "U+200B"),
        inviting("bob\u{202e}moc").constraint("invitedParticipants[0]", "U+202E"),
        inviting("bob\r\nX-Admin: yes").constraint("invitedParticipants[0]", "U+000D"),
        inviting("  ").constraint("invitedParticipants[0]", "is empty"),
        ask(json!({ "invitedParticipants": crowd }))
            .constraint("invitedParticipants", "names 200 people; at most 199"),
        asks("reasoned-debug", json!({}))
            .constraint("reason", "a reason of at least 10 characters is needed"),
        reasoned("  \t  ").constraint("reason", "a reason of at least 10 characters is needed"),
        reasoned("disk full").constraint("reason", "has 9 characters; write at least 10"),
        reasoned(&"x".repeat(51)).constraint("reason", "has 51 characters; write at most 50"),
        ask(json!({ "extraDeployValues": { "size": "10Gi" } })).constraint(
            "extraDeployValues.size",
            "is no variable of this template, which has none",
        ),
        ask(json!({ "nodeSelector": { "a disk": "ssd" } }))
            .constraint(r#"nodeSelector["a disk"]"#, "is not a label key"),
        ask(json!({ "selectedSchedulingOption": "sriov" }))
            .constraint("selectedSchedulingOption", "there is none to choose"),
        ask(json!({ "selectedAuxiliaryResources": ["egress"] }))
            .constraint("selectedAuxiliaryResources[0]", "this template has none"),
        invite(json!([])).constraint("users", "name at least one person"),
        invite(json!(["bob@example.com", "system:node:n1"]))
            .constraint("users[1]", "starts with \"system:\""),
        invite(json!(["alice@example.com"])).constraint("users[0]", "is the owner"),
        invite(json!(
            crowd
                .iter()
                .chain(["one-more"].map(str::to_owned).iter())
                .collect::<Vec<_>>()
        ))
        .constraint("users", "at most 200 invitations"),
    ]
}

#[tokio::test]
async fn every_wrong_request_gets_its_own_precise_error() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let before = hub.alice().sees(&session).await.ok();
    let recorded = hub.recorded().await.len();
    let all = [unreadable(), unknown(), not_for_them(), against_the_rules()];
    let mut told = 0;
    for wrong in all.into_iter().flatten() {
        let shown = String::from_utf8_lossy(&wrong.body[..wrong.body.len().min(200)]).into_owned();
        let about = format!("{} {} {shown}", wrong.method, wrong.path);
        let answer = wrong.send(&hub, &session).await;
        assert_eq!(
            answer.status.as_u16(),
            wrong.status,
            "{about}: {}",
            answer.text()
        );
        let problem = answer.refused(wrong.status, wrong.code);
        assert!(
            problem.error.contains(wrong.says),
            "{about}: {:?} does not say {:?}",
            problem.error,
            wrong.says
        );
        match wrong.field {
            "*" => assert!(problem.details[0].field.is_some(), "{about}"),
            "" => assert!(
                problem.details.iter().all(|d| d.field.is_none()),
                "{about}: {problem:#?}"
            ),
            field => assert!(
                detail(&problem, field).message.contains(wrong.says),
                "{about}: {problem:#?}"
            ),
        }
        told += 1;
    }
    assert!(told >= 75, "{told}");
    let sessions = hub.root().get("/debug-sessions").await.ok();
    assert_eq!(
        sessions["total"], 1,
        "none of them made a session: {sessions}"
    );
    assert_eq!(hub.alice().sees(&session).await.ok(), before);
    assert_eq!(
        hub.recorded().await.len(),
        recorded,
        "none of them was recorded as done"
    );
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let hub = TestHub::start().await;
    let wish = json!({
        "templateRef": "reasoned-debug",
        "cluster": "west",
        "requestedDuration": "9h",
        "targetNamespace": "kube-system",
        "invitedParticipants": ["bob@example.com", "system:admin"],
    });
    let problem = hub
        .alice()
        .post("/debug-sessions", wish)
        .await
        .refused(422, "constraint");
    let mut fields: Vec<&str> = problem
        .details
        .iter()
        .filter_map(|d| d.field.as_deref())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "invitedParticipants[1]",
            "reason",
            "requestedDuration",
            "targetNamespace"
        ]
    );
    let duration = detail(&problem, "requestedDuration");
    assert_eq!(duration.rule.as_deref(), Some("constraints.maxDuration"));
    assert_eq!(
        duration.allowed,
        ["4h"],
        "what would be accepted, for programs"
    );
}

#[tokio::test]
async fn one_session_too_many_names_those_that_are_open() {
    let hub = TestHub::start().await;
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(hub.alice().asks_for("few-debug").await);
    }
    let wish = json!({ "templateRef": "few-debug", "cluster": "west" });
    let problem = hub
        .alice()
        .post("/debug-sessions", wish.clone())
        .await
        .refused(422, "constraint");
    let told = detail(&problem, "templateRef");
    assert_eq!(
        told.rule.as_deref(),
        Some("constraints.maxConcurrentSessions")
    );
    assert!(
        told.message.contains("you may have 5 open sessions"),
        "{}",
        told.message
    );
    for session in &open {
        assert!(told.message.contains(session), "{}", told.message);
    }
    // It is a limit per person, and an ended session makes room at once.
    hub.bob()
        .post("/debug-sessions", wish.clone())
        .await
        .created();
    hub.alice().verb("terminate", &open[0]).await.ok();
    hub.alice().post("/debug-sessions", wish).await.created();
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let good = "alice-token-0123456789";
    for authorization in [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some("Bearer wrong-token-0123456789".to_owned()),
        Some(format!("Basic {good}")),
        Some(good.to_owned()),
        Some(format!("Bearer {good}x")),
        Some(format!("Bearer {}", good.to_uppercase())),
        Some(format!("Bearer {good} {good}")),
    ] {
        for (method, path, body) in [
            (Method::GET, format!("/debug-sessions/{session}"), ""),
            (Method::GET, "/debug-sessions/none".to_owned(), ""),
            (Method::GET, "/debug-sessions?state=nonsense".to_owned(), ""),
            (Method::POST, "/debug-sessions".to_owned(), "{"),
            (
                Method::POST,
                format!("/debug-sessions/{session}/terminate"),
                "",
            ),
            (Method::POST, "/clusters".to_owned(), r#"{"name": "south"}"#),
            (
                Method::GET,
                "/api/debugSessions/podTemplates".to_owned(),
                "",
            ),
        ] {
            let mut asked = request(method, &path, Body::from(body));
            if let Some(authorization) = &authorization {
                asked
                    .headers_mut()
                    .insert(AUTHORIZATION, authorization.parse().unwrap());
            }
            let answer = hub.send(asked).await;
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
            let problem = answer.refused(401, "unauthenticated");
            assert!(
                problem.message.contains("Authorization: Bearer TOKEN"),
                "{}",
                problem.message
            );
        }
    }
    assert_eq!(
        hub.alice().sees(&session).await.ok()["status"]["state"],
        "Active"
    );
}
