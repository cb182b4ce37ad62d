//! The hub's half of the link against a small naive agent, on one thread with time as a number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use breakglass_hub_core::clock::Now;
use breakglass_hub_core::grant::{Ended, Prepared};
use breakglass_hub_core::link::{AskError, CallFailure, Event, Greeting, HubLink, Outgoing};
use breakglass_hub_core::policy::PreparedPolicies;
use breakglass_protocol::ids::{CallId, ClusterName, GrantUid, Revision};
use breakglass_protocol::limits::{DEAD_AFTER, HANDSHAKE_TIMEOUT, PING_INTERVAL};
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::codec;
use breakglass_protocol::wire::grant::feature;
use breakglass_protocol::wire::hello::Hello;
use breakglass_protocol::wire::policy;
use breakglass_protocol::wire::report::Phase;
use breakglass_protocol::wire::to_agent::{Ask, PoliciesFrame, SignWebhookClient, ToAgent};
use breakglass_protocol::wire::to_hub::{
    Acknowledged, Answer, Answered, Blame, Declined, ReportFrame, ToHub, WebhookClient,
};
use proptest::prelude::*;

use crate::fixture::*;
use crate::observed::report;

fn greeting() -> Greeting {
    Greeting {
        cluster: ClusterName::new(CLUSTER),
        program_version: "test".into(),
        features: vec![],
    }
}

fn hello() -> Hello {
    Hello {
        program_version: "test".into(),
        version_min: 1,
        version_max: 1,
        features: vec![feature::WORKLOAD.into(), policy::FEATURE.into()],
        instance: "one".into(),
        cluster: CLUSTER.into(),
    }
}

fn uid(n: u32) -> GrantUid {
    GrantUid::new(format!("uid-{n}"))
}

/// What an agent keeps, told by nothing but frames: the newest body of each grant.
#[derive(Default)]
struct Agent {
    held: BTreeMap<GrantUid, Vec<u8>>,
    listed: Option<(u32, BTreeSet<GrantUid>)>,
    settled: BTreeSet<GrantUid>,
    revision: Revision,
    last_remaining_ms: u64,
    close: Option<CloseCode>,
    policies: Option<PoliciesFrame>,
}

impl Agent {
    fn take(&mut self, frame: ToAgent) -> Option<ToHub> {
        match frame {
            ToAgent::Welcome(welcome) => assert_eq!(welcome.version, 1),
            ToAgent::SnapshotBegin(begin) => self.listed = Some((begin.count, BTreeSet::new())),
            ToAgent::Grant(grant) => {
                if let Some((_, listed)) = &mut self.listed {
                    listed.insert(grant.uid.clone());
                }
                self.last_remaining_ms = grant.remaining_ms;
                self.held.insert(grant.uid, grant.body);
            }
            ToAgent::SnapshotEnd(end) => {
                let (count, listed) = self.listed.take().expect("an end has a begin");
                assert_eq!(
                    usize::try_from(count).unwrap(),
                    listed.len(),
                    "the announced count is true"
                );
                self.held.retain(|uid, _| listed.contains(uid));
                self.revision = end.revision;
                return Some(ToHub::Acknowledged(Acknowledged {
                    revision: end.revision,
                }));
            }
            ToAgent::Settled(settled) => {
                self.held.remove(&settled.uid);
                self.settled.insert(settled.uid);
            }
            ToAgent::Call(call) => {
                return Some(ToHub::Answer(Answer {
                    id: call.id,
                    result: Err(Declined {
                        blame: Blame::Cluster,
                        message: "no".into(),
                    }),
                }));
            }
            ToAgent::Certificate(_) | ToAgent::AuditAccepted(_) => {}
            ToAgent::Policies(frame) => self.policies = Some(frame),
            ToAgent::Close(close) => self.close = Some(close.code),
        }
        None
    }
}

