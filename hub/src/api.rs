//! The route table of the REST API, and nothing else (spec 3 section 5, spec 5). One endpoint, one file.
//!
//! The path of a request: [`listener`] (TLS) → [`request_id`] (id, error bodies) → this table → [`caller`] (who) →
//! [`body`] (what, strictly) → the endpoint → `hub/core` (may they, and what then) → the store.

pub mod body;
pub mod caller;
pub mod clusters;
pub mod debug_sessions;
pub mod endpoint;
pub mod error;
pub mod health;
pub mod listener;
pub mod openapi;
pub mod request_id;
pub mod router;
pub mod templates;

use breakglass_protocol::api::cluster::{
    ClusterList, ClusterRegistered, RegisterCluster, WebhookConfig, WebhookConfigRequest,
};
use breakglass_protocol::api::debug_session::{
    CreateDebugSession, DebugSessionList, DebugSessionView, Decide, Invite, Join, NoFields,
};
use breakglass_protocol::api::template::{PodTemplateList, Template, TemplateList};
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;

use self::endpoint::BodyNeed::{Optional, Required};
use self::endpoint::Endpoint;

/// Every endpoint.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    [
        session_endpoints(),
        template_endpoints(),
        cluster_endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn session_endpoints() -> Vec<Endpoint> {
    use debug_sessions::{create, get, list, verbs};
    type View = DebugSessionView;
    vec![
        Endpoint::get::<DebugSessionList, _, _>(
            "/debug-sessions",
            "listDebugSessions",
            "Sessions that the caller may see, newest first",
            list::handle,
        )
        .also_at("")
        .query(list::QUERY),
        Endpoint::post::<View, _, _>(
            "/debug-sessions",
            "createDebugSession",
            "Ask for a session",
            create::handle,
        )
        .also_at("")
        .taking::<CreateDebugSession>(Required)
        .created(),
        Endpoint::get::<View, _, _>(
            "/debug-sessions/{name}",
            "getDebugSession",
            "One session",
            get::handle,
        )
        .also_at("/{name}"),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/approve",
            "approveDebugSession",
            "Approve a request, or what else waits for an approver",
            verbs::approve,
        )
        .also_at("/{name}/approve")
        .taking::<Decide>(Optional),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/reject",
            "rejectDebugSession",
            "Refuse a request",
            verbs::reject,
        )
        .also_at("/{name}/reject")
        .taking::<Decide>(Optional),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/invite",
            "inviteToDebugSession",
            "Invite people",
            verbs::invite,
        )
        .also_at("/{name}/invite")
        .taking::<Invite>(Required),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/join",
            "joinDebugSession",
            "Join a session",
            verbs::join,
        )
        .also_at("/{name}/join")
        .taking::<Join>(Optional),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/leave",
            "leaveDebugSession",
            "Leave a session",
            verbs::leave,
        )
        .also_at("/{name}/leave")
        .taking::<NoFields>(Optional),
        Endpoint::post::<View, _, _>(
            "/debug-sessions/{name}/terminate",
            "terminateDebugSession",
            "End a session now, or withdraw a request",
            verbs::terminate,
        )
        .also_at("/{name}/terminate")
        .taking::<NoFields>(Optional),
    ]
}

fn template_endpoints() -> Vec<Endpoint> {
    use templates::{get, list, pod_get, pod_list};
    vec![
        Endpoint::get::<TemplateList, _, _>(
            "/debug-session-templates",
            "listDebugSessionTemplates",
            "Templates that the caller may request",
            list::handle,
        )
        .also_at("/templates")
        .query(list::QUERY),
        Endpoint::get::<Template, _, _>(
            "/debug-session-templates/{name}",
            "getDebugSessionTemplate",
            "One template",
            get::handle,
        )
        .also_at("/templates/{name}"),
        Endpoint::get::<PodTemplateList, _, _>(
            "/debug-pod-templates",
            "listDebugPodTemplates",
            "Pod templates",
            pod_list::handle,
        )
        .also_at("/podTemplates"),
        Endpoint::get::<DebugPodTemplate, _, _>(
            "/debug-pod-templates/{name}",
            "getDebugPodTemplate",
            "One pod template",
            pod_get::handle,
        )
        .also_at("/podTemplates/{name}"),
    ]
}

fn cluster_endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get::<ClusterList, _, _>(
            "/clusters",
            "listClusters",
            "Registered clusters",
            clusters::list,
        ),
        Endpoint::post::<ClusterRegistered, _, _>(
            "/clusters",
            "registerCluster",
            "Register a cluster and get its join token",
            clusters::register,
        )
        .taking::<RegisterCluster>(Required)
        .created()
        .for_admins(),
        Endpoint::get::<Cluster, _, _>(
            "/clusters/{name}",
            "getCluster",
            "One cluster",
            clusters::get,
        ),
        Endpoint::post::<Cluster, _, _>(
            "/clusters/{name}/accept",
            "acceptCluster",
            "Accept an agent that waits for it",
            clusters::accept,
        )
        .taking::<NoFields>(Optional)
        .for_admins(),
        Endpoint::post::<Cluster, _, _>(
            "/clusters/{name}/revoke",
            "revokeCluster",
            "Cut a cluster off and bar its certificates",
            clusters::revoke,
        )
        .taking::<NoFields>(Optional)
        .for_admins(),
        Endpoint::post::<WebhookConfig, _, _>(
            "/clusters/{name}/webhook-config",
            "clusterWebhookConfig",
            "A client certificate for the cluster's API server, and where it calls",
            clusters::webhook_config,
        )
        .taking::<WebhookConfigRequest>(Required)
        .for_admins(),
    ]
}
