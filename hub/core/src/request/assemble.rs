//! What was asked and what the rules made of it → a session with its snapshot (S7).

use std::time::Duration;

use breakglass_protocol::duration::DurationText;
use breakglass_protocol::kinds::debug_session::{
    DebugSessionSpec, ResolvedBinding, ResolvedRequest,
};
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::pod_operations::AllowedPodOperations;
use breakglass_protocol::kinds::references::BindingRef;

use super::layers::Layers;
use super::{
    Facts, Found, Ids, admission, binding, defaults, namespace, one, people, reason, scheduling,
};
use crate::caller::Caller;
use crate::clock::{Now, whole_second};
use crate::refusal::{Refusal, Violation};
use crate::session::{
    Clearance, Invitation, InvitedRole, Observed, Participant, Role, Session, State,
};
use crate::snapshot::{Requirement, Snapshot, Source};

pub(super) fn assemble(
    facts: &Facts<'_>,
    found: Found,
    ids: Ids,
    now: Now,
) -> Result<Session, Refusal> {
    let created_at = whole_second(now.wall);
    let spec = spec_of(facts, &found);
    let source = Source {
        template: Box::new(facts.template.spec.clone()),
        pod_template: facts.pod_template.map(|pod| Box::new(pod.spec.clone())),
        resolved: Box::new(resolved_of(facts, found)),
        requirement: requirement(facts.layers, facts.caller, &facts.asked.cluster),
        binding: facts.binding.map(|binding| binding_of(facts, binding)),
    };
    let snapshot = Snapshot::of(&spec, source).map_err(|error| {
        one(Violation::constraint(
            "templateRef",
            "resolvedTemplate",
            error.to_string(),
        ))
    })?;
    let owner = Participant {
        identity: facts.caller.identity.clone(),
        display_name: facts.caller.display_name.clone(),
        role: Role::Owner,
        joined_at: created_at,
        left_at: None,
        removed_by: None,
    };
    Ok(Session {
        name: ids.name,
        namespace: ids.namespace,
        uid: ids.uid,
        created_at,
        requester: facts.caller.identity.clone(),
        snapshot,
        decision: None,
        renewal_approvals: Vec::new(),
        participants: vec![owner],
        invitations: invitations(facts, &spec, created_at),
        spec,
        recycle: 0,
        observed: Observed::default(),
        message: None,
        cleanup_request: None,
        state: State::Pending,
    })
}

fn spec_of(facts: &Facts<'_>, found: &Found) -> DebugSessionSpec {
    let Facts {
        asked,
        caller,
        layers,
        ..
    } = facts;
    DebugSessionSpec {
        cluster: asked.cluster.clone(),
        template_ref: asked.template_ref.clone(),
        requested_by: caller.identity.name.clone(),
        requested_by_email: caller.identity.email.clone(),
        requested_by_display_name: caller.display_name.clone(),
        user_groups: caller.groups.clone(),
        requested_duration: asked
            .requested_duration
            .clone()
            .and_then(|d| DurationText::parse(d).ok()),
        reason: reason::given(asked).map(str::to_owned),
        node_selector: scheduling::asked(asked),
        target_namespace: namespace::asked(asked).map(str::to_owned),
        selected_scheduling_option: scheduling::asked_option(asked).map(str::to_owned),
        invited_participants: people::invited(asked),
        selected_auxiliary_resources: asked
            .selected_auxiliary_resources
            .clone()
            .unwrap_or_default(),
        extra_deploy_values: asked.extra_deploy_values.clone().unwrap_or_default(),
        binding_ref: facts.binding.map(reference_to),
        request_reason_config: layers.merged_request_reason(),
        approval_reason_config: layers.merged_approval_reason(),
        resolved_scheduling_constraints: found.placement.constraints.clone(),
    }
}