/// The store of a hub shell: what each grant is now. Bodies are version numbers.
#[derive(Default)]
struct Store {
    grants: BTreeMap<GrantUid, (u32, Vec<String>)>,
    revision: u64,
    policies: u64,
}

impl Store {
    fn put(&mut self, uid: GrantUid, version: u32) {
        self.revision += 1;
        self.grants
            .insert(uid, (version, vec![feature::WORKLOAD.into()]));
    }

    fn prepared(&self, uid: &GrantUid) -> Option<Prepared> {
        let (version, requires) = self.grants.get(uid)?;
        Some(Prepared {
            uid: uid.clone(),
            revision: Revision(self.revision),
            requires: requires.clone(),
            expires_at: at(3600).wall,
            ended: Ended::No,
            body: version.to_string().into_bytes(),
        })
    }
}

/// Hub half, agent and store; `settle_down` moves frames until nothing moves.
struct Pair {
    hub: HubLink,
    agent: Agent,
    store: Store,
    events: Vec<Event>,
    now: Now,
}

impl Pair {
    fn greeted() -> Self {
        let mut pair = Self::new();
        pair.hub.handle_frame(ToHub::Hello(hello()), pair.now);
        pair
    }

    fn new() -> Self {
        let now = at(0);
        Self {
            hub: HubLink::new(greeting(), now),
            agent: Agent::default(),
            store: Store::default(),
            events: vec![],
            now,
        }
    }

    fn snapshot(&mut self) {
        let uids = self.store.grants.keys().cloned().collect();
        self.hub.snapshot(Revision(self.store.revision), uids);
    }

    fn settle_down(&mut self) {
        for _ in 0..100_000 {
            let moved = self.step();
            if !moved {
                return;
            }
        }
        panic!("it never settles down");
    }

    /// One frame, one wanted grant, or one event.
    fn step(&mut self) -> bool {
        match self.hub.poll_outgoing(self.now) {
            Some(Outgoing::Frame(frame)) => {
                // What the link hands out can be put on the wire.
                let bytes = codec::encode(&frame).unwrap();
                if let Some(answer) = self.agent.take(codec::decode(&bytes).unwrap()) {
                    self.hub
                        .handle_bytes(&codec::encode(&answer).unwrap(), self.now);
                }
                return true;
            }
            Some(Outgoing::Ping | Outgoing::Hangup) | None => {}
        }
        if let Some(uid) = self.hub.poll_wanted() {
            let prepared = self.store.prepared(&uid);
            self.hub.provide(&uid, prepared);
            return true;
        }
        match self.hub.poll_event() {
            Some(event) => {
                self.events.push(event);
                true
            }
            None => false,
        }
    }

    fn holds(&self) -> Vec<(String, String)> {
        let text = |body: &Vec<u8>| String::from_utf8(body.clone()).unwrap();
        self.agent
            .held
            .iter()
            .map(|(uid, body)| (uid.to_string(), text(body)))
            .collect()
    }

    fn misbehaved(&self) -> Option<CloseCode> {
        self.events.iter().find_map(|e| match e {
            Event::Misbehaved { code, .. } => Some(*code),
            _ => None,
        })
    }
}

#[test]
fn after_hello_and_snapshot_the_agent_holds_what_the_hub_wants() {
    let mut pair = Pair::greeted();
    for n in 0..100 {
        pair.store.put(uid(n), n);
    }
    pair.agent.held.insert(uid(999), b"left over".to_vec());
    pair.settle_down();
    assert!(matches!(pair.events[0], Event::Connected(_)));
    pair.snapshot();
    pair.settle_down();
    assert_eq!(pair.agent.held.len(), 100, "and what is not listed is gone");
    assert!(pair.events.contains(&Event::Acknowledged(Revision(100))));
}

#[test]
fn an_empty_snapshot_ends_everything() {
    let mut pair = Pair::greeted();
    pair.agent.held.insert(uid(1), b"old".to_vec());
    pair.snapshot();
    pair.settle_down();
    assert!(pair.holds().is_empty());
}

