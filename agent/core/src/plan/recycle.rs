//! The steps of a replacement of pods: each old one by UID, with the grace of the end (D1). The rest is the controller's.

use super::{PodRef, Step, end};
use crate::held::Held;
use crate::observed::Observed;
use crate::pods;

pub(super) fn plan_recycle(held: &Held, observed: &Observed) -> Vec<Step> {
    if !held.is_recycling() {
        return Vec::new();
    }
    let is_asked = |pod: &PodRef| held.asked.contains(&pod.uid);
    let seen = observed
        .pods
        .iter()
        .filter(|pod| held.is_old(pod) && pods::is_owned(held, pod, &observed.replica_sets))
        .filter(|pod| !end::is_ending_soon(pod))
        .map(end::pod_ref)
        .filter(|pod| !is_asked(pod))
        .map(|pod| Step::DeletePod { pod });
    // Only the API server's own answer tells that these are gone.
    let unseen = held.unseen_pods(observed).into_iter().map(|pod| {
        if is_asked(&pod) {
            Step::ConfirmGone {
                record: end::pod_record(&pod),
            }
        } else {
            Step::DeletePod { pod }
        }
    });
    seen.chain(unseen).collect()
}
