//! Stories of objects beside the workload.

use breakglass_protocol::kinds::auxiliary::FailurePolicy;
use breakglass_protocol::wire::grant::{AtEnd, AuxiliaryOrder, Grant};
use breakglass_protocol::wire::report::{Readiness, Report, ResourceStatus};
use breakglass_render::grant::RenderedGrant;

use super::*;
use crate::workload::assemble;

/// A claim of the pod template, then auxiliary resources: a ConfigMap before the workload, a Service after it, each with
/// that policy.
fn bundle(policy: FailurePolicy, change: impl FnOnce(&mut Grant, &mut RenderedGrant)) -> Story {
    let mut story = Story::new(WorkloadKind::DaemonSet);
    let grant = &mut story.held.grant;
    let mut texts = sample::texts(grant, vec![sample::claim("pvc-x")]);
    let mut service = sample::auxiliary("late", policy);
    service.order = AuxiliaryOrder::AfterWorkload;
    grant.auxiliary = vec![service, sample::auxiliary("early", policy)];
    let mut own = sample::object("v1", "Service", "own");
    own["spec"] = json!({ "selector": { "app": "debug" }, "ports": [{ "port": 80 }] });
    texts.auxiliary = vec![
        Ok(vec![own]),
        Ok(vec![sample::object("v1", "ConfigMap", "cm")]),
    ];
    change(grant, &mut texts);
    story.held.rendered = Some(assemble(grant, texts).unwrap());
    story
}

fn unchanged(_: &mut Grant, _: &mut RenderedGrant) {}

impl Story {
    pub(super) fn turns(&mut self, count: u32) {
        for _ in 0..count {
            self.turn();
            self.cluster.controllers();
        }
    }

    fn told(&self) -> Report {
        report(&self.held, &self.cluster.observed(&self.held), at(self.now))
    }

    fn resource(&self, source: &str) -> ResourceStatus {
        let told = self.told().resources;
        told.into_iter()
            .find(|resource| resource.source == source)
            .unwrap()
    }
}