#[test]
fn changes_reach_the_agent_once_each_with_the_newest_state() {
    let mut pair = Pair::greeted();
    pair.snapshot();
    pair.settle_down();
    for version in 1..=5 {
        pair.store.put(uid(1), version);
        pair.hub.changed(uid(1));
    }
    pair.settle_down();
    assert_eq!(pair.holds(), [("uid-1".to_owned(), "5".to_owned())]);
}

#[test]
fn changes_during_a_snapshot_are_sent_after_it() {
    let mut pair = Pair::greeted();
    for n in 0..50 {
        pair.store.put(uid(n), 1);
    }
    pair.snapshot();
    for _ in 0..60 {
        pair.step();
    }
    for n in 0..60 {
        pair.store.put(uid(n), 2);
        pair.hub.changed(uid(n));
    }
    pair.settle_down();
    assert_eq!(pair.holds().len(), 60);
    assert!(pair.holds().iter().all(|(_, version)| version == "2"));
}

#[test]
fn a_grant_that_goes_away_during_a_snapshot_does_not_make_its_count_a_lie() {
    let mut pair = Pair::greeted();
    for n in 0..10 {
        pair.store.put(uid(n), 1);
    }
    pair.snapshot();
    pair.store.grants.remove(&uid(7));
    pair.settle_down();
    assert_eq!(
        pair.holds().len(),
        9,
        "and the agent's own assertion on the count held"
    );
}

#[test]
fn memory_is_bounded_while_the_agent_does_not_read() {
    let mut pair = Pair::greeted();
    for n in 0..10_000 {
        pair.store.put(uid(n), 1);
    }
    pair.snapshot();
    let mut asked = 0;
    while let Some(uid) = pair.hub.poll_wanted() {
        let prepared = pair.store.prepared(&uid);
        pair.hub.provide(&uid, prepared);
        asked += 1;
    }
    assert!(
        asked <= 32,
        "{asked} grants were loaded for a socket that takes none"
    );
    pair.settle_down();
    assert_eq!(pair.agent.held.len(), 10_000);
}

#[test]
fn s12_remaining_time_is_that_of_the_moment_of_sending() {
    let mut pair = Pair::greeted();
    pair.store.put(uid(1), 1);
    pair.snapshot();
    let wanted = pair.hub.poll_wanted().unwrap();
    let prepared = pair.store.prepared(&wanted);
    pair.hub.provide(&wanted, prepared);
    pair.now = at(100);
    pair.settle_down();
    assert_eq!(pair.agent.last_remaining_ms, 3_500_000);
}

#[test]
fn d17_a_grant_that_requires_more_than_the_agent_has_is_not_sent_but_told() {
    let mut pair = Pair::greeted();
    pair.store.put(uid(1), 1);
    pair.store.put(uid(2), 1);
    if let Some((_, requires)) = pair.store.grants.get_mut(&uid(1)) {
        requires.push("time-travel.v1".into());
    }
    pair.snapshot();
    pair.settle_down();
    assert_eq!(pair.holds().len(), 1);
    let told = Event::Unsupported {
        uid: uid(1),
        missing: vec!["time-travel.v1".into()],
    };
    assert!(pair.events.contains(&told));
}

#[test]
fn invariant_6_an_agent_that_says_it_is_another_cluster_is_cut_off_and_told() {
    let mut pair = Pair::new();
    pair.hub.handle_frame(
        ToHub::Hello(Hello {
            cluster: "cluster-b".into(),
            ..hello()
        }),
        pair.now,
    );
    pair.settle_down();
    assert_eq!(pair.misbehaved(), Some(CloseCode::WrongCluster));
    assert_eq!(pair.agent.close, Some(CloseCode::WrongCluster));
    assert_eq!(pair.hub.poll_outgoing(pair.now), Some(Outgoing::Hangup));
}

