//! Registering a cluster: its object, and a join token that works once for an hour.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_hub_core::audit::Action;
use breakglass_hub_core::clock::later;
use breakglass_hub_core::enrolment::{AlreadySpeaks, Enrolment, check_cluster_name};
use breakglass_protocol::api::cluster::{ClusterRegistered, RegisterCluster};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::join_token::JoinToken;
use breakglass_protocol::kinds::cluster::{Cluster, ClusterSpec};
use breakglass_protocol::limits::JOIN_TOKEN_LIFETIME;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::{By, ClusterError, event, from_update};
use crate::app::{App, Change, UpdateError};
use crate::link::{cluster_key, enrolment_key};
use crate::store::{CommitError, typed};

/// Longest text of one field: they are shown in tables.
const MAX_TEXT_CHARS: usize = 253;
/// Kubernetes has no limit here; a selector names a handful.
const MAX_LABELS: usize = 64;

/// Registers a cluster, or makes a new token for one whose agent is to enrol anew. What the body says of a registered
/// cluster replaces what was said before; what it leaves out stays.
///
/// # Errors
/// [`ClusterError::Invalid`] for a wrong field, [`ClusterError::AlreadySpeaks`] if an agent holds a valid certificate,
/// or what the store says.
pub async fn register(
    app: &App,
    by: &By,
    body: RegisterCluster,
) -> Result<ClusterRegistered, ClusterError> {
    let name = check(&body)?;
    let now = app.now().wall;
    let token = FreshToken::make(&name);
    // The token first: it is what may be refused. Without the cluster's object nobody can redeem it.
    offer(app, &name, &token).await?;
    let cluster = save_cluster(app, by, &name, &body).await?;
    let text = token.text(app, &name);
    Ok(ClusterRegistered {
        cluster,
        helm_command: helm_command(&text, &name),
        join_token: text,
        ca_pin: app.agents.authority.pin().to_owned(),
        expires_at: whole_seconds(later(now, JOIN_TOKEN_LIFETIME)).to_string(),
    })
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

struct FreshToken {
    id: String,
    secret: String,
}

impl FreshToken {
    fn make(name: &ClusterName) -> Self {
        let word: [u8; 6] = rand::random();
        let secret: [u8; 32] = rand::random();
        Self {
            // The cluster's name finds the record; a cluster's name holds no dot.
            id: format!("{name}.{}", hex::encode(word)),
            secret: URL_SAFE_NO_PAD.encode(secret),
        }
    }

    fn text(self, app: &App, name: &ClusterName) -> String {
        JoinToken {
            hub: app
                .settings
                .agent_addresses
                .first()
                .cloned()
                .unwrap_or_default(),
            cluster: name.to_string(),
            ca_pin: app.agents.authority.pin().to_owned(),
            id: self.id,
            secret: self.secret,
        }
        .encode()
    }
}

fn helm_command(token: &str, name: &ClusterName) -> String {
    format!(
        "kubectl create namespace breakglass-agent --dry-run=client -o yaml | kubectl apply -f - && \
         kubectl -n breakglass-agent create secret generic breakglass-join --from-literal=token={token} && \
         helm upgrade --install breakglass-agent charts/agent --namespace breakglass-agent --set cluster={name}"
    )
}

async fn offer(app: &App, name: &ClusterName, token: &FreshToken) -> Result<(), ClusterError> {
    let key = enrolment_key(name);
    let hash = hex::encode(Sha256::digest(token.secret.as_bytes()));
    let fresh =
        Enrolment::new(name.clone()).offer_token(token.id.clone(), hash.clone(), app.now().wall)?;
    match app.create(key.clone(), fresh, Vec::new()).await {
        Ok(_) => return Ok(()),
        Err(CommitError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    app.update(&key, |enrolment: Enrolment, now| {
        let object = enrolment.offer_token(token.id.clone(), hash.clone(), now.wall)?;
        Ok::<_, AlreadySpeaks>(Change {
            object,
            events: Vec::new(),
        })
    })
    .await
    .map(|_| ())
    .map_err(|error| from_update(error, name))
}

async fn save_cluster(
    app: &App,
    by: &By,
    name: &ClusterName,
    body: &RegisterCluster,
) -> Result<Cluster, ClusterError> {
    let key = cluster_key(name);
    let now = app.now();
    let mut fresh = Cluster::new(name.as_str(), ClusterSpec::default());
    fresh.metadata.creation_timestamp = Some(Time(now.wall));
    fresh.metadata.uid = Some(uuid::Uuid::new_v4().to_string());
    fresh.spec.accepted = Some(true);
    describe(&mut fresh, body);
    let registered = |now| vec![event(by, now, Action::ClusterRegistered, name)];
    match app.create(key.clone(), fresh, registered(now)).await {
        Ok(made) => return Ok(made.object),
        Err(CommitError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let updated: Result<_, UpdateError<std::convert::Infallible>> = app
        .update(&key, |mut object: Cluster, now| {
            describe(&mut object, body);
            Ok(Change {
                object,
                events: registered(now),
            })
        })
        .await;
    match updated {
        Ok(written) => Ok(written.object),
        Err(UpdateError::NotFound(_)) => {
            // Deleted between the two: whoever did that may register it again.
            typed::get::<Cluster>(app.store.as_ref(), key)
                .await?
                .map(|found| found.object)
                .ok_or_else(|| ClusterError::Contended(name.clone()))
        }
        Err(error) => Err(from_update(error, name)),
    }
}

fn describe(cluster: &mut Cluster, body: &RegisterCluster) {
    let spec = &mut cluster.spec;
    for (field, said) in [
        (&mut spec.display_name, &body.display_name),
        (&mut spec.environment, &body.environment),
        (&mut spec.location, &body.location),
        (&mut spec.site, &body.site),
        (&mut spec.tenant, &body.tenant),
    ] {
        if said.is_some() {
            field.clone_from(said);
        }
    }
    if !body.labels.is_empty() {
        cluster.metadata.labels = Some(body.labels.clone());
    }
}

/// Checks what an administrator says of a cluster, however they say it.
///
/// # Errors
/// [`ClusterError::Invalid`] with the first wrong field.
pub fn check(body: &RegisterCluster) -> Result<ClusterName, ClusterError> {
    let name = check_cluster_name(&body.name).map_err(|error| ClusterError::Invalid {
        field: "name",
        message: error.to_string(),
    })?;
    for (field, text) in [
        ("displayName", &body.display_name),
        ("environment", &body.environment),
        ("location", &body.location),
        ("site", &body.site),
        ("tenant", &body.tenant),
    ] {
        check_text(field, text.as_deref())?;
    }
    check_labels(&body.labels)?;
    Ok(name)
}

fn check_text(field: &'static str, text: Option<&str>) -> Result<(), ClusterError> {
    let Some(text) = text else { return Ok(()) };
    let message = if text.is_empty() {
        "is empty; leave it out".to_owned()
    } else if text.chars().count() > MAX_TEXT_CHARS {
        format!("is longer than {MAX_TEXT_CHARS} characters")
    } else if let Err(error) = breakglass_protocol::person::check_visible(text) {
        error.to_string()
    } else {
        return Ok(());
    };
    Err(ClusterError::Invalid { field, message })
}

/// As Kubernetes has it: selectors must be able to name them.
fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), ClusterError> {
    let bad = |message| ClusterError::Invalid {
        field: "labels",
        message,
    };
    if labels.len() > MAX_LABELS {
        return Err(bad(format!("has more than {MAX_LABELS} entries")));
    }
    for (key, value) in labels {
        let (prefix, name) = key.split_once('/').unwrap_or(("", key));
        if !is_label_word(name) || name.is_empty() || prefix.len() > 253 {
            return Err(bad(format!("has the key {key:?}, which is no label key")));
        }
        if !is_label_word(value) {
            return Err(bad(format!(
                "has the value {value:?} for {key}; a label's value has at most 63 of a-z, A-Z, 0-9, \"-\", \"_\" and \".\""
            )));
        }
    }
    Ok(())
}

fn is_label_word(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.chars().all(inner)
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helm_line_is_ready_to_paste() {
        assert_eq!(
            helm_command("TOKEN", &ClusterName::new("west")),
            "kubectl create namespace breakglass-agent --dry-run=client -o yaml | kubectl apply -f - && kubectl -n breakglass-agent create secret generic breakglass-join --from-literal=token=TOKEN && helm upgrade --install breakglass-agent charts/agent --namespace breakglass-agent --set cluster=west"
        );
    }

    #[test]
    fn wrong_fields_are_named() {
        let body = |edit: fn(&mut RegisterCluster)| {
            let mut body = RegisterCluster {
                name: "west".into(),
                ..RegisterCluster::default()
            };
            edit(&mut body);
            match check(&body) {
                Ok(_) => None,
                Err(ClusterError::Invalid { field, .. }) => Some(field),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(body(|_| {}), None);
        assert_eq!(body(|b| b.name = "West".into()), Some("name"));
        assert_eq!(
            body(|b| b.display_name = Some(String::new())),
            Some("displayName")
        );
        assert_eq!(
            body(|b| b.tenant = Some("a\u{202e}b".into())),
            Some("tenant")
        );
        assert_eq!(
            body(|b| {
                b.labels.insert("env".into(), "not ok".into());
            }),
            Some("labels")
        );
    }
}
