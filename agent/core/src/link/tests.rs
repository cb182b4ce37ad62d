use std::collections::BTreeMap;

use breakglass_protocol::ids::CallId;
use breakglass_protocol::limits::{MAX_GRANT_BYTES, MAX_POLICIES_BYTES};
use breakglass_protocol::wire::grant::{Desired, EndReason, Grant, WorkloadKind, feature};
use breakglass_protocol::wire::report::Phase as ReportPhase;
use breakglass_protocol::wire::to_agent::{
    Ask, Settled, SignWebhookClient, SnapshotBegin, SnapshotEnd,
};
use breakglass_protocol::wire::to_hub::{Answered, WebhookClient};
use proptest::prelude::*;

use super::*;
use crate::holdings::{Holdings, Taken};
use crate::policies::Policies;
use crate::sample::{self, at};
use breakglass_protocol::ids::ClusterName;
use std::collections::BTreeSet;

fn link() -> Link {
    Link::new(LinkConfig {
        cluster: ClusterName::new("prod-1"),
        program_version: "0.1.0".into(),
        instance: "i".into(),
        features: vec![feature::WORKLOAD.into(), policy::FEATURE.into()],
    })
}

/// Deny policies of which each revision's set is another one.
fn policies(revision: u64) -> ToAgent {
    let name = format!("policy-{revision}");
    let set = serde_json::json!({"policies": [{"name": name, "precedence": 100, "rules": []}]});
    policies_frame(revision, set.to_string().into_bytes())
}

fn policies_frame(revision: u64, body: Vec<u8>) -> ToAgent {
    ToAgent::Policies(PoliciesFrame {
        revision: Revision(revision),
        requires: vec![policy::FEATURE.into()],
        body,
    })
}

/// Of a hub that knows deny policies.
fn welcome_with_policies() -> ToAgent {
    let ToAgent::Welcome(mut welcome) = welcome() else {
        unreachable!()
    };
    welcome.features = vec![policy::FEATURE.into()];
    ToAgent::Welcome(welcome)
}

fn welcome() -> ToAgent {
    ToAgent::Welcome(Welcome {
        program_version: "0.1.0".into(),
        version: VERSION_MAX,
        features: Vec::new(),
        now_ms: 0,
    })
}

fn begin(revision: u64, count: u32) -> ToAgent {
    ToAgent::SnapshotBegin(SnapshotBegin {
        revision: Revision(revision),
        count,
    })
}

fn end(revision: u64) -> ToAgent {
    ToAgent::SnapshotEnd(SnapshotEnd {
        revision: Revision(revision),
    })
}

fn frame_of(grant: &Grant, revision: u64) -> GrantFrame {
    GrantFrame {
        revision: Revision(revision),
        uid: grant.uid.clone(),
        requires: vec![feature::WORKLOAD.into()],
        remaining_ms: 3_600_000,
        body: serde_json::to_vec(grant).unwrap(),
    }
}

fn grant(uid: &str) -> Grant {
    Grant {
        uid: GrantUid::new(uid),
        ..sample::grant(WorkloadKind::DaemonSet)
    }
}

fn sent(link: &mut Link) -> Vec<ToHub> {
    std::iter::from_fn(|| link.poll_frame()).collect()
}

fn events(link: &mut Link) -> Vec<LinkEvent> {
    std::iter::from_fn(|| link.poll_event()).collect()
}

fn online(frames: Vec<ToAgent>) -> Link {
    let mut link = link();
    link.handle_connected(at(0));
    link.handle_frame(welcome(), at(0));
    sent(&mut link);
    events(&mut link);
    for frame in frames {
        link.handle_frame(frame, at(0));
    }
    link
}

fn is_disconnected(link: &mut Link) -> bool {
    events(link)
        .iter()
        .any(|event| matches!(event, LinkEvent::Disconnect(_)))
}

fn acknowledged(frames: &[ToHub]) -> Option<u64> {
    frames.iter().rev().find_map(|frame| match frame {
        ToHub::Acknowledged(acknowledged) => Some(acknowledged.revision.0),
        ToHub::Hello(_)
        | ToHub::Report(_)
        | ToHub::Status(_)
        | ToHub::Answer(_)
        | ToHub::RenewCertificate(_)
        | ToHub::Audit(_)
        | ToHub::Close(_) => None,
    })
}

