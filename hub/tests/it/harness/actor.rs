//! The people of the stories. Each speaks with their own token; what they may do, only the hub decides.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Answer, TestHub};

/// Name, groups.
const PEOPLE: &[(&str, &[&str])] = &[
    // Owner in most stories.
    ("alice", &["sre-team"]),
    // Invited in most stories.
    ("bob", &["sre-team"]),
    // Approver.
    ("carol", &["sre-leads"]),
    // Approver who may ask for sessions too.
    ("dave", &["sre-leads", "sre-team"]),
    // Of alice's team, in nobody's session.
    ("mallory", &["sre-team"]),
    // Of alice's team; only watches.
    ("vera", &["sre-team"]),
    // Of another team.
    ("eve", &["sales"]),
    ("root", &["admins"]),
];

pub(crate) fn token_of(name: &str) -> String {
    format!("{name}-token-0123456789")
}

/// What `--dev-users` reads.
pub(super) fn users_file() -> String {
    let mut text = "users:\n".to_owned();
    for (name, groups) in PEOPLE {
        let groups = groups.join(", ");
        let token = token_of(name);
        writeln!(text, "- {{name: {name}@example.com, email: {name}@example.com, displayName: The {name}, groups: [{groups}], token: {token}}}").unwrap();
    }
    text
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Actor {
    router: Router,
    authorization: HeaderValue,
}

impl TestHub {
    fn actor(&self, name: &str) -> Actor {
        assert!(PEOPLE.iter().any(|(known, _)| *known == name));
        self.bearer(&token_of(name))
    }

    /// Whoever it is that has this token.
    pub(crate) fn bearer(&self, token: &str) -> Actor {
        Actor {
            router: self.router.clone(),
            authorization: HeaderValue::try_from(format!("Bearer {token}")).unwrap(),
        }
    }

    /// Owner in most stories.
    pub(crate) fn alice(&self) -> Actor {
        self.actor("alice")
    }

    /// Of alice's team; invited in most stories.
    pub(crate) fn bob(&self) -> Actor {
        self.actor("bob")
    }

    /// Approver.
    pub(crate) fn carol(&self) -> Actor {
        self.actor("carol")
    }

    /// Approver who may ask for sessions too.
    pub(crate) fn dave(&self) -> Actor {
        self.actor("dave")
    }

    /// Of alice's team, in nobody's session.
    pub(crate) fn mallory(&self) -> Actor {
        self.actor("mallory")
    }

    /// Of alice's team; only watches.
    pub(crate) fn vera(&self) -> Actor {
        self.actor("vera")
    }

    /// Of another team.
    pub(crate) fn eve(&self) -> Actor {
        self.actor("eve")
    }

    /// Admin.
    pub(crate) fn root(&self) -> Actor {
        self.actor("root")
    }

    /// A request as it is, without a token unless it brings one.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.router.clone(), request).await
    }
}

impl Actor {
    /// Below `/api/v1`, or a path that starts with `/api`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, Body::empty())).await
    }

    /// Below `/api/v1`, or a path that starts with `/api`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, Body::from(body.to_string())))
            .await
    }

    /// A POST without a body.
    pub(crate) async fn tell(&self, path: &str) -> Answer {
        self.send(request(Method::POST, path, Body::empty())).await
    }

    /// A request as it is, with this actor's token.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.authorization.clone());
        answer(self.router.clone(), request).await
    }

    /// An answer whose body goes on: only its head.
    pub(crate) async fn open(&self, mut request: Request<Body>) -> Response<Body> {
        request
            .headers_mut()
            .insert(AUTHORIZATION, self.authorization.clone());
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Asks for a session on `west` with nothing but a template; its name.
    pub(crate) async fn asks_for(&self, template: &str) -> String {
        let made = self
            .post(
                "/debug-sessions",
                json!({ "templateRef": template, "cluster": "west" }),
            )
            .await
            .created();
        name_of(&made)
    }

    /// Does a verb that takes no body, and sees what the session is then.
    pub(crate) fn verb(&self, verb: &str, session: &str) -> impl Future<Output = Answer> + use<> {
        let (actor, path) = (self.clone(), format!("/debug-sessions/{session}/{verb}"));
        async move { actor.tell(&path).await }
    }

    /// The session as this actor sees it.
    pub(crate) async fn sees(&self, session: &str) -> Answer {
        self.get(&format!("/debug-sessions/{session}")).await
    }
}

/// A request without a token.
pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let below = !path.starts_with("/api") && !matches!(path, "/healthz" | "/readyz" | "/metrics");
    let path = if below {
        format!("/api/v1{path}")
    } else {
        path.to_owned()
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap()
}

async fn answer(router: Router, request: Request<Body>) -> Answer {
    Answer::of(router.oneshot(request).await.unwrap()).await
}

/// The name of a session in an answer.
pub(crate) fn name_of(session: &Value) -> String {
    session["metadata"]["name"].as_str().unwrap().to_owned()
}