pub(crate) fn reference_to(binding: &DebugSessionClusterBinding) -> BindingRef {
    BindingRef {
        name: binding.metadata.name.clone().unwrap_or_default(),
        namespace: binding.metadata.namespace.clone().unwrap_or_default(),
    }
}

fn binding_of(facts: &Facts<'_>, binding: &DebugSessionClusterBinding) -> ResolvedBinding {
    let BindingRef { name, namespace } = reference_to(binding);
    ResolvedBinding {
        name,
        namespace,
        display_name: Some(binding::display_name(binding, facts.template)),
        spec: Some(Box::new(binding.spec.clone())),
    }
}

fn resolved_of(facts: &Facts<'_>, found: Found) -> ResolvedRequest {
    let spec = &facts.template.spec;
    let seconds = |d: Duration| i64::try_from(d.as_secs()).ok();
    let operations = facts.layers.merged_operations();
    let constraints = facts.layers.merged_constraints();
    let approvers = facts.layers.approvers().cloned().unwrap_or_default();
    ResolvedRequest {
        mode: Some(spec.mode.unwrap_or_default()),
        workload_type: Some(spec.workload_type.unwrap_or_default()),
        replicas: Some(spec.replicas.unwrap_or(1)),
        target_namespace: Some(found.namespace.namespace),
        namespace_terms: found.namespace.terms,
        impersonate: found.deployer,
        duration_seconds: seconds(found.duration),
        max_duration_seconds: seconds(defaults::max_duration(constraints.as_ref())),
        allow_renewal: Some(constraints.as_ref().and_then(|c| c.allow_renewal) != Some(false)),
        max_renewals: Some(defaults::max_renewals(constraints.as_ref())),
        require_approval_for_renewal: Some(
            constraints
                .as_ref()
                .and_then(|c| c.require_approval_for_renewal)
                == Some(true),
        ),
        operations: Some(AllowedPodOperations {
            exec: Some(operations.exec),
            attach: Some(operations.attach),
            logs: Some(operations.logs),
            port_forward: Some(operations.port_forward),
        }),
        approver_groups: approvers.groups,
        approver_users: approvers.users,
        labels: facts.layers.labels(),
        annotations: facts.layers.annotations(),
        // `clusterUserNames` stays out: how people read in a cluster is an administrator's setting of the cluster, and a
        // correction there must reach running sessions too.
        scheduling_option: found.placement.option,
        node_selector: scheduling::asked(facts.asked),
        expiration_behavior: Some(spec.expiration_behavior.unwrap_or_default()),
        values: found.values,
        auxiliary_resources: found.auxiliary,
        ..ResolvedRequest::default()
    }
}

/// Required when the approver set names somebody and nothing approves by itself (spec 1 section 3).
pub(crate) fn requirement(layers: Layers<'_>, caller: &Caller, cluster: &str) -> Requirement {
    if layers.binding.is_some_and(|b| b.auto_approve == Some(true)) {
        return Requirement::NotRequired;
    }
    let Some(approvers) = layers.approvers() else {
        return Requirement::NotRequired;
    };
    let named = !approvers.groups.is_empty() || !approvers.users.is_empty();
    let automatic = approvers.auto_approve_for.as_ref().is_some_and(|auto| {
        caller.is_in_any(&auto.groups) || admission::matches_any(&auto.clusters, cluster)
    });
    if named && !automatic {
        Requirement::Required
    } else {
        Requirement::NotRequired
    }
}

/// They stand in what is approved, so they need nobody's agreement later (S5).
fn invitations(facts: &Facts<'_>, spec: &DebugSessionSpec, at: jiff::Timestamp) -> Vec<Invitation> {
    let invite = |user: &String| Invitation {
        user: user.clone(),
        role: InvitedRole::Participant,
        invited_by: facts.caller.identity.clone(),
        invited_at: at,
        clearance: Clearance::NotNeeded,
        withdrawn: None,
    };
    spec.invited_participants.iter().map(invite).collect()
}
