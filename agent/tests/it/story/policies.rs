//! Deny policies in the running loop: in force at once, with and without the hub, and over a restart (S16, S19).

use breakglass_agent_core::authorize::{ResourceFacts, ReviewFacts, Verdict, authorize};
use breakglass_protocol::wire::policy;
use breakglass_protocol::wire::report::{
    AgentStatus, DenyPolicyReport, DenyPolicyState, WebhookOrder,
};
use breakglass_protocol::wire::to_agent::PoliciesFrame;

use super::*;

const SECRET: &str = "breakglass-agent-policies";

/// Denies secrets in namespaces of tier prod.
fn no_secrets() -> Value {
    json!({"policies": [{"name": "no-secrets", "precedence": 100, "rules": [{
        "verbs": ["get"], "apiGroups": [""], "resources": ["secrets"],
        "namespaces": {"selectorTerms": [{"matchLabels": {"tier": "prod"}}]},
    }]}]})
}

impl Agent {
    async fn policies(&self, revision: u64, set: &Value) {
        self.say(ToAgent::Policies(PoliciesFrame {
            revision: Revision(revision),
            requires: vec![policy::FEATURE.into()],
            body: set.to_string().into_bytes(),
        }))
        .await;
    }

    /// Hears until the status tells of deny policies like that.
    async fn told(&mut self, like: impl Fn(&DenyPolicyReport) -> bool) -> DenyPolicyReport {
        loop {
            if let ToHub::Status(frame) = self.hear().await {
                let status: AgentStatus = serde_json::from_slice(&frame.body).unwrap();
                if let Some(report) = status.deny_policies.filter(|report| like(report)) {
                    return report;
                }
            }
        }
    }

    async fn applied(&mut self, revision: u64) {
        self.told(|report| {
            report.revision == Some(Revision(revision)) && report.state == DenyPolicyState::Applied
        })
        .await;
    }

    /// Whether a person may not read secrets there.
    fn denies(&self, namespace: &str) -> bool {
        let review = ReviewFacts {
            user: "mallory@example.com".into(),
            groups: vec!["system:authenticated".into()],
            resource: Some(ResourceFacts {
                verb: "list".into(),
                resource: "secrets".into(),
                namespace: namespace.into(),
                ..ResourceFacts::default()
            }),
        };
        let snapshot = self.published.snapshot();
        let verdict = authorize(
            snapshot.known("agent", Enforcement::Off),
            &review,
            Clock::start().now(),
        );
        matches!(verdict, Verdict::Denied { reason } if reason.contains("no-secrets"))
    }

    /// Waits until the watch has told what is expected.
    async fn until_denied(&self, namespace: &str, expected: &str) {
        let reached = async {
            while self.denies(namespace) != (expected == "denied") {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        in_time.unwrap_or_else(|_| panic!("{namespace} never became {expected}"));
    }
}

fn namespace(name: &str, tier: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"tier": tier}}})
}

#[tokio::test]
async fn s16_policies_are_in_force_at_once_and_follow_the_namespaces_labels() {
    let api = FakeApi::new();
    api.put("namespaces", "", namespace("shop", "prod"));
    api.put("namespaces", "", namespace("lab", "dev"));
    let mut agent = Agent::start(&api).await;
    assert!(!agent.denies("shop"), "nothing was sent yet");
    agent.policies(5, &no_secrets()).await;
    agent.applied(5).await;
    agent.until_denied("lab", "open").await;
    assert!(agent.denies("shop") && agent.denies(""));
    assert!(agent.denies("unknown"), "its labels cannot be looked at");
    api.put("namespaces", "", namespace("lab", "prod"));
    agent.until_denied("lab", "denied").await;
    api.put("namespaces", "", namespace("shop", "dev"));
    agent.until_denied("shop", "open").await;
    agent.policies(6, &json!({"policies": []})).await;
    agent.applied(6).await;
    assert!(!agent.denies("lab"));
    agent.die().await;
}

#[tokio::test]
async fn s16_a_restart_without_the_hub_denies_the_same() {
    let api = FakeApi::new();
    api.put("namespaces", "", namespace("shop", "prod"));
    let mut agent = Agent::start(&api).await;
    agent.policies(5, &no_secrets()).await;
    agent.applied(5).await;
    let written = |api: &FakeApi| api.get("secrets", AGENT, SECRET);
    api.until("the record", |api| written(api).is_some()).await;
    agent.die().await;

    let mut agent = Agent::start_alone(&api).await;
    agent.until_denied("shop", "denied").await;
    agent.die().await;
    agent = Agent::start(&api).await;
    agent.applied(5).await;
    let before = written(&api);
    agent.policies(7, &json!({"policies": []})).await;
    agent.applied(7).await;
    api.until("another record", |api| written(api) != before)
        .await;
    agent.die().await;
    let agent = Agent::start_alone(&api).await;
    assert!(!agent.denies("shop"));
    agent.die().await;
}

#[tokio::test]
async fn s16_what_cannot_be_taken_is_told_and_leaves_what_was_before() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent.policies(5, &no_secrets()).await;
    agent.applied(5).await;
    for (revision, set, says) in [
        (6, json!({"withheld": "too large"}), "too large"),
        (
            7,
            json!({"policies": [{"name": "x", "precedence": 1, "rules": [{"verbs": []}]}]}),
            "cannot be read",
        ),
        (8, json!("x".repeat(600 * 1024)), "over the limit"),
    ] {
        agent.policies(revision, &set).await;
        let said =
            |report: &DenyPolicyReport| report.message.as_deref().is_some_and(|m| m.contains(says));
        let report = agent.told(said).await;
        assert_eq!(report.state, DenyPolicyState::Outdated);
        assert_eq!((report.revision, report.policies), (Some(Revision(5)), 1));
        assert!(agent.denies("unknown"));
    }
    agent.die().await;
}

#[tokio::test]
async fn s19_a_record_that_the_agent_did_not_write_is_not_believed() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    agent.policies(5, &no_secrets()).await;
    agent.applied(5).await;
    let written = |api: &FakeApi| api.get("secrets", AGENT, SECRET);
    api.until("the record", |api| written(api).is_some()).await;
    agent.die().await;
    let mut forged = written(&api).unwrap();
    forged["data"]["record"] = json!("eyJyZXZpc2lvbiI6OSwicG9saWNpZXMiOltdfQ==");
    api.put("secrets", AGENT, forged);
    let cluster = api.cluster();
    let journal = Journal::new(cluster, AGENT, &JournalKey::new([7; 32]));
    let why = journal.load().await.unwrap().policies.unwrap().unwrap_err();
    assert!(why.contains("not written by this agent"), "{why}");
}

#[tokio::test]
async fn s15_the_canary_tells_the_hub_the_api_servers_order() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let order = loop {
        if let ToHub::Status(frame) = agent.hear().await {
            let status: AgentStatus = serde_json::from_slice(&frame.body).unwrap();
            if let Some(order) = status.webhook_order {
                break order;
            }
        }
    };
    assert_eq!(order, WebhookOrder::BeforeRbac);
    agent.die().await;
}
