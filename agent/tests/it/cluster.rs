//! What the agent asks of an API server, word by word: creates that take nothing over, deletes that name a UID, a journal
//! that believes only itself.

use breakglass_agent::identity::JournalKey;
use breakglass_agent::journal::{Journal, JournalError};
use breakglass_agent_core::high_water::Mark;
use breakglass_agent_core::holdings::Memory;
use breakglass_agent_core::plan::outcome::Outcome;
use breakglass_agent_core::plan::{Deployer, PodRef};
use breakglass_protocol::wire::report::ObjectRecord;
use http::Method;
use serde_json::{Value, json};

use crate::fake_api::FakeApi;

const NAMESPACE: &str = "breakglass-debug";

fn daemon_set(grant: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {
            "name": "s-ds", "namespace": NAMESPACE,
            "labels": { "breakglass.t-caas.telekom.com/session": "s" },
            "annotations": { "breakglass.t-caas.telekom.com/grant": grant },
        },
        "spec": { "selector": {} },
    })
}

fn record(uid: &str) -> ObjectRecord {
    ObjectRecord {
        api_version: "apps/v1".into(),
        kind: "DaemonSet".into(),
        namespace: Some(NAMESPACE.into()),
        name: "s-ds".into(),
        uid: uid.into(),
        source: "workload".into(),
    }
}

fn uid_of(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn created(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Object(object) => object,
        other => panic!("{other:?} instead of an object"),
    }
}

#[tokio::test]
async fn s08_what_exists_is_shown_to_the_rules_and_never_overwritten() {
    let api = FakeApi::new();
    let theirs = api.put(
        "daemonsets",
        NAMESPACE,
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": { "name": "s-ds", "labels": { "theirs": "yes" } }, "spec": {},
        }),
    );
    let found = created(
        api.cluster()
            .create_first(&daemon_set("g1"), &Deployer::Agent)
            .await,
    );
    assert_eq!(found, theirs, "what is there, unchanged");
    assert!(
        !api.log().iter().any(|line| line.starts_with("PATCH")),
        "{:?}",
        api.log()
    );
}

#[tokio::test]
async fn s08_deletes_carry_the_recorded_uid_and_leave_a_namesake_alone() {
    let api = FakeApi::new();
    let cluster = api.cluster();
    let ours = created(
        cluster
            .create_first(&daemon_set("g1"), &Deployer::Agent)
            .await,
    );
    api.remove("daemonsets", NAMESPACE, "s-ds");
    let namesake = api.put("daemonsets", NAMESPACE, daemon_set("g2"));
    assert_eq!(cluster.delete(&record(&uid_of(&ours))).await, Outcome::Gone);
    assert_eq!(
        cluster.confirm_gone(&record(&uid_of(&ours))).await,
        Outcome::Gone
    );
    assert_eq!(
        api.get("daemonsets", NAMESPACE, "s-ds"),
        Some(namesake.clone())
    );
    let sent = api.bodies().pop().unwrap();
    assert_eq!(sent["preconditions"]["uid"], uid_of(&ours).as_str());
    assert_eq!(sent["propagationPolicy"], "Background");
    assert_eq!(
        cluster.delete(&record(&uid_of(&namesake))).await,
        Outcome::Accepted
    );
}

#[tokio::test]
async fn s08_applies_carry_the_recorded_uid() {
    let api = FakeApi::new();
    let cluster = api.cluster();
    let ours = created(
        cluster
            .create_first(&daemon_set("g1"), &Deployer::Agent)
            .await,
    );
    let again = created(
        cluster
            .apply(&daemon_set("g1"), &uid_of(&ours), &Deployer::Agent)
            .await,
    );
    assert_eq!(uid_of(&again), uid_of(&ours));
    assert_eq!(
        cluster
            .apply(&daemon_set("g1"), "another-uid", &Deployer::Agent)
            .await,
        Outcome::Gone
    );
    api.remove("daemonsets", NAMESPACE, "s-ds");
    assert_eq!(
        cluster
            .apply(&daemon_set("g1"), &uid_of(&ours), &Deployer::Agent)
            .await,
        Outcome::Gone
    );
    assert!(api.all("daemonsets").is_empty(), "an apply never creates");
}