fn report(uid: &str, phase: ReportPhase) -> Report {
    Report {
        uid: GrantUid::new(uid),
        at: sample::wall(0),
        renewal: 0,
        expires_at: None,
        recycled: 0,
        phase,
        message: None,
        pods: Vec::new(),
        deployed: Vec::new(),
        resources: Vec::new(),
        end: None,
        cleanup: None,
    }
}

fn reports(frames: &[ToHub]) -> Vec<String> {
    frames
        .iter()
        .filter_map(|frame| match frame {
            ToHub::Report(report) => Some(report.uid.to_string()),
            ToHub::Hello(_)
            | ToHub::Acknowledged(_)
            | ToHub::Status(_)
            | ToHub::Answer(_)
            | ToHub::RenewCertificate(_)
            | ToHub::Audit(_)
            | ToHub::Close(_) => None,
        })
        .collect()
}

#[test]
fn hello_first_and_nothing_else_before_the_welcome() {
    let mut link = link();
    link.handle_report(&report("1", ReportPhase::Running));
    assert_eq!(link.state(), LinkState::Offline);
    assert_eq!(sent(&mut link), []);
    link.handle_connected(at(0));
    assert_eq!(link.state(), LinkState::Greeting);
    let frames = sent(&mut link);
    assert!(
        matches!(&frames[..], [ToHub::Hello(hello)] if hello.cluster == "prod-1"),
        "{frames:?}"
    );
    link.handle_frame(welcome(), at(1));
    assert_eq!(link.state(), LinkState::Online);
    assert_eq!(reports(&sent(&mut link)), ["1"]);
    assert!(matches!(&events(&mut link)[..], [LinkEvent::Online(_)]));
}

#[test]
fn a_hub_that_speaks_before_it_greets_is_left() {
    let mut link = link();
    link.handle_connected(at(0));
    sent(&mut link);
    link.handle_frame(begin(1, 0), at(0));
    assert!(is_disconnected(&mut link));
    assert!(matches!(&sent(&mut link)[..], [ToHub::Close(_)]));
    assert_eq!(
        link.poll_timeout(),
        None,
        "it waits for the socket to close"
    );
}

#[test]
fn another_version_is_told() {
    let mut link = link();
    link.handle_connected(at(0));
    sent(&mut link);
    let ToAgent::Welcome(mut far) = welcome() else {
        unreachable!()
    };
    far.version = VERSION_MAX + 1;
    link.handle_frame(ToAgent::Welcome(far), at(0));
    let frames = sent(&mut link);
    assert!(
        matches!(&frames[..], [ToHub::Close(close)] if close.code == CloseCode::VersionMismatch)
    );
}

#[test]
fn d17_nothing_is_removed_before_the_end_of_the_snapshot() {
    let (one, two) = (grant("1"), grant("2"));
    let mut link = online(vec![begin(7, 2), ToAgent::Grant(frame_of(&one, 3))]);
    let is_complete = |link: &mut Link| {
        events(link).into_iter().find_map(|event| match event {
            LinkEvent::SnapshotComplete { present } => Some(present.len()),
            LinkEvent::Disconnect(_) => Some(usize::MAX),
            LinkEvent::Online(_)
            | LinkEvent::Grant { .. }
            | LinkEvent::Unreadable { .. }
            | LinkEvent::Settled(_)
            | LinkEvent::Call(_)
            | LinkEvent::Certificate(_)
            | LinkEvent::Policies(_)
            | LinkEvent::UnreadablePolicies { .. }
            | LinkEvent::AuditAccepted(_)
            | LinkEvent::Ping => None,
        })
    };
    assert_eq!(is_complete(&mut link), None);
    link.handle_frame(ToAgent::Grant(frame_of(&two, 9)), at(1));
    assert_eq!(is_complete(&mut link), None);
    link.handle_frame(end(7), at(1));
    assert_eq!(is_complete(&mut link), Some(2));
    link.handle_frame(end(7), at(1));
    assert_eq!(is_complete(&mut link), None, "doubled");
}

