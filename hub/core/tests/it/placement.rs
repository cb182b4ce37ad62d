//! Where pods may run: options, labels of nodes, and what a grant makes of it.

use serde_json::{Value, json};

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::grant::{self, UserNames};
use breakglass_hub_core::refusal::{Class, Refusal};
use breakglass_hub_core::request::{self, Catalogue, Resolved, readiness};
use breakglass_hub_core::session::{Active, Running, Session, State};
use breakglass_protocol::api::debug_session::CreateDebugSession;
use breakglass_protocol::ids::Revision;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::manifest::Manifest;
use breakglass_protocol::wire::grant::{DisruptionBudget, Grant, Work, Workload, feature};

use crate::bindings::binding;
use crate::fixture::{
    alice, asked, at, caller, cluster, ids, pod_template, standard_pod, start, template,
    template_json,
};

fn with(changes: Value) -> Value {
    let mut json = template_json();
    for (field, value) in changes.as_object().unwrap() {
        json["spec"][field] = value.clone();
    }
    json
}

/// The options of the sample `placement.yaml`.
fn options(required: bool) -> Value {
    let placed = |value: &str| json!({"nodeSelector": {"network.kubernetes.io/sriov": value}});
    json!({"required": required, "options": [
        {"name": "sriov", "displayName": "x", "schedulingConstraints": placed("true"), "allowedGroups": ["netops-admins"]},
        {"name": "standard", "displayName": "x", "default": true, "schedulingConstraints": placed("false")},
        {"name": "any", "displayName": "x", "schedulingConstraints": {}},
    ]})
}

fn resolve(
    changes: Value,
    who: &Caller,
    ask: impl FnOnce(&mut CreateDebugSession),
) -> Result<Resolved, Refusal> {
    through(&[], changes, who, ask)
}

/// Through the binding, if there is one.
fn through(
    bindings: &[DebugSessionClusterBinding],
    changes: Value,
    who: &Caller,
    ask: impl FnOnce(&mut CreateDebugSession),
) -> Result<Resolved, Refusal> {
    let (template, pod, cluster) = (template(with(changes)), standard_pod(), cluster(json!({})));
    let catalogue = Catalogue {
        template: Some(&template),
        pod_template: Some(&pod),
        cluster: Some(&cluster),
        bindings,
    };
    let mut asked = asked();
    ask(&mut asked);
    request::resolve(&asked, &catalogue, who, ids(), at(0))
}

fn selector(json: Value) -> impl FnOnce(&mut CreateDebugSession) {
    move |asked| asked.node_selector = serde_json::from_value(json).unwrap()
}

fn option(name: &'static str) -> impl FnOnce(&mut CreateDebugSession) {
    move |asked| asked.selected_scheduling_option = Some(name.into())
}

fn workload(session: &Session) -> Workload {
    let Work::Workload(workload) = &session.snapshot.terms.work;
    (**workload).clone()
}

fn selectors(session: &Session) -> Vec<Value> {
    workload(session)
        .scheduling
        .iter()
        .map(|layer| json!(layer.constraints.node_selector))
        .collect()
}

/// (class, field, rule, message) of the only violation.
fn told(refusal: &Refusal) -> (Class, &str, &str, &str) {
    let [one] = &refusal.violations[..] else {
        panic!("{refusal:?}")
    };
    (one.class, &one.field, one.rule, &one.message)
}

#[test]
fn the_default_is_taken_and_another_can_be_chosen() {
    let changes = json!({"schedulingConstraints": {"nodeSelector": {"pool": "general"}}, "schedulingOptions": options(true)});
    let session = resolve(changes.clone(), &alice(), |_| {}).unwrap().session;
    assert_eq!(
        selectors(&session),
        [
            json!({"pool": "general"}),
            json!({"network.kubernetes.io/sriov": "false"})
        ]
    );
    assert_eq!(session.spec.selected_scheduling_option, None, "as asked");
    let resolved = &session.snapshot.source.resolved;
    assert_eq!(resolved.scheduling_option.as_deref(), Some("standard"));
    let shown = session
        .spec
        .resolved_scheduling_constraints
        .clone()
        .unwrap();
    assert_eq!(shown.node_selector.len(), 2);

    let session = resolve(changes.clone(), &alice(), option("any"))
        .unwrap()
        .session;
    assert_eq!(selectors(&session), [json!({"pool": "general"})]);

    let admin = caller("nadia", &["sre-team", "netops-admins"]);
    let session = resolve(changes, &admin, option("sriov")).unwrap().session;
    assert_eq!(
        selectors(&session)[1],
        json!({"network.kubernetes.io/sriov": "true"})
    );
}