#[test]
fn the_handshake_is_hello_in_a_version_that_both_speak_within_its_time() {
    let frames: [(ToHub, CloseCode); 3] = [
        (
            ToHub::Acknowledged(Acknowledged {
                revision: Revision(1),
            }),
            CloseCode::ProtocolError,
        ),
        (
            ToHub::Hello(Hello {
                version_min: 2,
                version_max: 9,
                ..hello()
            }),
            CloseCode::VersionMismatch,
        ),
        (
            ToHub::Hello(Hello {
                version_min: 0,
                version_max: 0,
                ..hello()
            }),
            CloseCode::VersionMismatch,
        ),
    ];
    for (frame, code) in frames {
        let mut pair = Pair::new();
        pair.hub.handle_frame(frame.clone(), pair.now);
        pair.settle_down();
        assert_eq!(pair.agent.close, Some(code), "{frame:?}");
    }
    let mut pair = Pair::new();
    pair.now = Now {
        monotonic: pair.now.monotonic + HANDSHAKE_TIMEOUT,
        ..pair.now
    };
    assert_eq!(pair.hub.poll_timeout(), Some(pair.now.monotonic));
    pair.hub.handle_timeout(pair.now);
    pair.settle_down();
    assert_eq!(pair.agent.close, Some(CloseCode::ProtocolError));
}

#[test]
fn unreadable_frames_and_a_second_hello_end_the_conversation_with_blame() {
    for bytes in [
        vec![],
        vec![255; 9],
        codec::encode(&ToHub::Hello(hello())).unwrap(),
    ] {
        let mut pair = Pair::greeted();
        pair.settle_down();
        pair.hub.handle_bytes(&bytes, pair.now);
        pair.settle_down();
        assert_eq!(
            pair.misbehaved(),
            Some(CloseCode::ProtocolError),
            "{bytes:?}"
        );
        assert!(pair.hub.is_closed());
        assert!(
            pair.events
                .iter()
                .any(|e| matches!(e, Event::Closed { .. }))
        );
    }
}

#[test]
fn the_newest_report_of_a_grant_replaces_one_that_waits() {
    let mut pair = Pair::greeted();
    pair.settle_down();
    let session = active();
    for seconds in [20, 21, 22] {
        let body = serde_json::to_vec(&report(&session, seconds, Phase::Running)).unwrap();
        pair.hub.handle_frame(
            ToHub::Report(ReportFrame {
                uid: session.uid.clone(),
                body,
            }),
            pair.now,
        );
    }
    let reports: Vec<Event> = std::iter::from_fn(|| pair.hub.poll_event()).collect();
    assert_eq!(
        reports,
        [Event::StoreReport(Box::new(report(
            &session,
            22,
            Phase::Running
        )))]
    );
    pair.hub.settle(session.uid.clone());
    pair.settle_down();
    assert!(pair.agent.settled.contains(&session.uid));
}

#[test]
fn a_report_whose_envelope_names_another_grant_is_refused() {
    let mut pair = Pair::greeted();
    let body = serde_json::to_vec(&report(&active(), 20, Phase::Running)).unwrap();
    pair.hub
        .handle_frame(ToHub::Report(ReportFrame { uid: uid(1), body }), pair.now);
    pair.settle_down();
    assert_eq!(pair.misbehaved(), Some(CloseCode::ProtocolError));
}

fn question() -> Ask {
    Ask::SignWebhookClient(SignWebhookClient { csr_der: vec![1] })
}

