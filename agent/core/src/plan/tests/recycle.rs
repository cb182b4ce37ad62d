//! Pods that are replaced: because somebody was removed (D7), and at the end of a workload that stays (S11).

use breakglass_protocol::wire::grant::AtExpiry;

use super::*;
use crate::pods::{PodRefusal, PodVerdict, allowed_pods, judge_pod};

impl Story {
    /// The hub says that somebody was removed for the n-th time.
    fn removed(&mut self, n: u32) {
        self.held.grant.recycle = n;
        self.held.touch();
    }

    fn settle_down(&mut self) {
        for _ in 0..6 {
            self.turn();
            self.cluster.kubelet_and_collector();
            self.cluster.controllers();
        }
    }

    fn pods(&self) -> Vec<String> {
        let observed = self.cluster.observed(&self.held);
        observed.pods.into_iter().map(|pod| pod.uid).collect()
    }

    fn allowed(&self) -> Vec<String> {
        let observed = self.cluster.observed(&self.held);
        let allowed = allowed_pods(&self.held, &observed);
        allowed.into_iter().map(|pod| pod.uid).collect()
    }

    fn recycled(&self) -> u32 {
        report(&self.held, &self.cluster.observed(&self.held), at(self.now)).recycled
    }
}

#[test]
fn d07_every_pod_is_replaced_once_and_the_new_one_is_allowed() {
    for kind in [WorkloadKind::DaemonSet, WorkloadKind::Deployment] {
        let mut story = Story::deployed(kind);
        let before = story.pods();
        assert_eq!(story.allowed(), before);
        story.removed(1);
        let steps: Vec<String> = story.steps().iter().map(words).collect();
        assert!(story.allowed().is_empty(), "an old pod opens nothing more");
        let observed = story.cluster.observed(&story.held);
        assert_eq!(
            judge_pod(&story.held, &observed.pods[0], &observed),
            PodVerdict::NotAllowed(PodRefusal::Old)
        );
        assert!(
            steps.iter().any(|step| step.contains("delete pod")),
            "{steps:?}"
        );
        assert_eq!(story.recycled(), 0);
        story.settle_down();
        let after = story.pods();
        assert!(!after.is_empty() && after != before, "{before:?} {after:?}");
        assert_eq!((story.allowed(), story.recycled()), (after.clone(), 1));
        assert_eq!(story.phase(), Phase::Running);
        story.settle_down();
        assert_eq!(story.pods(), after, "once");
        story.removed(2);
        story.settle_down();
        assert_ne!(story.pods(), after);
        assert_eq!(story.recycled(), 2);
    }
}

#[test]
fn d04_replacing_pods_touches_no_template() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    story.removed(1);
    story.settle_down();
    let calls = story.calls();
    assert!(
        !calls.contains("apply") && !calls.contains("delete workload"),
        "{calls}"
    );
}

#[test]
fn d07_a_restart_in_the_middle_goes_on() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    let before = story.pods();
    story.removed(1);
    story.turn();
    story.restart();
    assert!(story.allowed().is_empty());
    story.settle_down();
    assert_ne!(story.pods(), before);
    assert_eq!(story.recycled(), 1);
    let after = story.pods();
    story.restart();
    story.settle_down();
    assert_eq!(story.pods(), after, "what is done is done");
}

#[test]
fn d07_nothing_is_decided_before_the_pods_are_known() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    story.removed(1);
    let syncing = Observed {
        watches: Watches::Syncing,
        pods: Vec::new(),
        ..story.cluster.observed(&story.held)
    };
    story.held.handle_observed(&syncing);
    assert_eq!(
        story.recycled(),
        0,
        "pods that are not seen yet may be there"
    );
    story.settle_down();
    assert_eq!(story.recycled(), 1);
}

#[test]
fn d07_a_pod_that_lost_its_label_is_replaced_all_the_same() {
    let mut story = Story::deployed(WorkloadKind::DaemonSet);
    for object in story.cluster.objects.values_mut() {
        if object["kind"] == "Pod" {
            object["metadata"]["labels"] = json!({});
        }
    }
    let uid = story.held.pods.keys().next().cloned().unwrap();
    story.removed(1);
    story.settle_down();
    let is_there = story
        .cluster
        .objects
        .values()
        .any(|object| uid_of(object) == uid);
    assert!(!is_there);
    assert_eq!(story.recycled(), 1);
}

fn kept() -> Story {
    let mut story = Story::deployed(WorkloadKind::Deployment);
    story.held.grant.at_expiry = AtExpiry::KeepWorkload;
    story.held.touch();
    story.turn();
    story
}

#[test]
fn s11_at_expiry_a_workload_that_stays_gets_new_pods_and_opens_none() {
    let mut story = kept();
    let before = story.pods();
    story.held.end(EndReason::Expired, None, at(story.now));
    assert!(story.allowed().is_empty());
    story.settle_down();
    let after = story.pods();
    assert!(!after.is_empty() && after != before);
    assert!(story.allowed().is_empty());
    assert!(!story.held.is_finished());
    let told = report(
        &story.held,
        &story.cluster.observed(&story.held),
        at(story.now),
    );
    assert!(told.message.unwrap().contains("stays") && told.cleanup.is_none());
    story.restart();
    story.settle_down();
    assert_eq!(story.pods(), after, "once, and the rest stays");
    story.held.release(at(story.now));
    story.until_finished();
    assert_eq!(story.left(), Vec::<String>::new());
}

#[test]
fn s11_what_stays_stays_a_day_at_most() {
    let mut story = kept();
    story.held.end(EndReason::Expired, None, at(story.now));
    story.settle_down();
    let day = 24 * 3600;
    assert!(!story.held.has_stayed_long(at(day - 60)));
    assert!(story.held.has_stayed_long(at(day + 60)));
}

#[test]
fn s11_only_expiry_keeps_a_workload() {
    for reason in [
        EndReason::Terminated,
        EndReason::Failed,
        EndReason::Withdrawn,
    ] {
        let mut story = kept();
        story.held.end(reason, None, at(story.now));
        story.until_finished();
        assert_eq!(story.left(), Vec::<String>::new(), "{reason:?}");
    }
}