#[tokio::test]
async fn d01_pods_are_deleted_by_uid_with_the_shortest_grace() {
    let api = FakeApi::new();
    let cluster = api.cluster();
    let pod = api.put(
        "pods",
        NAMESPACE,
        json!({ "metadata": { "name": "p" }, "spec": { "containers": [] } }),
    );
    let very = |uid: &str| PodRef {
        namespace: NAMESPACE.into(),
        name: "p".into(),
        uid: uid.into(),
    };
    assert_eq!(cluster.delete_pod(&very("another")).await, Outcome::Gone);
    assert!(api.get("pods", NAMESPACE, "p").is_some());
    assert_eq!(
        cluster.delete_pod(&very(&uid_of(&pod))).await,
        Outcome::Accepted
    );
    assert_eq!(api.bodies().pop().unwrap()["gracePeriodSeconds"], 2);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_api_servers_words_with_the_missing_rule() {
    let api = FakeApi::new();
    let words = "daemonsets.apps is forbidden: User \"system:serviceaccount:breakglass-agent:breakglass-agent\" cannot create resource \"daemonsets\" in API group \"apps\" in the namespace \"breakglass-debug\"";
    api.fail_next(Method::POST, "daemonsets", 403, "Forbidden", words);
    let Outcome::Failed(failure) = api
        .cluster()
        .create_first(&daemon_set("g1"), &Deployer::Agent)
        .await
    else {
        panic!("the API server refused");
    };
    assert_eq!((failure.code, failure.reason.as_str()), (403, "Forbidden"));
    assert_eq!(failure.message, words);
    let rule = r#"{apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["create"]} in namespace breakglass-debug"#;
    let remedy = failure.remedy.unwrap();
    assert!(remedy.contains(rule), "{remedy}");
}

#[tokio::test]
async fn s19_a_record_that_this_agent_did_not_write_is_not_believed() {
    let api = FakeApi::new();
    let journal = |key| {
        Journal::new(
            api.cluster(),
            "breakglass-agent",
            &JournalKey::new([key; 32]),
        )
    };
    let sealed = journal(1).seal_memory(&Memory::default()).unwrap();
    journal(1).save(sealed).await.unwrap();
    journal(1).load().await.unwrap();
    let forged = journal(2).load().await;
    assert!(
        matches!(forged, Err(JournalError::Damaged { .. })),
        "{forged:?}"
    );

    // A record of a grant that somebody with the right to write Secrets slipped in: told, and not used.
    api.put(
        "secrets",
        "breakglass-agent",
        json!({
            "metadata": {
                "name": "breakglass-grant-11111111-1111-4111-8111-111111111111",
                "labels": { "breakglass.t-caas.telekom.com/journal": "grant" },
            },
            "data": { "record": "e30=", "hmac": "AAAA" },
        }),
    );
    let loaded = journal(1).load().await.unwrap();
    assert!(loaded.held.is_empty());
    assert!(
        loaded.refused[0].contains("was not written by this agent"),
        "{:?}",
        loaded.refused
    );
}

#[tokio::test]
async fn s19_a_record_cannot_stand_in_for_another() {
    let api = FakeApi::new();
    let journal = Journal::new(api.cluster(), "breakglass-agent", &JournalKey::new([1; 32]));
    let sealed = journal.seal_memory(&Memory::default()).unwrap();
    journal.save(sealed).await.unwrap();
    let mut moved = api
        .get("secrets", "breakglass-agent", "breakglass-agent-memory")
        .unwrap();
    moved["metadata"] = json!({
        "name": "breakglass-grant-22222222-2222-4222-8222-222222222222",
        "labels": { "breakglass.t-caas.telekom.com/journal": "grant" },
    });
    api.put("secrets", "breakglass-agent", moved);
    let loaded = journal.load().await.unwrap();
    assert!(loaded.held.is_empty());
    assert!(
        loaded.refused[0].contains("was not written by this agent"),
        "{:?}",
        loaded.refused
    );
}

#[tokio::test]
async fn s12_the_clocks_mark_has_a_record_of_its_own_that_nobody_else_can_write() {
    let api = FakeApi::new();
    let journal = |key| {
        Journal::new(
            api.cluster(),
            "breakglass-agent",
            &JournalKey::new([key; 32]),
        )
    };
    let mark = Mark {
        high_water: Some("2026-11-23T10:00:00Z".parse().unwrap()),
    };
    let sealed = journal(1).seal_mark(mark).unwrap();
    journal(1).save(sealed).await.unwrap();
    let loaded = journal(1).load().await.unwrap();
    assert_eq!(loaded.memory.high_water, mark.high_water);
    assert_eq!(loaded.refused, Vec::<String>::new());

    let later = Mark {
        high_water: Some("2036-11-23T10:00:00Z".parse().unwrap()),
    };
    let forged = journal(2).seal_mark(later).unwrap();
    journal(2).save(forged).await.unwrap();
    let loaded = journal(1).load().await.unwrap();
    assert_eq!(loaded.memory.high_water, None, "it ends nobody's session");
    assert!(
        loaded.refused[0].contains("breakglass-agent-clock"),
        "{:?}",
        loaded.refused
    );
}

fn goose(name: &str) -> Value {
    json!({ "apiVersion": "birds.example.com/v1", "kind": "Goose", "metadata": { "name": name, "namespace": NAMESPACE } })
}

#[tokio::test]
async fn any_kind_is_found_by_asking_also_one_that_was_installed_later() {
    let api = FakeApi::new();
    let cluster = api.cluster();
    let Outcome::Failed(missing) = cluster.create_first(&goose("a"), &Deployer::Agent).await else {
        panic!("the cluster has no geese");
    };
    assert_eq!(missing.code, 404);
    assert_eq!(
        missing.message,
        "the cluster has no kind Goose in birds.example.com/v1"
    );
    api.install("birds.example.com/v1", "Goose", "geese", true);
    let made = created(cluster.create_first(&goose("a"), &Deployer::Agent).await);
    assert!(api.get("geese", NAMESPACE, "a").is_some());
    let asked = |api: &FakeApi| {
        let log = api.log();
        log.iter()
            .filter(|line| line.ends_with("birds.example.com/v1"))
            .count()
    };
    let before = asked(&api);
    created(cluster.create_first(&goose("b"), &Deployer::Agent).await);
    let record = ObjectRecord {
        api_version: "birds.example.com/v1".into(),
        kind: "Goose".into(),
        namespace: Some(NAMESPACE.into()),
        name: "a".into(),
        uid: uid_of(&made),
        source: "auxiliary/a[0]".into(),
    };
    assert_eq!(cluster.delete(&record).await, Outcome::Accepted);
    assert_eq!(cluster.confirm_gone(&record).await, Outcome::Gone);
    assert_eq!(asked(&api), before, "asked once");
}

#[tokio::test]
async fn s08_custom_objects_without_a_namespace_are_not_made() {
    let api = FakeApi::new();
    api.install("birds.example.com/v1", "Goose", "geese", false);
    let Outcome::Failed(refused) = api
        .cluster()
        .create_first(&goose("a"), &Deployer::Agent)
        .await
    else {
        panic!("it would be the whole cluster's");
    };
    assert_eq!(refused.code, 422);
    assert!(
        refused.message.contains("in no namespace"),
        "{}",
        refused.message
    );
    assert!(api.all("geese").is_empty());
}

#[tokio::test]
async fn a_seed_is_a_grants_own_and_the_agents_own() {
    let seed = |key: u8, uid: &str| {
        let journal = Journal::new(FakeApi::new().cluster(), "n", &JournalKey::new([key; 32]));
        journal.seed(&breakglass_protocol::ids::GrantUid::new(uid))
    };
    assert_eq!(seed(1, "a"), seed(1, "a"));
    assert_ne!(seed(1, "a"), seed(1, "b"));
    assert_ne!(seed(1, "a"), seed(2, "a"));
    assert_eq!(format!("{:?}", seed(1, "a")), "Seed(…)");
}
