//! The route table of the REST API, and nothing else (spec 3 section 5, spec 5). One endpoint, one file.
//!
//! The path of a request: [`listener`] (TLS) → [`request_id`] (id, error bodies) → this table → [`caller`] (who) →
//! [`body`] (what, strictly) → the endpoint → `hub/core` (may they, and what then) → the store.

pub mod bindings;
pub mod body;
pub mod caller;
pub mod clusters;
pub mod debug_sessions;
pub mod deny_policies;
pub mod endpoint;
pub mod error;
pub mod examples;
pub mod explain;
pub mod health;
pub mod listener;
pub mod manifests;
pub mod metrics;
pub mod openapi;
pub mod people;
pub mod request_id;
pub mod router;
pub mod templates;
pub mod watch;

use breakglass_protocol::api::binding::ClusterBindingList;
use breakglass_protocol::api::cluster::{
    ClusterList, ClusterRegistered, RegisterCluster, WebhookConfig, WebhookConfigRequest,
};
use breakglass_protocol::api::debug_session::{
    CreateDebugSession, DebugSessionList, DebugSessionView, Decide, Invite, Join, NoFields, Remove,
    Renew,
};
use breakglass_protocol::api::explain::{Explain, Explanation};
use breakglass_protocol::api::history::{AuditRecords, SessionEvents};
use breakglass_protocol::api::manifest::Written;
use breakglass_protocol::api::offer::TemplateClusters;
use breakglass_protocol::api::template::{PodTemplateList, Template, TemplateList};
use breakglass_protocol::api::watch::WatchData;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;
use schemars::JsonSchema;

use self::endpoint::BodyNeed::{Optional, Required};
use self::endpoint::{Endpoint, Method};

/// Every endpoint.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    [
        session_endpoints(),
        template_endpoints(),
        binding_endpoints(),
        cluster_endpoints(),
        written_by_admins(),
        watch_endpoints(),
        deny_policies::endpoints(),
        people::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn session_endpoints() -> Vec<Endpoint> {
    use debug_sessions::{create, filters, get, history, list, verbs};
    type View = DebugSessionView;
    vec![
        Endpoint::on::<DebugSessionList, _, _>(Method::Get,
            "/debug-sessions",
            "listDebugSessions",
            "Sessions that the caller may see, newest first",
            list::handle,
        )
        .also_at("")
        .query(filters::FILTERS)
        .query(list::PAGES),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions",
            "createDebugSession",
            "Ask for a session",
            create::handle,
        )
        .also_at("")
        .taking::<CreateDebugSession>(Required)
        .created(),
        Endpoint::on::<View, _, _>(Method::Get,
            "/debug-sessions/{name}",
            "getDebugSession",
            "One session",
            get::handle,
        )
        .also_at("/{name}"),
        Endpoint::on::<SessionEvents, _, _>(Method::Get,
            "/debug-sessions/{name}/events",
            "listDebugSessionEvents",
            "What happened to a session",
            history::events,
        )
        .query(history::QUERY),
        Endpoint::on::<AuditRecords, _, _>(Method::Get,
            "/debug-sessions/{name}/audit",
            "listDebugSessionAudit",
            "The record of a session: for its owner, its approvers and admins; reading it is recorded",
            history::audit,
        )
        .query(history::QUERY),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/approve",
            "approveDebugSession",
            "Approve a request, or what else waits for an approver",
            verbs::approve,
        )
        .also_at("/{name}/approve")
        .taking::<Decide>(Optional),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/reject",
            "rejectDebugSession",
            "Refuse a request",
            verbs::reject,
        )
        .also_at("/{name}/reject")
        .taking::<Decide>(Optional),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/invite",
            "inviteToDebugSession",
            "Invite people",
            verbs::invite,
        )
        .also_at("/{name}/invite")
        .taking::<Invite>(Required),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/join",
            "joinDebugSession",
            "Join a session",
            verbs::join,
        )
        .also_at("/{name}/join")
        .taking::<Join>(Optional),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/leave",
            "leaveDebugSession",
            "Leave a session",
            verbs::leave,
        )
        .also_at("/{name}/leave")
        .taking::<NoFields>(Optional),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/remove",
            "removeFromDebugSession",
            "End somebody's part in a session and cut their streams",
            verbs::remove,
        )
        .also_at("/{name}/remove")
        .taking::<Remove>(Required),
        Endpoint::on::<View, _, _>(Method::Post,
            "/debug-sessions/{name}/renew",
            "renewDebugSession",
            "Ask for more time",
            verbs::renew,
        )
        .also_at("/{name}/renew")
        .taking::<Renew>(Required),
        Endpoint::on::<View, _, _>(Method::Post,
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
    use templates::{clusters, get, list, pod_get, pod_list};
    vec![
        Endpoint::on::<TemplateList, _, _>(Method::Get,
            "/debug-session-templates",
            "listDebugSessionTemplates",
            "Templates that the caller may request",
            list::handle,
        )
        .also_at("/templates")
        .query(list::QUERY),
        Endpoint::on::<Template, _, _>(Method::Get,
            "/debug-session-templates/{name}",
            "getDebugSessionTemplate",
            "One template",
            get::handle,
        )
        .also_at("/templates/{name}"),
        Endpoint::on::<TemplateClusters, _, _>(Method::Get,
            "/debug-session-templates/{name}/clusters",
            "listDebugSessionTemplateClusters",
            "Where the caller may request a template, through which bindings, and what they get there",
            clusters::handle,
        )
        .also_at("/templates/{name}/clusters")
        .query(clusters::QUERY),
        Endpoint::on::<PodTemplateList, _, _>(Method::Get,
            "/debug-pod-templates",
            "listDebugPodTemplates",
            "Pod templates",
            pod_list::handle,
        )
        .also_at("/podTemplates"),
        Endpoint::on::<DebugPodTemplate, _, _>(Method::Get,
            "/debug-pod-templates/{name}",
            "getDebugPodTemplate",
            "One pod template",
            pod_get::handle,
        )
        .also_at("/podTemplates/{name}"),
    ]
}

