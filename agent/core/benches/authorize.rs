//! What one question of the API server costs with 1, 1,000 and 100,000 sessions held: it must not grow with them
//! (spec 3: p99 ≤ 1 ms with 100,000). `cargo bench -p breakglass-agent-core`.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use breakglass_agent_core::authorize::{
    DenyIndex, Enforcement, Freshness, Known, NamespaceLabels, ResourceFacts, ReviewFacts,
    authorize,
};
use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::grants::{GrantBook, GrantIndex};
use breakglass_agent_core::held::Held;
use breakglass_agent_core::holdings::{Holdings, Memory, Received};
use breakglass_agent_core::session_pods::{SessionPodBook, SessionPods};
use breakglass_agent_core::workload::Seed;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::grant::Grant;
use breakglass_protocol::wire::policy::Policy;
use breakglass_protocol::wire::report::ObservedPod;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use serde_json::json;

const NAMESPACE: &str = "breakglass-debug";

fn now() -> Now {
    Now {
        wall: Timestamp::from_second(1_800_000_000).unwrap_or_default(),
        monotonic: Duration::from_secs(10),
    }
}

fn held() -> Option<Held> {
    let grant: Grant = serde_json::from_value(json!({
        "uid": "0", "session": "debug-session-abc123", "namespace": "breakglass", "cluster": "prod-1",
        "desired": { "running": {} }, "startsAt": now().wall, "expiresAt": now().wall + Duration::from_secs(3600),
        "lastEnd": now().wall + Duration::from_secs(7200), "renewal": 0, "digest": "",
        "people": [{ "user": "alice@example.com", "role": "owner" }, { "user": "bob@example.com", "role": "participant" }],
        "operations": { "exec": true, "attach": true, "logs": false, "portForward": true },
        "context": { "requestedBy": "alice@example.com", "template": "standard-debug" },
        "targetNamespace": NAMESPACE,
        "work": { "workload": { "kind": "DaemonSet", "replicas": 1,
            "pod": { "structured": { "spec": { "containers": [{ "name": "debug", "image": "alpine" }] } } } } },
    }))
    .ok()?;
    let uid = grant.uid.clone();
    let mut holdings = Holdings::restore(
        grant.cluster.clone(),
        Ceiling::default(),
        Vec::new(),
        Memory::default(),
        now(),
    );
    holdings.receive(
        Received {
            grant,
            remaining: Duration::from_secs(3600),
            missing_features: Vec::new(),
        },
        &Seed::new([0; 32]),
        now(),
    );
    holdings.get(&uid).cloned()
}

/// One pod for each of so many sessions.
fn book(sessions: usize) -> GrantBook {
    let mut book = GrantBook::default();
    let Some(mut held) = held() else {
        return book;
    };
    for place in 0..sessions {
        held.grant.uid = GrantUid::new(format!("{place:036}"));
        held.grant.session = format!("debug-session-{place:06}");
        book.set(&held, &[pod(&format!("debug-session-{place:06}-ds-x7k2p"))]);
    }
    book
}

fn pod(name: &str) -> ObservedPod {
    ObservedPod {
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        node_name: None,
        phase: None,
        ready: true,
        container_status: None,
    }
}

fn review(user: &str, pod: &str) -> ReviewFacts {
    ReviewFacts {
        user: user.to_owned(),
        groups: vec!["sre-team".to_owned(), "system:authenticated".to_owned()],
        resource: Some(ResourceFacts {
            verb: "create".to_owned(),
            resource: "pods".to_owned(),
            subresource: "exec".to_owned(),
            namespace: NAMESPACE.to_owned(),
            name: pod.to_owned(),
            ..ResourceFacts::default()
        }),
    }
}

/// What a verdict is made from, all fresh.
fn known<'a>(
    grants: &'a GrantIndex,
    denied: &'a DenyIndex,
    namespaces: &'a NamespaceLabels,
    session_pods: &'a SessionPods,
) -> Known<'a> {
    Known {
        grants,
        freshness: Freshness {
            last_progress: Some(now().monotonic),
        },
        denied,
        namespaces,
        enforcement: Enforcement::Strict,
        session_pods,
        agent: "system:serviceaccount:breakglass-agent:breakglass-agent",
    }
}