#[test]
fn d17_a_wrong_count_removes_nothing_and_starts_over() {
    let one = || ToAgent::Grant(frame_of(&grant("1"), 3));
    for frames in [
        vec![begin(7, 2), one(), end(7)],
        vec![begin(7, 2), one(), one(), end(7)],
        vec![one(), end(7)],
        vec![end(7)],
        vec![begin(7, 0), one(), end(7)],
        vec![begin(7, 1), one(), end(8)],
    ] {
        let mut link = online(frames.clone());
        let events = events(&mut link);
        assert!(
            !events
                .iter()
                .any(|event| matches!(event, LinkEvent::SnapshotComplete { .. })),
            "{frames:?}"
        );
        assert!(
            events
                .iter()
                .any(|event| matches!(event, LinkEvent::Disconnect(Disconnect::ByAgent { .. }))),
            "{frames:?}"
        );
    }
}

#[test]
fn a_hub_may_start_its_snapshot_over_with_another_count() {
    let one = || ToAgent::Grant(frame_of(&grant("1"), 3));
    let mut link = online(vec![begin(7, 2), one(), begin(7, 1), one(), end(7)]);
    assert!(events(&mut link).iter().any(
        |event| matches!(event, LinkEvent::SnapshotComplete { present } if present.len() == 1)
    ));
}

#[test]
fn s16_a_snapshot_without_the_deny_policies_is_not_complete() {
    let online = |frames: Vec<ToAgent>| {
        let mut link = link();
        link.handle_connected(at(0));
        link.handle_frame(welcome_with_policies(), at(0));
        events(&mut link);
        for frame in frames {
            link.handle_frame(frame, at(0));
        }
        link
    };
    let mut lost = online(vec![begin(7, 0), end(7)]);
    assert!(is_disconnected(&mut lost));
    let mut whole = online(vec![policies(7), begin(7, 0), end(7)]);
    let said = events(&mut whole);
    assert!(
        matches!(
            &said[..],
            [LinkEvent::Policies(_), LinkEvent::SnapshotComplete { .. }]
        ),
        "{said:?}"
    );
    // An older set that comes late changes nothing, a newer one does.
    whole.handle_frame(policies(6), at(1));
    assert_eq!(events(&mut whole), []);
    whole.handle_frame(policies(8), at(1));
    assert!(matches!(
        &events(&mut whole)[..],
        [LinkEvent::Policies(received)] if received.revision == Revision(8)
    ));
    // A hub of before deny policies sends none, and that is fine.
    let mut old_hub = super::tests::online(vec![begin(7, 0), end(7)]);
    assert!(!is_disconnected(&mut old_hub));
}

#[test]
fn s16_deny_policies_that_cannot_be_read_are_told_and_never_half_taken() {
    let rule = r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"users":["x"]}"#;
    let unknown_term =
        format!(r#"{{"policies":[{{"name":"p","precedence":1,"rules":[{rule}]}}]}}"#);
    for (body, says) in [
        (b"{}".to_vec(), "cannot be read"),
        (unknown_term.into_bytes(), "users"),
        (vec![b' '; MAX_POLICIES_BYTES + 1], "over the limit"),
    ] {
        let mut link = online(vec![policies_frame(1, body)]);
        let said = events(&mut link);
        assert!(
            matches!(&said[..], [LinkEvent::UnreadablePolicies { why }] if why.contains(says)),
            "{said:?}"
        );
    }
    let mut lacking = ToAgent::Policies(PoliciesFrame {
        revision: Revision(1),
        requires: vec![policy::FEATURE.into(), "policies.v9".into()],
        body: b"what only a newer agent reads".to_vec(),
    });
    let mut link = online(vec![lacking.clone()]);
    assert!(matches!(
        &events(&mut link)[..],
        [LinkEvent::Policies(received)] if received.missing_features == ["policies.v9"]
    ));
    // As large as a frame may be.
    if let ToAgent::Policies(frame) = &mut lacking {
        frame.requires.clear();
        frame.body = vec![b'['; 3 * 1024 * 1024];
    }
    link.handle_frame(lacking, at(1));
    assert!(matches!(
        &events(&mut link)[..],
        [LinkEvent::UnreadablePolicies { .. }]
    ));
}

