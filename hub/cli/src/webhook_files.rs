//! The two files that connect an API server to the agent's webhook (`bgctl cluster webhook-config`).

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use breakglass_protocol::api::cluster::WebhookConfig;

/// What the API server asks the agent about, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// After RBAC, about pods only: the webhook only adds what RBAC does not give.
    BehindRbac,
    /// Before RBAC, about everything that people and their programs do: only so deny policies refuse what RBAC allows.
    BeforeRbac,
    /// The former, and before it a webhook that fails closed: what a strict agent does not answer about pods in these
    /// namespaces is refused (S15).
    Strict { namespaces: Vec<String> },
}

/// `AuthorizationConfiguration`. Its conditions keep the cluster's own parts out of the agent's reach, so that it runs
/// without the agent.
pub fn authorization(kubeconfig_path: &str, order: &Order) -> String {
    let rbac = "- type: RBAC\n  name: rbac\n";
    let open = |conditions| webhook(kubeconfig_path, "breakglass", OPEN, conditions);
    match order {
        Order::BehindRbac => format!("{HEAD}{rbac}{}", open(ABOUT_PODS)),
        Order::BeforeRbac => format!("{HEAD}{}{rbac}", open(ABOUT_EVERYTHING)),
        Order::Strict { namespaces } => {
            let conditions = about_session_pods(namespaces);
            let closed = webhook(kubeconfig_path, "breakglass-strict", CLOSED, &conditions);
            format!("{HEAD}{closed}{}{rbac}", open(ABOUT_EVERYTHING))
        }
    }
}

const HEAD: &str = "\
# Give this file to kube-apiserver as --authorization-config (instead of --authorization-mode); it picks up later
# changes by itself. Authorizers that you have besides Node and RBAC belong in here too.
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- type: Node
  name: node
";

/// Nobody's pods but people's: nodes and service accounts are never in a session.
const ABOUT_PODS: &str = r#"    - expression: has(request.resourceAttributes) && request.resourceAttributes.resource == 'pods'
    - expression: "!('system:nodes' in request.groups) && !('system:serviceaccounts' in request.groups)"
"#;

/// Deny policies apply to service accounts too, but not to Kubernetes's own (S16).
const ABOUT_EVERYTHING: &str = r#"    - expression: has(request.resourceAttributes)
    - expression: "!('system:nodes' in request.groups) && !request.user.startsWith('system:kube-')"
    - expression: "!request.user.startsWith('system:serviceaccount:kube-system:')"
"#;

/// What strict enforcement is about, in the namespaces of sessions, and the agent's canary. Nobody else waits for the agent.
fn about_session_pods(namespaces: &[String]) -> String {
    let names: Vec<String> = namespaces.iter().map(|name| format!("'{name}'")).collect();
    let names = names.join(", ");
    format!(
        r#"    - expression: has(request.resourceAttributes) && request.resourceAttributes.resource == 'pods'
    - expression: "request.resourceAttributes.namespace in [{names}] || request.resourceAttributes.name == 'breakglass-order-canary'"
    - expression: "request.resourceAttributes.verb in ['update', 'patch'] || request.resourceAttributes.subresource in ['exec', 'attach', 'portforward', 'log', 'ephemeralcontainers', 'proxy']"
    - expression: "!('system:nodes' in request.groups) && !request.user.startsWith('system:kube-')"
    - expression: "!request.user.startsWith('system:serviceaccount:kube-system:')"
"#
    )
}

const OPEN: &str = r"    # Without the agent nothing is opened, and nothing else is closed.
    failurePolicy: NoOpinion
";

const CLOSED: &str = r"    # Without the agent the pods of sessions stay shut, whatever RBAC says.
    failurePolicy: Deny
";

fn webhook(kubeconfig_path: &str, name: &str, failure: &str, conditions: &str) -> String {
    let path = serde_json::Value::from(kubeconfig_path);
    format!(
        r#"- type: Webhook
  name: {name}
  webhook:
    timeout: 1s
    # An answer is never kept: a session's end must count at once. The two times must be set all the same.
    cacheAuthorizedRequests: false
    cacheUnauthorizedRequests: false
    authorizedTTL: 1s
    unauthorizedTTL: 1s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
{failure}    connectionInfo:
      type: KubeConfigFile
      kubeConfigFile: {path}
    matchConditions:
{conditions}"#
    )
}

/// A namespace's name goes into a CEL expression: nothing but what Kubernetes permits.
pub fn namespace_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 63 || !text.chars().all(plain) {
        return Err("is not the name of a namespace".to_owned());
    }
    Ok(text.to_owned())
}

/// How the API server reaches the webhook, with its client certificate and key inside.
pub fn kubeconfig(config: &WebhookConfig, key_pem: &str) -> String {
    let value = |text: &str| serde_json::Value::from(text);
    format!(
        r#"# The API server's way to the breakglass agent. Holds a private key: readable by the API server only.
# The client certificate ends at {expires}; make these files anew before that.
apiVersion: v1
kind: Config
clusters:
- name: breakglass-agent
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: kube-apiserver
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: webhook
  context:
    cluster: breakglass-agent
    user: kube-apiserver
current-context: webhook
"#,
        expires = config.expires_at,
        server = value(&config.url),
        ca = base64(&config.ca_pem),
        certificate = base64(&config.certificate_pem),
        key = base64(key_pem),
    )
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let write = || {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_yaml_whatever_the_path_holds() {
        let text = authorization("/etc/k8s/we\"ird: #path", &Order::BehindRbac);
        let parsed: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(
            parsed["authorizers"][2]["webhook"]["connectionInfo"]["kubeConfigFile"],
            "/etc/k8s/we\"ird: #path"
        );
        assert_eq!(
            parsed["authorizers"][2]["webhook"]["failurePolicy"],
            "NoOpinion"
        );
        let config = WebhookConfig {
            url: "https://10.0.0.9:9443/authorize".into(),
            ca_pem: "CA".into(),
            certificate_pem: "CERT".into(),
            expires_at: "2027-01-01T00:00:00Z".into(),
        };
        let parsed: serde_json::Value =
            serde_saphyr::from_str(&kubeconfig(&config, "KEY")).unwrap();
        assert_eq!(
            parsed["clusters"][0]["cluster"]["server"],
            "https://10.0.0.9:9443/authorize"
        );
        assert_eq!(parsed["users"][0]["user"]["client-key-data"], "S0VZ");
    }

    #[test]
    fn s16_deny_policies_are_asked_before_rbac() {
        let order = |order| {
            let parsed: serde_json::Value =
                serde_saphyr::from_str(&authorization("/etc/k", &order)).unwrap();
            let names = parsed["authorizers"].as_array().unwrap().iter();
            names
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(order(Order::BehindRbac), ["node", "rbac", "breakglass"]);
        assert_eq!(order(Order::BeforeRbac), ["node", "breakglass", "rbac"]);
        let strict = Order::Strict {
            namespaces: vec!["breakglass-debug".into(), "team-a".into()],
        };
        let text = authorization("/etc/k", &strict);
        let parsed: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let first = &parsed["authorizers"][1]["webhook"];
        assert_eq!(first["failurePolicy"], "Deny");
        assert_eq!(
            parsed["authorizers"][2]["webhook"]["failurePolicy"],
            "NoOpinion"
        );
        let narrow = first["matchConditions"][1]["expression"].as_str().unwrap();
        assert!(
            narrow.contains("in ['breakglass-debug', 'team-a']"),
            "{narrow}"
        );
        assert_eq!(
            order(strict),
            ["node", "breakglass-strict", "breakglass", "rbac"]
        );
    }
}