#[test]
fn questions_are_answered_time_out_or_end_with_the_connection() {
    let id = |n: u32| CallId::new(format!("call-{n}"));
    let wait = Duration::from_secs(10);
    let mut pair = Pair::greeted();
    pair.settle_down();
    pair.hub.ask(id(1), question(), wait, pair.now).unwrap();
    pair.hub.ask(id(1), question(), wait, pair.now).unwrap();
    pair.settle_down();
    let answered: Vec<&Event> = pair
        .events
        .iter()
        .filter(|e| matches!(e, Event::Answered { .. }))
        .collect();
    assert_eq!(answered.len(), 1, "a repeated id is one question");

    let answer = |n| {
        let client = WebhookClient {
            certificate_pem: String::new(),
            ca_pem: String::new(),
            url: String::new(),
            expires_at: 0,
        };
        ToHub::Answer(Answer {
            id: id(n),
            result: Ok(Answered::WebhookClient(client)),
        })
    };
    pair.events.clear();
    pair.hub.ask(id(2), question(), wait, pair.now).unwrap();
    while pair.hub.poll_outgoing(pair.now).is_some() {}
    pair.now = Now {
        monotonic: pair.now.monotonic + wait,
        ..pair.now
    };
    pair.hub.handle_timeout(pair.now);
    pair.hub.handle_frame(answer(2), pair.now);
    pair.settle_down();
    assert_eq!(
        pair.events,
        [Event::Answered {
            id: id(2),
            result: Err(CallFailure::TimedOut)
        }],
        "a late answer is no answer"
    );

    pair.events.clear();
    pair.hub.ask(id(3), question(), wait, pair.now).unwrap();
    pair.hub.handle_disconnected("reset by peer");
    pair.settle_down();
    assert_eq!(
        pair.events[0],
        Event::Answered {
            id: id(3),
            result: Err(CallFailure::Disconnected)
        }
    );
    assert_eq!(
        pair.hub.ask(id(4), question(), wait, pair.now),
        Err(AskError::NotConnected)
    );
}

#[test]
fn questions_are_bounded() {
    let mut pair = Pair::greeted();
    let results: Vec<_> = (0..100)
        .map(|n| {
            pair.hub.ask(
                CallId::new(n.to_string()),
                question(),
                Duration::from_secs(1),
                pair.now,
            )
        })
        .collect();
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 64);
    assert_eq!(results[99], Err(AskError::Busy));
}

#[test]
fn silence_is_pinged_and_then_taken_for_death() {
    let mut pair = Pair::greeted();
    pair.settle_down();
    let start = pair.now.monotonic;
    let mut pings = 0;
    while !pair.hub.is_closed() {
        let next = pair.hub.poll_timeout().unwrap();
        assert!(next > pair.now.monotonic, "time moves on");
        pair.now = Now {
            monotonic: next,
            ..pair.now
        };
        pair.hub.handle_timeout(pair.now);
        if pair.hub.poll_outgoing(pair.now) == Some(Outgoing::Ping) {
            pings += 1;
        }
    }
    assert_eq!(pair.now.monotonic - start, DEAD_AFTER);
    assert_eq!(pings, 2, "one each {PING_INTERVAL:?}");
    let mut alive = Pair::greeted();
    alive.now = Now {
        monotonic: start + DEAD_AFTER - Duration::from_secs(1),
        ..alive.now
    };
    alive.hub.handle_heard(alive.now);
    alive.now = Now {
        monotonic: start + DEAD_AFTER,
        ..alive.now
    };
    alive.hub.handle_timeout(alive.now);
    assert!(!alive.hub.is_closed(), "a pong is enough");
}

#[test]
fn d08_superseded_and_revoked_are_told_before_the_socket_closes() {
    for code in [CloseCode::Superseded, CloseCode::Revoked] {
        let mut pair = Pair::greeted();
        pair.store.put(uid(1), 1);
        pair.snapshot();
        pair.hub
            .close(code, "why".into(), Some(Duration::from_secs(60)));
        let Some(Outgoing::Frame(ToAgent::Close(close))) = pair.hub.poll_outgoing(pair.now) else {
            panic!("close goes first");
        };
        assert_eq!((close.code, close.retry_after_ms), (code, Some(60_000)));
        assert_eq!(pair.hub.poll_outgoing(pair.now), Some(Outgoing::Hangup));
        assert_eq!(pair.hub.poll_wanted(), None);
    }
}