#[test]
fn d17_missing_features_are_named_and_unreadable_grants_told() {
    let mut strange = frame_of(&grant("1"), 1);
    strange.requires.push("streams.v9".into());
    let mut unreadable = frame_of(&grant("2"), 2);
    unreadable.body = b"{}".to_vec();
    let mut other = frame_of(&grant("3"), 3);
    other.uid = GrantUid::new("4");
    let mut huge = frame_of(&grant("5"), 4);
    huge.body = vec![b' '; MAX_GRANT_BYTES + 1];
    let mut link = online(
        [strange, unreadable, other, huge]
            .map(ToAgent::Grant)
            .to_vec(),
    );
    let said: Vec<String> = events(&mut link)
        .into_iter()
        .map(|event| match event {
            LinkEvent::Grant { received, .. } => received.missing_features.join(","),
            LinkEvent::Unreadable { uid, why } => format!("{uid}: {why}"),
            LinkEvent::Online(_)
            | LinkEvent::SnapshotComplete { .. }
            | LinkEvent::Settled(_)
            | LinkEvent::Call(_)
            | LinkEvent::Certificate(_)
            | LinkEvent::Policies(_)
            | LinkEvent::UnreadablePolicies { .. }
            | LinkEvent::AuditAccepted(_)
            | LinkEvent::Ping
            | LinkEvent::Disconnect(_) => panic!("no other event is due"),
        })
        .collect();
    assert_eq!(said[0], "streams.v9");
    assert!(said[1].starts_with("2: missing field"), "{}", said[1]);
    assert!(said[2].contains("names 4, its body 3"), "{}", said[2]);
    assert!(said[3].contains("over the limit"), "{}", said[3]);
}

#[test]
fn a_revision_is_acknowledged_when_all_up_to_it_is_journaled() {
    let mut link = online(vec![
        begin(9, 2),
        ToAgent::Grant(frame_of(&grant("1"), 3)),
        ToAgent::Grant(frame_of(&grant("2"), 5)),
    ]);
    link.handle_journaled(&GrantUid::new("1"), Revision(3));
    link.handle_journaled(&GrantUid::new("2"), Revision(5));
    assert_eq!(acknowledged(&sent(&mut link)), None, "the snapshot is open");
    link.handle_frame(end(9), at(1));
    assert_eq!(acknowledged(&sent(&mut link)), Some(9));
    link.handle_frame(ToAgent::Grant(frame_of(&grant("1"), 12)), at(2));
    link.handle_frame(ToAgent::Grant(frame_of(&grant("2"), 14)), at(2));
    link.handle_journaled(&GrantUid::new("2"), Revision(14));
    assert_eq!(
        acknowledged(&sent(&mut link)),
        Some(11),
        "12 is not journaled"
    );
    link.handle_journaled(&GrantUid::new("1"), Revision(3));
    assert_eq!(acknowledged(&sent(&mut link)), None, "an older one was");
    link.handle_journaled(&GrantUid::new("1"), Revision(12));
    assert_eq!(acknowledged(&sent(&mut link)), Some(14));
}

#[test]
fn an_empty_snapshot_is_complete_and_acknowledged() {
    let mut link = online(vec![begin(4, 0), end(4)]);
    assert_eq!(acknowledged(&sent(&mut link)), Some(4));
    assert!(events(&mut link).iter().any(
        |event| matches!(event, LinkEvent::SnapshotComplete { present } if present.is_empty())
    ));
}

#[test]
fn silence_and_slowness_end_the_conversation() {
    let mut greeting = link();
    greeting.handle_connected(at(0));
    assert_eq!(greeting.poll_timeout(), Some(at(10).monotonic));
    greeting.handle_timeout(at(10));
    assert!(is_disconnected(&mut greeting));

    let mut link = online(vec![begin(1, 0), end(1)]);
    events(&mut link);
    assert_eq!(link.poll_timeout(), Some(at(15).monotonic));
    link.handle_timeout(at(15));
    assert_eq!(events(&mut link), [LinkEvent::Ping]);
    link.handle_heard(at(16));
    link.handle_timeout(at(60));
    assert_eq!(events(&mut link), [LinkEvent::Ping], "heard 44 s ago");
    link.handle_timeout(at(61));
    assert!(is_disconnected(&mut link));

    let mut without_snapshot = online(vec![]);
    without_snapshot.handle_timeout(at(30));
    assert!(is_disconnected(&mut without_snapshot));
}

