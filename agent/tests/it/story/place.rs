//! The session's namespace (S8, S17) and the ServiceAccount that deploys (S10), with the whole loop.

use breakglass_protocol::kinds::selector::LabelSelector;
use breakglass_protocol::wire::grant::{
    IfMissing, NamespaceLayer, NamespaceRule, Quota, ServiceAccountName,
};

use super::*;

/// A cluster without the session's namespace, whose owner lets sessions make it.
fn without_namespace() -> FakeApi {
    let api = FakeApi::new();
    api.remove("namespaces", "", NAMESPACE);
    api.set_ceiling(Ceiling {
        create_namespaces: true,
        ..Ceiling::default()
    });
    api
}

fn making() -> Grant {
    Grant {
        namespace_rule: Some(NamespaceRule {
            if_missing: IfMissing::Create {
                labels: [("purpose".to_owned(), "debug-session".to_owned())].into(),
            },
            ..NamespaceRule::default()
        }),
        ..grant(SignedDuration::from_hours(1))
    }
}

fn namespace(api: &FakeApi) -> Option<Value> {
    api.get("namespaces", "", NAMESPACE)
}

/// Until its pods run.
async fn deployed(api: &FakeApi, session: &Grant) -> Agent {
    let mut agent = Agent::start(api).await;
    agent.snapshot(1, &[session]).await;
    tokio::select! {
        () = play(api) => {}
        _ = agent.report("running", |report| report.phase == Phase::Running) => {}
    }
    agent
}

#[tokio::test]
async fn s08_a_namespace_is_made_with_its_labels_and_removed_last() {
    let api = without_namespace();
    let session = making();
    let mut agent = deployed(&api, &session).await;
    let made = namespace(&api).unwrap();
    assert_eq!(made["metadata"]["labels"]["purpose"], "debug-session");
    agent.grant(2, &ended(session)).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert_eq!(namespace(&api), None);
    let removed = proof.cleanup.unwrap().removed;
    let last = removed.last().map(|removed| removed.object.kind.clone());
    assert_eq!(last.as_deref(), Some("Namespace"));
    agent.die().await;
}

#[tokio::test]
async fn s08_a_namespace_with_something_foreign_stays_and_is_told() {
    let api = without_namespace();
    let session = making();
    let mut agent = deployed(&api, &session).await;
    let theirs =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "theirs" } });
    api.put("configmaps", NAMESPACE, theirs);
    agent.grant(2, &ended(session)).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert!(namespace(&api).is_some() && nothing_is_left(&api));
    let kept = proof.cleanup.unwrap().kept;
    assert_eq!(kept[0].kind, "Namespace");
    let message = proof.message.unwrap();
    assert!(message.contains("ConfigMap theirs"), "{message}");
    agent.die().await;
}

#[tokio::test]
async fn s08_a_namespace_that_appears_before_it_is_made_is_not_adopted() {
    let api = FakeApi::new();
    api.set_ceiling(Ceiling {
        create_namespaces: true,
        ..Ceiling::default()
    });
    api.fail_next(
        Method::GET,
        "/api/v1/namespaces/breakglass-debug",
        404,
        "NotFound",
        "not yet",
    );
    let session = making();
    let mut agent = deployed(&api, &session).await;
    assert!(api.log().contains(&"POST /api/v1/namespaces".to_owned()));
    agent.grant(2, &ended(session)).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert!(namespace(&api).is_some());
    assert!(
        proof
            .deployed
            .iter()
            .all(|object| object.kind != "Namespace")
    );
    agent.die().await;
}

#[tokio::test]
async fn s08_a_namespace_survives_the_agents_death_at_any_write() {
    for count in 1..=7 {
        let api = without_namespace();
        die_in(&api, &with_totals(making()), count).await;
        assert_eq!(namespace(&api), None, "died at write {count}");
        assert!(api.all("resourcequotas").is_empty());
    }
}

fn with_totals(mut grant: Grant) -> Grant {
    let Work::Workload(workload) = &mut grant.work;
    workload.quota = Some(Quota {
        max_pods: None,
        max_cpu: Some("2".into()),
        max_memory: None,
        max_storage: Some("1Gi".into()),
        enforce_requests: false,
        enforce_limits: false,
    });
    grant
}