#[test]
fn an_option_that_is_not_open_or_not_known_names_those_that_are() {
    let changes = json!({"schedulingOptions": options(true)});
    let refusal = resolve(changes.clone(), &alice(), option("sriov")).unwrap_err();
    assert_eq!(
        told(&refusal),
        (
            Class::Forbidden,
            "selectedSchedulingOption",
            "schedulingOptions.allowedGroups",
            "scheduling option sriov of session template standard-debug is for members of netops-admins only; open to you: \
             standard, any"
        )
    );
    assert_eq!(refusal.violations[0].allowed, ["standard", "any"]);
    let refusal = resolve(changes, &alice(), option("standart")).unwrap_err();
    assert_eq!(
        told(&refusal),
        (
            Class::Constraint,
            "selectedSchedulingOption",
            "schedulingOptions",
            "\"standart\" is no scheduling option of session template standard-debug; choose one of: standard, any; did you \
             mean \"standard\"?"
        )
    );
    let none = resolve(json!({}), &alice(), option("any")).unwrap_err();
    assert_eq!(told(&none).2, "schedulingOptions");
}

#[test]
fn a_required_option_must_be_chosen_where_none_is_the_default() {
    let mut changes = json!({"schedulingOptions": options(true)});
    changes["schedulingOptions"]["options"][1]["default"] = json!(false);
    let refusal = resolve(changes.clone(), &alice(), |_| {}).unwrap_err();
    assert_eq!(told(&refusal).2, "schedulingOptions.required");
    assert_eq!(refusal.violations[0].allowed, ["standard", "any"]);
    changes["schedulingOptions"]["required"] = json!(false);
    let session = resolve(changes, &alice(), |_| {}).unwrap().session;
    assert_eq!(workload(&session).scheduling, []);
}

#[test]
fn d11_labels_of_nodes_may_be_chosen_where_nothing_fixes_them() {
    let changes = json!({
        "schedulingConstraints": {"nodeSelector": {"node-pool": "general-purpose"},
            "deniedNodeLabels": {"node-role.kubernetes.io/control-plane": "*"}},
        "schedulingOptions": options(true),
    });
    let session = resolve(
        changes.clone(),
        &alice(),
        selector(json!({"disk": "ssd", "node-pool": "general-purpose"})),
    );
    assert_eq!(
        selectors(&session.unwrap().session)[2],
        json!({"disk": "ssd", "node-pool": "general-purpose"})
    );
    // The sample debug-session.yaml asks for another pool.
    for (labels, field) in [
        (
            json!({"node-pool": "application"}),
            r#"nodeSelector["node-pool"]"#,
        ),
        (
            json!({"network.kubernetes.io/sriov": "true"}),
            r#"nodeSelector["network.kubernetes.io/sriov"]"#,
        ),
        (
            json!({"node-role.kubernetes.io/control-plane": ""}),
            r#"nodeSelector["node-role.kubernetes.io/control-plane"]"#,
        ),
    ] {
        let refusal = resolve(changes.clone(), &alice(), selector(labels)).unwrap_err();
        let (class, found, rule, message) = told(&refusal);
        assert_eq!(
            (class, found, rule),
            (Class::Constraint, field, "schedulingConstraints")
        );
        assert!(message.contains("no node can fulfil both"), "{message}");
    }
}