#[test]
fn reports_are_the_newest_and_final_ones_are_repeated_until_settled() {
    let mut link = online(vec![begin(1, 0), end(1)]);
    link.handle_report(&report("1", ReportPhase::Deploying));
    link.handle_report(&report("1", ReportPhase::Running));
    link.handle_report(&report("2", ReportPhase::Ended));
    assert_eq!(reports(&sent(&mut link)), ["1", "2"], "one each");
    assert_eq!(reports(&sent(&mut link)), Vec::<String>::new());
    link.handle_timeout(at(30));
    assert_eq!(reports(&sent(&mut link)), ["2"]);
    link.handle_disconnected();
    link.handle_connected(at(40));
    link.handle_frame(welcome(), at(40));
    assert_eq!(
        reports(&sent(&mut link)),
        ["1", "2"],
        "all, on a new connection"
    );
    let settled = |uid: &str| {
        ToAgent::Settled(Settled {
            uid: GrantUid::new(uid),
        })
    };
    link.handle_frame(settled("1"), at(41));
    link.handle_frame(settled("2"), at(41));
    link.handle_disconnected();
    link.handle_connected(at(50));
    link.handle_frame(welcome(), at(50));
    assert_eq!(
        reports(&sent(&mut link)),
        ["1"],
        "one that runs is not settled"
    );
    link.handle_forgotten(&GrantUid::new("1"));
    link.handle_disconnected();
    link.handle_connected(at(60));
    link.handle_frame(welcome(), at(60));
    assert_eq!(reports(&sent(&mut link)), Vec::<String>::new());
}

#[test]
fn a_repeated_question_is_answered_and_not_done_again() {
    let call = || {
        ToAgent::Call(Call {
            id: CallId::new("c"),
            ask: Ask::SignWebhookClient(SignWebhookClient {
                csr_der: Vec::new(),
            }),
        })
    };
    let calls = |link: &mut Link| {
        events(link)
            .iter()
            .filter(|event| matches!(event, LinkEvent::Call(_)))
            .count()
    };
    let answer = Answer {
        id: CallId::new("c"),
        result: Ok(Answered::WebhookClient(WebhookClient {
            certificate_pem: String::new(),
            ca_pem: String::new(),
            url: String::new(),
            expires_at: 0,
        })),
    };
    let mut link = online(vec![call(), call()]);
    assert_eq!(calls(&mut link), 1);
    link.handle_disconnected();
    link.handle_connected(at(1));
    link.handle_frame(welcome(), at(1));
    link.handle_frame(call(), at(1));
    assert_eq!(calls(&mut link), 0, "it still runs");
    sent(&mut link);
    link.handle_answer(answer.clone());
    assert_eq!(sent(&mut link), [ToHub::Answer(answer.clone())]);
    link.handle_frame(call(), at(2));
    assert_eq!(calls(&mut link), 0);
    assert_eq!(sent(&mut link), [ToHub::Answer(answer)]);
}

#[test]
fn a_report_that_is_too_large_goes_without_its_pods() {
    let mut large = report("1", ReportPhase::Running);
    large.pods = (0..20_000)
        .map(|place| breakglass_protocol::wire::report::ObservedPod {
            namespace: "breakglass-debug".into(),
            name: format!("pod-{place}"),
            uid: format!("uid-{place}-{}", "x".repeat(60)),
            node_name: None,
            phase: None,
            ready: true,
            container_status: None,
        })
        .collect();
    let mut link = online(vec![]);
    link.handle_report(&large);
    let frames = sent(&mut link);
    let [ToHub::Report(frame)] = &frames[..] else {
        panic!("{}", frames.len())
    };
    let read: Report = serde_json::from_slice(&frame.body).unwrap();
    assert!(read.message.unwrap().contains("20000 pods"));
}

/// A hub: what each grant should be, at which revision.
#[derive(Clone, Debug, Default)]
struct Hub {
    revision: u64,
    grants: BTreeMap<String, (u64, Grant)>,
    /// When the deny policies changed last.
    policies: u64,
}

#[derive(Clone, Debug)]
enum Deed {
    /// A new session under the next UID.
    Grant,
    Renew(usize),
    Terminate(usize),
    /// The session is deleted in the hub: absent from the next snapshot.
    Forget(usize),
    /// The deny policies are others.
    Policies,
}