#[tokio::test]
async fn d09_a_resource_quota_stands_in_the_namespace_that_the_session_made() {
    let api = without_namespace();
    let session = with_totals(making());
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    let told = agent
        .report("everything made", |report| report.deployed.len() == 3)
        .await;
    let kinds: Vec<&str> = told.deployed.iter().map(|o| o.kind.as_str()).collect();
    assert_eq!(kinds, ["Namespace", "ResourceQuota", "DaemonSet"]);
    let made = api
        .get("resourcequotas", NAMESPACE, &format!("{SESSION}-quota"))
        .unwrap();
    assert_eq!(
        made["spec"]["hard"],
        json!({ "requests.storage": "1Gi", "requests.ephemeral-storage": "1Gi" }),
        "nothing that makes the API server refuse a pod which the session may have"
    );
    agent.grant(2, &ended(session)).await;
    let proof = agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    let removed = proof.cleanup.unwrap().removed;
    assert!(removed.iter().any(|r| r.object.kind == "ResourceQuota"));
    assert_eq!(namespace(&api), None);
    agent.die().await;
}

#[tokio::test]
async fn s17_a_denied_label_of_the_live_namespace_fails_the_session() {
    let api = FakeApi::new();
    let mut labelled = namespace(&api).unwrap();
    labelled["metadata"]["labels"] = json!({ "protected": "true" });
    api.put("namespaces", "", labelled.clone());
    let session = Grant {
        namespace_rule: Some(NamespaceRule {
            layers: vec![NamespaceLayer {
                place: "session template placed-debug".into(),
                allowed: None,
                denied: vec![LabelSelector {
                    match_labels: [("protected".to_owned(), "true".to_owned())].into(),
                    match_expressions: Vec::new(),
                }],
            }],
            ..NamespaceRule::default()
        }),
        ..grant(SignedDuration::from_hours(1))
    };
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    let report = agent
        .report("the end", |report| report.phase == Phase::Ended)
        .await;
    let message = report.end.unwrap().message.unwrap();
    assert!(
        message.contains("session template placed-debug denies"),
        "{message}"
    );
    assert!(nothing_is_left(&api));
    assert_eq!(
        namespace(&api).unwrap()["metadata"]["labels"],
        labelled["metadata"]["labels"],
        "never relabelled"
    );
    agent.die().await;
}

#[tokio::test]
async fn s17_a_namespace_that_cannot_be_read_for_a_moment_is_read_again() {
    let api = FakeApi::new();
    for _ in 0..2 {
        api.fail_next(
            Method::GET,
            "/api/v1/namespaces/breakglass-debug",
            403,
            "Forbidden",
            "namespaces \"breakglass-debug\" is forbidden: User \"x\" cannot get resource",
        );
    }
    let agent = deployed(&api, &grant(SignedDuration::from_hours(1))).await;
    agent.die().await;
}

fn as_deployer() -> (FakeApi, Grant) {
    let account = ServiceAccountName {
        namespace: "breakglass-system".into(),
        name: "debug-deployer".into(),
    };
    let api = FakeApi::new();
    let mut ceiling = Ceiling::default();
    ceiling.impersonation.service_accounts = vec![account.to_string()];
    api.set_ceiling(ceiling);
    let session = Grant {
        impersonate: Some(account),
        ..grant(SignedDuration::from_hours(1))
    };
    (api, session)
}

#[tokio::test]
async fn s10_only_what_is_made_is_made_as_the_service_account() {
    let (api, session) = as_deployer();
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "debug-deployer" } });
    api.put("serviceaccounts", "breakglass-system", account);
    let mut agent = deployed(&api, &session).await;
    agent.grant(2, &ended(session)).await;
    agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    assert_eq!(
        api.impersonated(),
        [
            "POST /apis/apps/v1/namespaces/breakglass-debug/daemonsets as system:serviceaccount:breakglass-system:debug-deployer"
        ]
    );
    agent.die().await;
}

#[tokio::test]
async fn s10_a_service_account_that_is_missing_fails_the_session_and_nothing_is_made() {
    let (api, session) = as_deployer();
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    let report = agent
        .report("the end", |report| report.phase == Phase::Ended)
        .await;
    let message = report.end.unwrap().message.unwrap();
    assert!(
        message.contains("ServiceAccount breakglass-system/debug-deployer")
            && message.contains("does not exist"),
        "{message}"
    );
    assert!(report.deployed.is_empty() && api.impersonated().is_empty());
    agent.die().await;
}

#[tokio::test]
async fn s10_a_service_account_outside_the_ceiling_is_refused() {
    let (api, session) = as_deployer();
    api.set_ceiling(Ceiling::default());
    let mut agent = Agent::start(&api).await;
    agent.snapshot(1, &[&session]).await;
    let report = agent
        .report("the end", |report| report.phase == Phase::Ended)
        .await;
    let message = report.end.unwrap().message.unwrap();
    assert!(
        message.contains("ceiling.impersonation.serviceAccounts"),
        "{message}"
    );
    agent.die().await;
}
