//! Records of grants: written before anything is made, gone when nothing is left.

use super::*;

#[tokio::test]
async fn d04_nothing_is_made_before_it_is_written_down() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let record = "secrets/breakglass-grant";
    api.fail_next(
        Method::PATCH,
        record,
        503,
        "ServiceUnavailable",
        "etcd is busy",
    );
    api.fail_next(
        Method::POST,
        "daemonsets",
        429,
        "TooManyRequests",
        "slow down",
    );
    agent
        .snapshot(1, &[&grant(SignedDuration::from_hours(1))])
        .await;
    let acknowledged = loop {
        if let ToHub::Acknowledged(acknowledged) = agent.hear().await {
            break acknowledged;
        }
    };
    assert_eq!(acknowledged.revision, Revision(1));
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    let writes: Vec<String> = api
        .log()
        .into_iter()
        .filter(|line| line.contains(record) || line.contains("POST"))
        .collect();
    let is_record = |line: &String| line.contains(record);
    assert!(
        writes.iter().take(2).all(is_record),
        "refused, then written: {writes:#?}"
    );
    let creates = writes.iter().filter(|line| line.contains("POST")).count();
    assert_eq!(creates, 2, "a passing refusal is tried again");
    agent.die().await;
}

#[tokio::test]
async fn a_record_that_is_still_being_written_when_its_grant_is_settled_goes_too() {
    let api = FakeApi::new();
    let mut agent = Agent::start(&api).await;
    let mut session = grant(SignedDuration::from_hours(1));
    let Work::Workload(workload) = &mut session.work;
    workload.pod = PodSource::Structured {
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec: json!({ "hostNetwork": true, "containers": [{ "name": "debug", "image": "busybox:1" }] }),
    };
    let write = api.hold(Method::PATCH, "secrets/breakglass-grant");
    agent.snapshot(1, &[&session]).await;
    api.until("the write", |api| {
        api.log()
            .iter()
            .any(|line| line.contains("PATCH") && line.contains("breakglass-grant"))
    })
    .await;
    let refused = agent
        .report("refused by the ceiling", |report| {
            report.phase == Phase::Ended
        })
        .await;
    assert!(
        refused
            .end
            .unwrap()
            .message
            .unwrap()
            .contains("hostNetwork")
    );
    let memory = |api: &FakeApi| api.get("secrets", AGENT, "breakglass-agent-memory");
    let before = memory(&api);
    agent
        .say(ToAgent::Settled(Settled {
            uid: session.uid.clone(),
        }))
        .await;
    api.until("the tombstone", |api| memory(api) != before)
        .await;
    // The agent has heard that the tombstone is stored, and would delete now.
    for turn in 0..10 {
        agent.ask(&format!("turn-{turn}")).await;
    }
    assert!(!api.log().iter().any(|line| line.contains("DELETE")));
    write.send(true).unwrap();
    api.until("the record came, and is gone", |api| {
        api.log().iter().any(|line| line.contains("DELETE")) && records(api) == 0
    })
    .await;
    agent.die().await;
}