/// 200 policies of ten rules, as many as there may be, of which none matches: every word but the last one does.
fn policies() -> Option<DenyIndex> {
    let rule = json!({
        "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
        "resourceNames": ["another-1", "another-2", "another-3"],
        "namespaces": {"patterns": ["prod-*", "*-prod"], "selectorTerms": [{"matchLabels": {"tier": "prod"}}]},
    });
    let policy = |place: u32| {
        serde_json::from_value::<Policy>(json!({
            "name": format!("policy-{place:03}"), "precedence": 100,
            "rules": vec![rule.clone(); 10],
        }))
    };
    let policies: Result<Vec<Policy>, _> = (0..200).map(policy).collect();
    DenyIndex::new(&policies.ok()?).ok()
}

/// Of 5,000 namespaces.
fn namespaces() -> NamespaceLabels {
    let labels = Arc::new(BTreeMap::from([("tier".to_owned(), "dev".to_owned())]));
    let one = |place: u32| (format!("team-{place:04}"), Arc::clone(&labels));
    let mut all: BTreeMap<String, _> = (0..5_000).map(one).collect();
    all.insert(NAMESPACE.to_owned(), labels.clone());
    NamespaceLabels(all)
}

fn bench_policies(c: &mut Criterion) {
    let (Some(denied), labels) = (policies(), namespaces()) else {
        return;
    };
    let index = book(100_000).index();
    let mut pods = SessionPodBook::default();
    for place in 0..100_000 {
        let name = format!("debug-session-{place:06}-ds-x7k2p");
        pods.set(&name, NAMESPACE, &name);
    }
    let pods = pods.index();
    let mut group = c.benchmark_group("authorize with 200 policies and 100,000 sessions");
    // The last term that is looked at differs: the name, and for a list, which could be of any name, the namespace.
    let get = review("mallory@example.com", "coredns-0");
    let mut list = get.clone();
    if let Some(resource) = &mut list.resource {
        resource.verb = "list".to_owned();
        resource.subresource = String::new();
        resource.name = String::new();
    }
    for (what, review) in [("no name matches", get), ("no namespace matches", list)] {
        group.bench_function(what, |b| {
            let known = known(&index, &denied, &labels, &pods);
            b.iter(|| authorize(black_box(known), black_box(&review), now()));
        });
    }
    group.finish();
}

fn bench(c: &mut Criterion) {
    let (nothing, no_labels) = (DenyIndex::default(), NamespaceLabels::default());
    let no_pods = SessionPods::default();
    let mut group = c.benchmark_group("authorize");
    for sessions in [1, 1_000, 100_000] {
        let index = book(sessions).index();
        let last = format!("debug-session-{:06}-ds-x7k2p", sessions - 1);
        for (what, review) in [
            ("allow", review("alice@example.com", &last)),
            ("stranger", review("mallory@example.com", &last)),
            ("other pod", review("alice@example.com", "coredns-0")),
        ] {
            group.bench_function(BenchmarkId::new(what, sessions), |b| {
                let known = known(&index, &nothing, &no_labels, &no_pods);
                b.iter(|| authorize(black_box(known), black_box(&review), now()));
            });
        }
    }
    group.finish();
    let mut group = c.benchmark_group("change one grant and publish");
    for sessions in [1, 1_000, 100_000] {
        let mut book = book(sessions);
        if let Some(held) = held() {
            group.bench_function(BenchmarkId::from_parameter(sessions), |b| {
                // Readers hold the index of before, so that its shard is copied.
                let mut published = book.index();
                b.iter(|| {
                    book.set(&held, &[pod("debug-session-changed-ds-x7k2p")]);
                    published = book.index();
                });
                black_box(published);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, bench, bench_policies);
criterion_main!(benches);
