//! Deny policies reach exactly the agents that they are for (S16).

use std::convert::Infallible;
use std::time::Duration;

use breakglass_hub::app::Change;
use breakglass_hub::store::typed;
use breakglass_hub::store::{Commit, Expected, Key, ObjectKind, Owner, Write};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::Condition;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::deny_policy::{DenyPolicy, DenyPolicySpec};
use breakglass_protocol::wire::policy::{self, PolicySet};
use breakglass_protocol::wire::report::{
    AgentStatus, DenyPolicyReport, DenyPolicyState, WebhookOrder,
};
use breakglass_protocol::wire::to_agent::ToAgent;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fake_agent::{Connection, FakeAgent};
use super::hub::TestHub;

fn key(name: &str) -> Key {
    Key::cluster_scoped(ObjectKind::DenyPolicy, name)
}

async fn write(hub: &TestHub, name: &str, scope: Value) {
    let spec = json!({
        "appliesTo": scope,
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}],
    });
    let spec: DenyPolicySpec = serde_json::from_value(spec).unwrap();
    let policy = DenyPolicy::new(name, spec);
    let commit = typed::put(key(name), &policy, Owner::Hub, Expected::Absent, Vec::new());
    hub.app.store.commit(commit.unwrap()).await.unwrap();
}

async fn remove(hub: &TestHub, name: &str) {
    let found = hub.app.store.get(key(name)).await.unwrap().unwrap();
    let commit = Commit {
        key: key(name),
        expected: Expected::At(found.version),
        change: Write::Delete,
        events: Vec::new(),
    };
    hub.app.store.commit(commit).await.unwrap();
}

async fn set_tenant(hub: &TestHub, cluster: &str, tenant: &str) {
    let key = Key::cluster_scoped(ObjectKind::Cluster, cluster);
    let set = |mut object: Cluster, _| {
        object.spec.tenant = Some(tenant.to_owned());
        Ok::<_, Infallible>(Change {
            object,
            events: Vec::new(),
        })
    };
    hub.app.update(&key, set).await.unwrap();
}

/// Connects an agent that knows deny policies.
async fn online(agent: &FakeAgent, hub: &TestHub) -> Connection {
    let mut connection = agent.connect(hub).await.unwrap();
    connection
        .hello_with(&agent.cluster, &["workload.v1", policy::FEATURE])
        .await;
    let ToAgent::Welcome(welcome) = connection.next().await else {
        panic!("no welcome");
    };
    let knows = |feature: &str| welcome.features.iter().any(|it| it == feature);
    assert!(knows(policy::FEATURE));
    connection
}

/// The names in the next frame, which must be policies.
async fn policies(connection: &mut Connection) -> (Revision, Vec<String>) {
    let ToAgent::Policies(frame) = connection.next().await else {
        panic!("no policies");
    };
    assert_eq!(frame.requires, [policy::FEATURE]);
    let PolicySet::Policies(set) = serde_json::from_slice(&frame.body).unwrap() else {
        panic!("withheld");
    };
    let names = set.into_iter().map(|policy| policy.name).collect();
    (frame.revision, names)
}

#[tokio::test]
async fn s16_policies_come_before_the_snapshot_and_when_they_change() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    write(&hub, "everywhere", Value::Null).await;
    write(&hub, "elsewhere", json!({"clusters": ["east"]})).await;
    write(&hub, "of-a-tenant", json!({"tenants": ["team-a"]})).await;
    let mut connection = online(&agent, &hub).await;
    assert_eq!(policies(&mut connection).await.1, ["everywhere"]);
    assert!(connection.snapshot().await.is_empty());

    write(&hub, "here", json!({"clusters": ["we*"]})).await;
    assert_eq!(policies(&mut connection).await.1, ["everywhere", "here"]);
    // One for another cluster is no news here; what follows is the tenant's.
    write(&hub, "also-elsewhere", json!({"clusters": ["east"]})).await;
    set_tenant(&hub, "west", "team-a").await;
    let (_, names) = policies(&mut connection).await;
    assert_eq!(names, ["everywhere", "here", "of-a-tenant"]);
    remove(&hub, "here").await;
    let (revision, names) = policies(&mut connection).await;
    assert_eq!(names, ["everywhere", "of-a-tenant"]);

    let report = DenyPolicyReport {
        revision: Some(revision),
        policies: 2,
        state: DenyPolicyState::Applied,
        message: None,
    };
    connection.status(&said(Some(report))).await;
    let told = until_told(&hub, "Applied").await;
    assert_eq!(told.status, "True");
    assert_eq!(told.message, "2 deny policies are in force");
}

#[tokio::test]
async fn s16_an_agent_of_before_is_sent_none_and_its_cluster_says_so() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    write(&hub, "everywhere", Value::Null).await;
    let mut connection = agent.online(&hub).await;
    assert!(connection.snapshot().await.is_empty());
    let told = until_told(&hub, "AgentTooOld").await;
    assert_eq!(told.status, "False");
}

fn said(deny_policies: Option<DenyPolicyReport>) -> AgentStatus {
    AgentStatus {
        agent_version: "1.2.3".to_owned(),
        kubernetes_version: "v1.34.1".to_owned(),
        capabilities: vec!["deny-policies".to_owned()],
        certificate_expires_at: Timestamp::UNIX_EPOCH,
        ceiling: json!({}),
        webhook_client_expires_at: None,
        webhook_called_at: None,
        deny_policies,
        webhook_order: Some(WebhookOrder::BeforeRbac),
        enforcement: None,
    }
}

/// Waits until the cluster's condition has this reason.
async fn until_told(hub: &TestHub, reason: &str) -> Condition {
    let condition = || async {
        let conditions = hub.status("west").await.conditions;
        conditions.into_iter().find(|it| it.type_ == "DenyPolicies")
    };
    hub.until(reason, || async {
        hub.clock.advance(Duration::from_millis(100));
        condition().await.is_some_and(|told| told.reason == reason)
    })
    .await;
    condition().await.unwrap()
}