#[test]
fn they_are_made_in_order_and_removed_in_reverse() {
    let mut story = bundle(FailurePolicy::Fail, unchanged);
    story.turns(12);
    insta::assert_snapshot!(story.calls(), @"
    journal
    create PersistentVolumeClaim pvc-x
    journal
    create ConfigMap cm
    journal
    create DaemonSet debug-session-abc123-ds
    journal
    cap debug-session-abc123-ds-x 14425
    create Service own
    journal
    look PersistentVolumeClaim pvc-x uid-1
    look ConfigMap cm uid-2
    look Service own uid-5
    journal
    look PersistentVolumeClaim pvc-x uid-1
    look PersistentVolumeClaim pvc-x uid-1
    look PersistentVolumeClaim pvc-x uid-1
    ");
    assert_eq!(story.phase(), Phase::Running);
    story.end();
    story.turn();
    insta::assert_snapshot!(story.calls(), @"
    close access
    journal
    delete workload DaemonSet debug-session-abc123-ds uid-3
    delete pod debug-session-abc123-ds-x uid-4
    delete Service own uid-5
    delete ConfigMap cm uid-2
    delete PersistentVolumeClaim pvc-x uid-1
    ");
    let claim = story.resource("pod-template[1]");
    assert_eq!(claim.readiness, Some(Readiness::Terminating));
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
    let told = story.told();
    assert!(
        told.resources
            .iter()
            .all(|resource| resource.deleted_at.is_some()
                && resource.readiness == Some(Readiness::NotFound))
    );
    assert_eq!(told.cleanup.unwrap().remaining, []);
}

#[test]
fn readiness_is_looked_at_soon_then_rarely_and_told() {
    let mut story = bundle(FailurePolicy::Fail, unchanged);
    story.turns(12);
    let claim = story.resource("pod-template[1]");
    assert_eq!(claim.readiness, Some(Readiness::InProgress));
    assert!(claim.created_at.is_some() && claim.ready_at.is_none());
    assert!(claim.error.unwrap().contains("not bound"));
    assert_eq!(story.phase(), Phase::Running, "nobody waits for it");
    let config = story.resource("auxiliary/early[0]");
    assert_eq!(config.readiness, Some(Readiness::Current));
    assert!(config.ready_at.is_some());

    // It looks less and less often.
    story.calls();
    story.turns(300);
    let looks = story.calls().matches("look PersistentVolumeClaim").count();
    assert!((8..16).contains(&looks), "{looks}");
    let key = ("PersistentVolumeClaim".to_owned(), "pvc-x".to_owned());
    story.cluster.objects.get_mut(&key).unwrap()["status"] = json!({ "phase": "Bound" });
    story.turns(40);
    let bound = story.resource("pod-template[1]");
    assert_eq!(bound.readiness, Some(Readiness::Current));
    let ready_at = bound.ready_at.unwrap();

    // A restart looks anew and keeps what was known; what somebody deleted is told and not made again.
    story.restart();
    story.cluster.objects.remove(&key);
    story.calls();
    story.turns(3);
    let gone = story.resource("pod-template[1]");
    assert_eq!(gone.readiness, Some(Readiness::NotFound));
    assert_eq!(gone.ready_at, Some(ready_at));
    assert!(!story.calls().contains("create"));
    assert!(story.held.next_look().is_some());
}

#[test]
fn fail_ends_the_session_by_document_and_removes_what_was_made() {
    let mut story = bundle(FailurePolicy::Fail, unchanged);
    story.cluster.refused = Some(("ConfigMap", 422, "Invalid", "data: Invalid value"));
    story.turns(4);
    let message = story.held.end.clone().unwrap().message.unwrap();
    assert_eq!(
        message,
        "document 1 of auxiliary resource early (ConfigMap cm) cannot be created: data: Invalid value (422 Invalid)"
    );
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
    assert_eq!(story.phase(), Phase::Ended);
}

#[test]
fn a_document_of_the_pod_template_always_fails_the_session() {
    let mut story = bundle(FailurePolicy::Ignore, unchanged);
    story.cluster.refused = Some(("PersistentVolumeClaim", 403, "Forbidden", "exceeded quota"));
    story.turn();
    assert!(!story.held.has_ended(), "an API server that just started");
    story.now += 20;
    story.turn();
    let message = story.held.end.clone().unwrap().message.unwrap();
    assert!(
        message.contains("document 2 of the pod template (PersistentVolumeClaim pvc-x) cannot be created: exceeded quota"),
        "{message}"
    );
}

#[test]
fn warn_and_ignore_go_on_without_it() {
    for (policy, is_warned) in [(FailurePolicy::Warn, true), (FailurePolicy::Ignore, false)] {
        let mut story = bundle(policy, unchanged);
        story.cluster.refused = Some(("ConfigMap", 404, "NoSuchKind", "the cluster has no kind"));
        story.turns(12);
        assert_eq!(story.phase(), Phase::Running, "{policy:?}");
        let message = story.told().message.unwrap_or_default();
        assert_eq!(message.contains("(ConfigMap cm)"), is_warned, "{message}");
        let left_out = story.resource("auxiliary/early[0]");
        assert!(left_out.error.unwrap().contains("the cluster has no kind"));
        assert_eq!((left_out.created_at, left_out.readiness), (None, None));
        story.restart();
        story.calls();
        story.turns(5);
        assert!(
            !story.calls().contains("create ConfigMap"),
            "{policy:?}: it was written down"
        );
        story.end();
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new());
    }
}

#[test]
fn what_is_tried_in_vain_for_too_long_goes_by_the_policy_too() {
    for (policy, ends) in [(FailurePolicy::Fail, true), (FailurePolicy::Ignore, false)] {
        let mut story = bundle(policy, unchanged);
        story.cluster.refused = Some(("ConfigMap", 500, "InternalError", "webhook timed out"));
        story.turns(4);
        assert!(!story.held.has_ended(), "it is tried again");
        let step = story.steps().pop().unwrap();
        outcome::give_up_on(&mut story.held, &step, "not for 300 s".into(), at(400));
        assert_eq!(story.held.has_ended(), ends);
        story.cluster.refused = None;
        if !ends {
            story.turns(9);
            assert_eq!(story.phase(), Phase::Running);
            story.end();
        }
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new());
    }
}

#[test]
fn s08_a_foreign_object_in_the_way_fails_whatever_the_policy() {
    for (kind, name) in [("PersistentVolumeClaim", "pvc-x"), ("Service", "own")] {
        let mut story = bundle(FailurePolicy::Ignore, unchanged);
        let theirs = story.cluster.store(sample::object("v1", kind, name));
        story.turns(9);
        let message = story.held.end.clone().unwrap().message.unwrap();
        assert!(
            message.contains(&format!("({kind} {name}) already exists")),
            "{message}"
        );
        story.until_finished();
        assert_eq!(story.left(), [format!("{kind} {name}")]);
        assert_eq!(story.cluster.objects.values().next(), Some(&theirs));
    }
}