#[test]
fn labels_of_nodes_are_kubernetess() {
    let refusal = resolve(
        json!({}),
        &alice(),
        selector(json!({"a b": "x", "ok": "-"})),
    )
    .unwrap_err();
    let fields: Vec<&str> = refusal
        .violations
        .iter()
        .map(|v| v.field.as_str())
        .collect();
    assert_eq!(fields, [r#"nodeSelector["a b"]"#, r#"nodeSelector["ok"]"#]);
    let many: serde_json::Map<String, Value> =
        (0..33).map(|n| (format!("k{n}"), json!("x"))).collect();
    let refusal = resolve(json!({}), &alice(), selector(Value::Object(many))).unwrap_err();
    assert_eq!(told(&refusal).2, "nodeSelector.limit");
}

#[test]
fn a_template_that_fits_no_node_is_told_so() {
    let mut changes = json!({"schedulingConstraints": {"nodeSelector": {"network.kubernetes.io/sriov": "true"}},
        "schedulingOptions": options(true)});
    let refusal = resolve(changes.clone(), &alice(), |_| {}).unwrap_err();
    assert_eq!(told(&refusal).1, "selectedSchedulingOption");
    changes["schedulingOptions"] = Value::Null;
    changes["schedulingConstraints"]["deniedNodeLabels"] =
        json!({"network.kubernetes.io/sriov": "true"});
    let refusal = resolve(changes, &alice(), |_| {}).unwrap_err();
    assert_eq!(told(&refusal).1, "templateRef");
}

fn granted(changes: Value) -> (Grant, Vec<String>) {
    let mut session = resolve(changes, &alice(), |_| {}).unwrap().session;
    session.state = State::Active(Active::new(Running {
        starts_at: start(),
        expires_at: at(3600).wall,
        renewals: 0,
    }));
    let prepared = grant::prepare(&session, &UserNames::default(), Revision(1))
        .unwrap()
        .unwrap();
    (
        serde_json::from_slice(&prepared.body).unwrap(),
        prepared.requires,
    )
}

#[test]
fn d17_what_an_old_agent_would_ignore_it_must_have() {
    let (_, requires) = granted(json!({}));
    assert_eq!(requires, [feature::WORKLOAD]);
    let (grant, requires) = granted(json!({
        "schedulingConstraints": {"deniedNodes": ["etcd-*"]},
        "resourceQuota": {"maxPods": 5, "enforceResourceRequests": false, "enforceResourceLimits": false},
        "podDisruptionBudget": {"enabled": true, "minAvailable": 1},
    }));
    assert_eq!(
        requires,
        [
            feature::WORKLOAD,
            feature::SCHEDULING,
            feature::QUOTA,
            feature::DISRUPTION_BUDGET
        ]
    );
    let Work::Workload(workload) = grant.work;
    assert_eq!(
        workload.scheduling[0].place,
        "session template standard-debug"
    );
    assert_eq!(workload.quota.unwrap().max_pods, Some(5));
    assert_eq!(
        workload.disruption_budget,
        Some(DisruptionBudget::MinAvailable(1))
    );
    let (grant, requires) =
        granted(json!({"podDisruptionBudget": {"enabled": false, "minAvailable": 1}}));
    let Work::Workload(workload) = grant.work;
    assert_eq!(workload.disruption_budget, None);
    assert_eq!(requires, [feature::WORKLOAD]);
}

#[test]
fn d09_a_template_whose_pod_says_no_amounts_is_not_ready() {
    let quota = |more: Value| template(with(more));
    let bare = quota(json!({"resourceQuota": {"maxPods": 5}}));
    let messages: Vec<String> = readiness(&bare, Some(&standard_pod()))
        .into_iter()
        .map(|v| v.message)
        .collect();
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert_eq!(
        messages[0],
        "session template standard-debug: spec.resourceQuota.enforceResourceRequests asks for resources.requests.cpu of every \
         container, and container \"debug\" of pod template standard-pod has none; add it there or to podOverrides"
    );
    let overridden = quota(json!({
        "resourceQuota": {"maxPods": 5},
        "podOverrides": {"spec": {"containers": [{"name": "debug", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}},
    }));
    assert_eq!(readiness(&overridden, Some(&standard_pod())), []);
    let pod = pod_template(
        json!({"containers": [{"name": "debug", "image": "busybox:latest",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}),
    );
    assert_eq!(readiness(&bare, Some(&pod)), []);
}

#[test]
fn s01_a_bindings_constraints_stand_beside_the_templates() {
    let mandatory = json!({"schedulingConstraints": {"nodeSelector": {"pool": "general"}, "deniedNodes": ["etcd-*"]}});
    let team = binding(
        "team",
        json!({"schedulingConstraints": {"nodeSelector": {"team": "a"}}}),
    );
    let session = through(&[team], mandatory.clone(), &alice(), |_| {})
        .unwrap()
        .session;
    let places: Vec<String> = workload(&session)
        .scheduling
        .iter()
        .map(|layer| layer.place.clone())
        .collect();
    assert_eq!(
        places,
        ["session template standard-debug", "binding breakglass/team"]
    );
    let other = binding(
        "team",
        json!({"schedulingConstraints": {"nodeSelector": {"pool": "other"}}}),
    );
    let refusal = through(&[other], mandatory, &alice(), |_| {}).unwrap_err();
    let (_, field, _, message) = told(&refusal);
    assert_eq!(field, "templateRef");
    assert!(message.contains("binding breakglass/team wants it to be \"other\""));
}

#[test]
fn s01_a_bindings_options_are_the_choice_and_open_nothing_that_the_template_closes() {
    let changes = json!({"schedulingOptions": options(true)});
    let offers = |names: &[&str]| {
        let options: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({"name": name, "displayName": "x", "schedulingConstraints": {"nodeSelector": {"of-binding": name}}})
            })
            .collect();
        binding(
            "team",
            json!({"schedulingOptions": {"required": true, "options": options}}),
        )
    };
    // Both know it: both hold.
    let session = through(
        &[offers(&["any", "standard"])],
        changes.clone(),
        &alice(),
        option("standard"),
    );
    assert_eq!(
        selectors(&session.unwrap().session),
        [
            json!({"network.kubernetes.io/sriov": "false"}),
            json!({"of-binding": "standard"})
        ]
    );
    // Only the binding knows it: the template takes its own default beside.
    let session = through(
        &[offers(&["new"])],
        changes.clone(),
        &alice(),
        option("new"),
    );
    assert_eq!(
        selectors(&session.unwrap().session),
        [
            json!({"network.kubernetes.io/sriov": "false"}),
            json!({"of-binding": "new"})
        ]
    );
    // Only the template knows it: not offered here.
    let refusal = through(
        &[offers(&["new"])],
        changes.clone(),
        &alice(),
        option("any"),
    );
    assert_eq!(told(&refusal.unwrap_err()).2, "schedulingOptions");
    // The template's own groups still count.
    let refusal = through(
        &[offers(&["sriov"])],
        changes.clone(),
        &alice(),
        option("sriov"),
    );
    assert_eq!(told(&refusal.unwrap_err()).0, Class::Forbidden);
    let refusal = through(&[offers(&["new"])], changes, &alice(), |_| {}).unwrap_err();
    assert_eq!(told(&refusal).2, "schedulingOptions.required");
}

/// A session template of a sample file, without the fields that other parts of the product act on.
fn sample(file: &str, name: &str, without: &[&str]) -> Value {
    let path = format!(
        "{}/../../protocol/fixtures/samples/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let outcome = breakglass_protocol::manifest::decode(file, &text);
    let found = outcome
        .documents
        .iter()
        .find_map(|document| match &document.manifest {
            Manifest::DebugSessionTemplate(object)
                if object.metadata.name.as_deref() == Some(name) =>
            {
                Some(serde_json::to_value(object).unwrap())
            }
            _ => None,
        });
    let mut found = found.unwrap();
    let spec = found["spec"].as_object_mut().unwrap();
    for field in without {
        assert!(spec.remove(*field).is_some(), "{field}");
    }
    found
}

fn of_sample(json: Value, cluster_name: &str) -> Resolved {
    let template = template(json);
    let mut cluster = cluster(json!({}));
    cluster.metadata.name = Some(cluster_name.into());
    let pod = pod_template(json!({
        "containers": [{"name": "debug", "image": "alpine:latest",
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}}}],
        "tolerations": [{"operator": "Exists"}],
    }));
    let catalogue = Catalogue {
        template: Some(&template),
        pod_template: Some(&pod),
        cluster: Some(&cluster),
        bindings: &[],
    };
    let asked = CreateDebugSession {
        template_ref: template.metadata.name.clone().unwrap(),
        cluster: cluster_name.into(),
        ..asked()
    };
    request::resolve(&asked, &catalogue, &alice(), ids(), at(0)).unwrap()
}

#[test]
fn the_samples_placement_resolves_to_layers_in_order() {
    let others = ["namespaceConstraints", "impersonation"];
    let placed = sample("placement.yaml", "placed-debug", &others);
    let session = of_sample(placed, "cluster-a").session;
    let workload = workload(&session);
    let places: Vec<&str> = workload
        .scheduling
        .iter()
        .map(|layer| layer.place.as_str())
        .collect();
    assert_eq!(
        places,
        [
            "session template placed-debug",
            "scheduling option standard of session template placed-debug"
        ]
    );
    let mandatory = &workload.scheduling[0].constraints;
    assert_eq!(mandatory.denied_nodes, ["control-plane-*", "etcd-*"]);
    assert_eq!(
        mandatory
            .required()
            .unwrap()
            .unwrap()
            .node_selector_terms
            .len(),
        1
    );
    let shown = session
        .spec
        .resolved_scheduling_constraints
        .clone()
        .unwrap();
    assert_eq!(shown.node_selector.len(), 2);

    let others = [
        "terminalSharing",
        "audit",
        "notification",
        "gracePeriodBeforeExpiry",
        "constraints",
    ];
    let standard = sample("standard-debug.yaml", "standard-debug", &others);
    let session = of_sample(standard, "staging-1").session;
    let workload = self::workload(&session);
    assert_eq!(workload.quota.unwrap().max_storage.as_deref(), Some("5Gi"));
    assert_eq!(
        workload.disruption_budget,
        Some(DisruptionBudget::MinAvailable(1))
    );
}
