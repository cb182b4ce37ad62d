//! What a missing right is told as: the rule to add, whose role lacks it, and how to give it.

use breakglass_agent_core::plan::Deployer;
use breakglass_protocol::wire::grant::ServiceAccountName;

use super::Target;

/// What to do about the API server's `message`; `None` if it is not RBAC that refuses.
pub(super) fn remedy(
    deployer: &Deployer,
    verb: &str,
    target: &Target,
    message: &str,
) -> Option<String> {
    let lacks = |verb: &str| message.contains(&format!("cannot {verb} resource"));
    match deployer {
        Deployer::Agent if lacks(verb) => Some(format!(
            "The agent's role lacks the rule {}; give it with the agent's chart values",
            rule(target, verb)
        )),
        Deployer::Agent => None,
        Deployer::ServiceAccount(account) if lacks("impersonate") => Some(format!(
            "The agent may not act as ServiceAccount {account}: list it in the agent chart's value \
             ceiling.impersonation.serviceAccounts"
        )),
        Deployer::ServiceAccount(account) if lacks(verb) => Some(format!(
            "ServiceAccount {account} lacks the rule {}; give it with: {}",
            rule(target, verb),
            commands(account, target)
        )),
        Deployer::ServiceAccount(_) => None,
    }
}

/// The RBAC rule that permits `verb` on it, as YAML on one line.
fn rule(target: &Target, verb: &str) -> String {
    let resource = target.resource();
    let place = match &target.namespace {
        Some(namespace) => format!(" in namespace {namespace}"),
        None => String::new(),
    };
    format!(
        "{{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"{verb}\"]}}{place}",
        resource.group, resource.plural
    )
}

/// Ready to be pasted. Every part is a name of Kubernetes's, so none needs quotes.
fn commands(account: &ServiceAccountName, target: &Target) -> String {
    let resource = target.resource();
    let (group, plural) = (&resource.group, &resource.plural);
    let resource = if group.is_empty() {
        plural.clone()
    } else {
        format!("{plural}.{group}")
    };
    let name = format!("{}-{plural}", account.name);
    let (role, binding, place) = match &target.namespace {
        Some(namespace) => ("role", "rolebinding", format!(" --namespace={namespace}")),
        None => ("clusterrole", "clusterrolebinding", String::new()),
    };
    format!(
        "kubectl create {role} {name} --verb=create,patch --resource={resource}{place} && \
         kubectl create {binding} {name} --{role}={name} --serviceaccount={}:{}{place}",
        account.namespace, account.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployer() -> Deployer {
        Deployer::ServiceAccount(ServiceAccountName {
            namespace: "breakglass-system".into(),
            name: "debug-deployer".into(),
        })
    }

    fn said(verb: &str) -> String {
        format!(
            "daemonsets.apps is forbidden: User \"x\" cannot {verb} resource \"daemonsets\" in API group \"apps\""
        )
    }

    #[test]
    fn s10_a_missing_right_of_a_service_account_is_told_with_the_commands_that_give_it() {
        let target = Target::new("apps/v1", "DaemonSet", Some("team-a"), "s-ds");
        let remedy = remedy(&deployer(), "create", &target, &said("create")).unwrap();
        for part in [
            "ServiceAccount breakglass-system/debug-deployer lacks the rule",
            r#"{apiGroups: ["apps"], resources: ["daemonsets"], verbs: ["create"]} in namespace team-a"#,
            "kubectl create role debug-deployer-daemonsets --verb=create,patch --resource=daemonsets.apps --namespace=team-a",
            "kubectl create rolebinding debug-deployer-daemonsets --role=debug-deployer-daemonsets --serviceaccount=breakglass-system:debug-deployer --namespace=team-a",
        ] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
    }

    #[test]
    fn s10_a_service_account_that_the_agent_may_not_be_is_told_with_the_charts_value() {
        let target = Target::new("apps/v1", "DaemonSet", Some("team-a"), "s-ds");
        let remedy = remedy(&deployer(), "create", &target, &said("impersonate")).unwrap();
        assert!(
            remedy.contains("ceiling.impersonation.serviceAccounts"),
            "{remedy}"
        );
    }

    #[test]
    fn d09_a_missing_right_of_the_agents_is_told_with_its_rule() {
        let target = Target::new("v1", "ResourceQuota", Some("team-a"), "s-quota");
        let said = "resourcequotas is forbidden: User \"x\" cannot create resource \"resourcequotas\" in API group \"\"";
        assert_eq!(
            remedy(&Deployer::Agent, "create", &target, said).unwrap(),
            "The agent's role lacks the rule {apiGroups: [\"\"], resources: [\"resourcequotas\"], verbs: [\"create\"]} in \
             namespace team-a; give it with the agent's chart values"
        );
        let full = "pods \"x\" is forbidden: exceeded quota: s-quota";
        assert_eq!(remedy(&Deployer::Agent, "create", &target, full), None);
    }

    #[test]
    fn what_has_no_namespace_is_given_in_the_whole_cluster() {
        let target = Target::new("v1", "Namespace", None, "team-a");
        let remedy = remedy(&deployer(), "create", &target, &said("create")).unwrap();
        assert!(
            remedy.contains("kubectl create clusterrole debug-deployer-namespaces --verb=create,patch --resource=namespaces &&"),
            "{remedy}"
        );
    }
}