#[test]
fn d05_a_crash_between_any_create_and_its_record_changes_nothing() {
    for turns in 1..9 {
        for ends_at_once in [true, false] {
            let mut story = bundle(FailurePolicy::Fail, unchanged);
            let first = story.steps();
            story.perform(&first[0]);
            story.turns(turns);
            story.restart();
            if !ends_at_once {
                story.turns(12);
                assert_eq!(story.phase(), Phase::Running, "after {turns} turns");
                let claims = story.left();
                let claims = claims.iter().filter(|left| left.contains("pvc-x")).count();
                assert_eq!(claims, 1);
            }
            story.end();
            story.until_finished();
            assert_eq!(story.left(), Vec::<String>::new(), "after {turns} turns");
        }
    }
}

#[test]
fn what_is_kept_is_left_and_told() {
    for is_crashing in [false, true] {
        let mut story = bundle(FailurePolicy::Fail, |grant, _| {
            grant.auxiliary[1].at_end = AtEnd::Keep;
        });
        let first = story.steps();
        story.perform(&first[0]);
        story.turns(if is_crashing { 2 } else { 12 });
        if is_crashing {
            story.restart();
        }
        story.end();
        story.until_finished();
        assert_eq!(story.left(), ["ConfigMap cm"], "crashing: {is_crashing}");
        let told = story.told();
        let cleanup = told.cleanup.unwrap();
        assert_eq!(cleanup.remaining, []);
        assert_eq!(cleanup.kept.len(), 1);
        assert_eq!(cleanup.kept[0].source, "auxiliary/early[0]");
    }
}

#[test]
fn an_object_after_the_workload_that_is_still_tried_is_told() {
    let mut story = bundle(FailurePolicy::Fail, unchanged);
    story.cluster.refused = Some(("Service", 500, "InternalError", "etcd"));
    story.turns(8);
    assert_eq!(story.phase(), Phase::Deploying);
    let message = story.told().message.unwrap();
    assert!(
        message.contains("tried again") && message.contains("(Service own)"),
        "{message}"
    );
    assert!(
        story.calls().contains("cap "),
        "its pods have their backstop meanwhile"
    );
}

#[test]
fn s09_only_the_sessions_own_services_may_select_its_pods() {
    let service = |uid: &str| ServiceFacts {
        uid: uid.into(),
        name: "own".into(),
        selector: [("app".to_owned(), "debug".to_owned())].into(),
    };
    for (uid, fails) in [("uid-2", false), ("uid-9", true)] {
        let mut story = bundle(FailurePolicy::Fail, |grant, texts| {
            grant.auxiliary.truncate(1);
            grant.auxiliary[0].order = AuxiliaryOrder::BeforeWorkload;
            texts.auxiliary.truncate(1);
        });
        story.cluster.namespace = Some(NamespaceSeen::Active(NamespaceFacts {
            labels: BTreeMap::new(),
            services: vec![service(uid)],
        }));
        story.turns(6);
        assert_eq!(story.held.has_ended(), fails, "{uid}");
    }
}

#[test]
fn records_of_agents_that_made_only_workloads_are_read() {
    let story = Story::new(WorkloadKind::DaemonSet);
    let mut record = serde_json::to_value(&story.held).unwrap();
    for new in ["leftOut", "resources"] {
        record.as_object_mut().unwrap().remove(new).unwrap();
    }
    assert_eq!(
        record["rendered"]["documents"][0]
            .as_object()
            .unwrap()
            .len(),
        2,
        "source and manifest, as ever"
    );
    let held: Held = serde_json::from_value(record).unwrap();
    assert!(held.rendered.unwrap().documents[0].is_wanted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order of turns, crashes and failures: afterwards nothing is left but what is kept.
    #[test]
    fn any_order_of_crashes_leaves_only_what_is_kept(
        policy in prop_oneof![Just(FailurePolicy::Fail), Just(FailurePolicy::Warn)],
        is_kept in any::<bool>(),
        events in prop::collection::vec(events(), 0..40),
    ) {
        let mut story = bundle(policy, |grant, _| {
            if is_kept {
                grant.auxiliary[1].at_end = AtEnd::Keep;
            }
        });
        let first = story.steps();
        story.perform(&first[0]);
        for event in events {
            match event {
                Event::Turn => story.turn(),
                Event::Controllers => story.cluster.controllers(),
                Event::Kubelet => story.cluster.kubelet_and_collector(),
                Event::Restart => story.restart(),
                Event::Fail(code) => story.cluster.failures = vec![(code, "Trouble", "x")],
                Event::LoseAnswer => story.cluster.answers_lost = 1,
                Event::End => story.end(),
            }
        }
        story.cluster.failures.clear();
        story.end();
        story.until_finished();
        let left = story.left();
        prop_assert!(left.is_empty() || (is_kept && left == ["ConfigMap cm"]), "{left:?}");
        prop_assert_eq!(left.len(), story.told().cleanup.unwrap().kept.len());
    }
}