fn binding_endpoints() -> Vec<Endpoint> {
    use bindings::{get, list};
    vec![
        Endpoint::on::<ClusterBindingList, _, _>(
            Method::Get,
            "/cluster-bindings",
            "listClusterBindings",
            "Bindings that concern the caller",
            list::handle,
        )
        .query(list::QUERY),
        Endpoint::on::<DebugSessionClusterBinding, _, _>(
            Method::Get,
            "/cluster-bindings/{namespace}/{name}",
            "getClusterBinding",
            "One binding",
            get::handle,
        ),
    ]
}

fn cluster_endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::on::<ClusterList, _, _>(
            Method::Get,
            "/clusters",
            "listClusters",
            "Registered clusters",
            clusters::list,
        ),
        Endpoint::on::<ClusterRegistered, _, _>(
            Method::Post,
            "/clusters",
            "registerCluster",
            "Register a cluster and get its join token",
            clusters::register,
        )
        .taking::<RegisterCluster>(Required)
        .created()
        .for_admins(),
        Endpoint::on::<Cluster, _, _>(
            Method::Get,
            "/clusters/{name}",
            "getCluster",
            "One cluster",
            clusters::get,
        ),
        Endpoint::on::<Cluster, _, _>(
            Method::Post,
            "/clusters/{name}/accept",
            "acceptCluster",
            "Accept an agent that waits for it",
            clusters::accept,
        )
        .taking::<NoFields>(Optional)
        .for_admins(),
        Endpoint::on::<Cluster, _, _>(
            Method::Post,
            "/clusters/{name}/revoke",
            "revokeCluster",
            "Cut a cluster off and bar its certificates",
            clusters::revoke,
        )
        .taking::<NoFields>(Optional)
        .for_admins(),
        Endpoint::on::<WebhookConfig, _, _>(
            Method::Post,
            "/clusters/{name}/webhook-config",
            "clusterWebhookConfig",
            "A client certificate for the cluster's API server, and where it calls",
            clusters::webhook_config,
        )
        .taking::<WebhookConfigRequest>(Required)
        .for_admins(),
    ]
}

fn written_by_admins() -> Vec<Endpoint> {
    fn pair<T: manifests::Writable + JsonSchema>(
        path: &'static str,
        put: &'static str,
        delete: &'static str,
    ) -> [Endpoint; 2] {
        let (write, remove) = ("Write an object", "Delete an object");
        let [put, delete] = if T::WORD.is_namespaced() {
            [
                Endpoint::on::<Written<T>, _, _>(
                    Method::Put,
                    path,
                    put,
                    write,
                    manifests::put_namespaced::<T>,
                ),
                Endpoint::on::<Written<T>, _, _>(
                    Method::Delete,
                    path,
                    delete,
                    remove,
                    manifests::delete_namespaced::<T>,
                ),
            ]
        } else {
            [
                Endpoint::on::<Written<T>, _, _>(
                    Method::Put,
                    path,
                    put,
                    write,
                    manifests::put::<T>,
                ),
                Endpoint::on::<Written<T>, _, _>(
                    Method::Delete,
                    path,
                    delete,
                    remove,
                    manifests::delete::<T>,
                ),
            ]
        };
        [
            put.taking::<T>(Required)
                .in_yaml_too()
                .query(manifests::QUERY)
                .for_admins(),
            delete.query(manifests::QUERY_OF_DELETE).for_admins(),
        ]
    }
    [
        pair::<DebugPodTemplate>(
            "/debug-pod-templates/{name}",
            "putDebugPodTemplate",
            "deleteDebugPodTemplate",
        ),
        pair::<DebugSessionTemplate>(
            "/debug-session-templates/{name}",
            "putDebugSessionTemplate",
            "deleteDebugSessionTemplate",
        ),
        pair::<DebugSessionClusterBinding>(
            "/cluster-bindings/{namespace}/{name}",
            "putClusterBinding",
            "deleteClusterBinding",
        ),
        pair::<DenyPolicy>("/deny-policies/{name}", "putDenyPolicy", "deleteDenyPolicy"),
        pair::<Cluster>("/clusters/{name}", "putCluster", "deleteCluster"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn watch_endpoints() -> Vec<Endpoint> {
    use debug_sessions::filters;
    vec![
        Endpoint::on::<Explanation, _, _>(
            Method::Post,
            "/explain",
            "explain",
            "Why a request or an operation would be allowed or refused, rule by rule",
            explain::handle,
        )
        .taking::<Explain>(Required),
        Endpoint::on::<WatchData, _, _>(
            Method::Get,
            "/watch",
            "watch",
            "What changes in the sessions that the caller may see, as server-sent events",
            watch::handle,
        )
        .query(filters::FILTERS)
        .as_events(),
    ]
}
