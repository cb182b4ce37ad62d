//! What one question of the API server costs with 1, 1,000 and 100,000 sessions held: it must not grow with them
//! (spec 3: p99 ≤ 1 ms with 100,000). `cargo bench -p breakglass-agent-core`.

use std::hint::black_box;
use std::time::Duration;

use breakglass_agent_core::authorize::{Freshness, ResourceFacts, ReviewFacts, authorize};
use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::grants::GrantBook;
use breakglass_agent_core::held::Held;
use breakglass_agent_core::holdings::{Holdings, Memory, Received};
use breakglass_agent_core::workload::Seed;
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::grant::Grant;
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

fn bench(c: &mut Criterion) {
    let freshness = Freshness {
        last_progress: Some(now().monotonic),
    };
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
                b.iter(|| authorize(black_box(&index), black_box(&review), now(), freshness));
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

criterion_group!(benches, bench);
criterion_main!(benches);