impl Hub {
    fn perform(&mut self, deed: &Deed) {
        self.revision += 1;
        let revision = self.revision;
        let uids: Vec<String> = self.grants.keys().cloned().collect();
        let chosen = |place: &usize| uids.get(place % uids.len().max(1)).cloned();
        match deed {
            Deed::Grant => {
                let uid = format!("uid-{revision:04}");
                self.grants.insert(uid.clone(), (revision, grant(&uid)));
            }
            Deed::Renew(place) => {
                if let Some((changed, grant)) =
                    chosen(place).and_then(|uid| self.grants.get_mut(&uid))
                    && matches!(grant.desired, Desired::Running {})
                {
                    *changed = revision;
                    grant.renewal += 1;
                    grant.expires_at = sample::wall(3600 + i64::from(grant.renewal) * 60);
                }
            }
            Deed::Terminate(place) => {
                if let Some((changed, grant)) =
                    chosen(place).and_then(|uid| self.grants.get_mut(&uid))
                {
                    *changed = revision;
                    grant.desired = Desired::Ended {
                        reason: EndReason::Terminated,
                        by: None,
                        at: sample::wall(1),
                    };
                }
            }
            Deed::Forget(place) => {
                if let Some(uid) = chosen(place) {
                    self.grants.remove(&uid);
                }
            }
            Deed::Policies => self.policies = revision,
        }
    }

    fn snapshot(&self) -> Vec<ToAgent> {
        let count = u32::try_from(self.grants.len()).unwrap();
        let mut frames = vec![policies(self.policies), begin(self.revision, count)];
        frames.extend(self.grants_since(0));
        frames.push(end(self.revision));
        frames
    }

    fn changes_since(&self, revision: u64) -> Vec<ToAgent> {
        let mut frames = self.grants_since(revision);
        if self.policies > revision {
            frames.push(policies(self.policies));
        }
        frames
    }

    fn grants_since(&self, revision: u64) -> Vec<ToAgent> {
        self.grants
            .values()
            .filter(|(changed, _)| *changed > revision)
            .map(|(changed, grant)| ToAgent::Grant(frame_of(grant, *changed)))
            .collect()
    }
}

/// What the network does to one frame. A frame that is lost takes all later ones of its connection with it, as TCP does.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Whole,
    Doubled,
    Late,
    Lost,
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => Just(Deed::Grant),
        2 => (0_usize..8).prop_map(Deed::Renew),
        2 => (0_usize..8).prop_map(Deed::Terminate),
        1 => (0_usize..8).prop_map(Deed::Forget),
        1 => Just(Deed::Policies),
    ]
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        10 => Just(Fate::Whole), 2 => Just(Fate::Doubled), 2 => Just(Fate::Late), 1 => Just(Fate::Lost)
    ]
}