/// Deny policies of which each revision's are others.
fn policies(revision: u64) -> PreparedPolicies {
    PreparedPolicies {
        revision: Revision(revision),
        requires: vec![policy::FEATURE.into()],
        body: revision.to_string().into_bytes(),
        withheld: None,
    }
}

#[test]
fn s16_only_the_newest_deny_policies_are_sent_and_only_when_they_are_others() {
    let mut pair = Pair::greeted();
    pair.hub.policies(policies(1));
    pair.hub.policies(policies(2));
    pair.snapshot();
    let mut sent = Vec::new();
    while let Some(Outgoing::Frame(frame)) = pair.hub.poll_outgoing(pair.now) {
        sent.push(frame);
    }
    let [
        ToAgent::Welcome(_),
        ToAgent::Policies(frame),
        ToAgent::SnapshotBegin(_),
        ToAgent::SnapshotEnd(_),
    ] = &sent[..]
    else {
        panic!("{sent:?}");
    };
    assert_eq!(frame.revision, Revision(2));
    let mut same = policies(2);
    same.revision = Revision(3);
    pair.hub.policies(same);
    assert_eq!(pair.hub.poll_outgoing(pair.now), None);
    assert_eq!(pair.hub.sent_policies(), Some(&policies(2)));
}

#[test]
fn s16_an_agent_that_knows_no_deny_policies_is_sent_none() {
    let mut hub = HubLink::new(greeting(), at(0));
    let mut old = hello();
    old.features = vec![feature::WORKLOAD.into()];
    hub.handle_frame(ToHub::Hello(old), at(0));
    hub.policies(policies(1));
    assert!(!hub.knows_policies());
    assert_eq!(hub.sent_policies(), None);
    assert!(matches!(
        hub.poll_outgoing(at(0)),
        Some(Outgoing::Frame(ToAgent::Welcome(_)))
    ));
    assert_eq!(hub.poll_outgoing(at(0)), None);
}

#[derive(Clone, Debug)]
enum Happening {
    Policies,
    Put(u32),
    Remove(u32),
    Move(usize),
    Reconnect,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        1 => Just(Happening::Policies),
        4 => (0..8_u32).prop_map(Happening::Put),
        1 => (0..8_u32).prop_map(Happening::Remove),
        4 => (1..12_usize).prop_map(Happening::Move),
        1 => Just(Happening::Reconnect),
    ]
}

proptest! {
    /// Whatever happens in whatever order, with connections cut anywhere: once it settles, the agent holds what the hub
    /// wants (removal is by snapshot, as in life by settlement).
    #[test]
    fn the_end_state_is_the_same(happenings in prop::collection::vec(happening(), 0..60)) {
        let mut pair = Pair::greeted();
        pair.hub.policies(policies(0));
        pair.snapshot();
        let mut version = 0;
        for happening in happenings {
            match happening {
                Happening::Policies => {
                    pair.store.policies += 1;
                    pair.hub.policies(policies(pair.store.policies));
                }
                Happening::Put(n) => {
                    version += 1;
                    pair.store.put(uid(n), version);
                    pair.hub.changed(uid(n));
                }
                Happening::Remove(n) => { pair.store.grants.remove(&uid(n)); }
                Happening::Move(steps) => for _ in 0..steps { pair.step(); },
                Happening::Reconnect => reconnect(&mut pair),
            }
        }
        reconnect(&mut pair);
        pair.settle_down();
        let wanted: Vec<_> = pair.store.grants.iter().map(|(uid, (v, _))| (uid.to_string(), v.to_string())).collect();
        prop_assert_eq!(pair.holds(), wanted);
        let told = pair.agent.policies.map(|frame| frame.body);
        prop_assert_eq!(told, Some(policies(pair.store.policies).body));
    }
}

fn reconnect(pair: &mut Pair) {
    pair.agent.listed = None;
    pair.hub = HubLink::new(greeting(), pair.now);
    pair.hub.handle_frame(ToHub::Hello(hello()), pair.now);
    pair.hub.policies(policies(pair.store.policies));
    pair.snapshot();
}