/// Plays one connection; performs the link's events on the holdings as the program does. Returns UIDs that ended.
fn play(
    link: &mut Link,
    holdings: &mut Holdings,
    policies: &mut Policies,
    frames: &[ToAgent],
    fates: &[Fate],
) {
    link.handle_connected(at(1));
    link.handle_frame(welcome_with_policies(), at(1));
    let mut delivered: Vec<ToAgent> = Vec::new();
    for (place, frame) in frames.iter().enumerate() {
        match fates
            .get(place % fates.len().max(1))
            .unwrap_or(&Fate::Whole)
        {
            Fate::Whole => delivered.push(frame.clone()),
            Fate::Doubled => delivered.extend([frame.clone(), frame.clone()]),
            Fate::Late => delivered.insert(delivered.len().saturating_sub(1), frame.clone()),
            Fate::Lost => break,
        }
    }
    for frame in delivered {
        link.handle_frame(frame, at(1));
        while let Some(event) = link.poll_event() {
            match event {
                LinkEvent::Grant { received, revision } => {
                    let uid = received.grant.uid.clone();
                    let taken = holdings.receive(*received, &sample::seed(), at(1));
                    assert!(!matches!(taken, Taken::Refused { .. }));
                    link.handle_journaled(&uid, revision);
                }
                LinkEvent::SnapshotComplete { present } => {
                    holdings.withdraw_absent(&present, at(1));
                }
                LinkEvent::Disconnect(_) => {
                    link.handle_disconnected();
                    return;
                }
                LinkEvent::Online(_) => {}
                LinkEvent::Policies(received) => {
                    policies.receive(received);
                }
                LinkEvent::Unreadable { .. }
                | LinkEvent::Settled(_)
                | LinkEvent::Call(_)
                | LinkEvent::Certificate(_)
                | LinkEvent::UnreadablePolicies { .. }
                | LinkEvent::AuditAccepted(_)
                | LinkEvent::Ping => panic!("{event:?}"),
            }
        }
    }
    link.handle_disconnected();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the network does, after one good connection the agent holds what the hub wants, and what ended once
    /// has not come back.
    #[test]
    fn any_loss_repetition_and_order_ends_in_what_the_hub_wants(
        connections in prop::collection::vec(
            (prop::collection::vec(deeds(), 0..6), prop::collection::vec(deeds(), 0..4),
                prop::collection::vec(fates(), 1..12)), 1..8),
    ) {
        let mut hub = Hub::default();
        let mut link = link();
        let mut holdings = sample::holdings(at(0));
        let mut policies = Policies::default();
        let mut over = BTreeSet::new();
        let good = (Vec::new(), Vec::new(), vec![Fate::Whole]);
        for (before, during, fates) in connections.iter().chain([&good]) {
            before.iter().for_each(|deed| hub.perform(deed));
            let mut frames = hub.snapshot();
            for deed in during {
                let revision = hub.revision;
                hub.perform(deed);
                frames.extend(hub.changes_since(revision));
            }
            play(&mut link, &mut holdings, &mut policies, &frames, fates);
            for uid in &over {
                prop_assert!(holdings.get(uid).is_some_and(|held| held.has_ended()), "{} came back", uid);
            }
            over.extend(holdings.iter().filter(|held| held.has_ended()).map(|held| held.grant.uid.clone()));
        }
        let running = |grant: &Grant| matches!(grant.desired, Desired::Running {});
        let wanted: BTreeMap<&str, u32> = hub.grants.iter()
            .filter(|(_, (_, grant))| running(grant))
            .map(|(uid, (_, grant))| (uid.as_str(), grant.renewal))
            .collect();
        let held: BTreeMap<&str, u32> = holdings.iter()
            .filter(|held| !held.has_ended())
            .map(|held| (held.grant.uid.as_str(), held.deadline.renewal()))
            .collect();
        prop_assert_eq!(wanted, held);
        let report = policies.report(&crate::ceiling::Ceiling::default());
        prop_assert_eq!(report.revision, Some(Revision(hub.policies)));
    }
}

#[test]
fn s20_records_go_only_to_a_hub_that_takes_them_and_belong_to_one_conversation() {
    use breakglass_protocol::wire::access;
    use breakglass_protocol::wire::to_agent::AuditAccepted;
    use breakglass_protocol::wire::to_hub::AuditFrame;
    let frame = || AuditFrame {
        boot: "a".into(),
        body: b"[]".to_vec(),
    };
    let mut old = online(Vec::new());
    assert!(!old.takes_audit());
    old.handle_audit(frame());
    assert_eq!(sent(&mut old), []);
    let ToAgent::Welcome(mut greeting) = welcome() else {
        unreachable!()
    };
    greeting.features = vec![access::FEATURE.into()];
    let mut link = link();
    link.handle_connected(at(0));
    assert!(!link.takes_audit(), "not before the hub has greeted");
    link.handle_frame(ToAgent::Welcome(greeting), at(0));
    sent(&mut link);
    events(&mut link);
    link.handle_audit(frame());
    assert_eq!(sent(&mut link), [ToHub::Audit(frame())]);
    let accepted = AuditAccepted {
        boot: "a".into(),
        through: 7,
    };
    link.handle_frame(ToAgent::AuditAccepted(accepted.clone()), at(1));
    assert_eq!(events(&mut link), [LinkEvent::AuditAccepted(accepted)]);
    link.handle_audit(frame());
    link.handle_disconnected();
    link.handle_connected(at(2));
    assert!(matches!(sent(&mut link)[..], [ToHub::Hello(_)]));
}
