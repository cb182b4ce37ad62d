//! What is in a namespace (S8, D22): only whose it is, never what it holds.

use breakglass_agent_core::namespace::LOOKED_AT;
use breakglass_agent_core::observed::Inhabitant;
use breakglass_agent_core::plan::outcome::{ApiFailure, Outcome};
use breakglass_protocol::labels;
use http::{HeaderValue, Method, header};
use kube::core::{ObjectList, PartialObjectMeta};

use super::{Cluster, Target, bodyless, parse};

/// Metadata alone: Secrets are among what is looked at.
const METADATA_ONLY: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
/// Objects of a kind that are looked at. More than this many are not a session's, so the namespace is kept.
const LIMIT: usize = 200;

impl Cluster {
    /// Everything of the kinds that are looked at; a failure if one of them cannot be listed.
    pub async fn inhabitants(&self, namespace: &str) -> Outcome {
        let mut all = Vec::new();
        for (api_version, kind) in LOOKED_AT {
            let target = Target::new(api_version, kind, Some(namespace), "");
            match self.list_metadata(&target).await {
                Ok(found) => all.extend(found),
                // A cluster without the kind has no object of it.
                Err(failure) if failure.code == 404 => {}
                Err(failure) => return Outcome::Failed(failure),
            }
        }
        Outcome::Inhabitants(all)
    }

    async fn list_metadata(&self, target: &Target) -> Result<Vec<Inhabitant>, ApiFailure> {
        let target = self.locate(target.clone()).await?;
        let uri = format!("{}?limit={LIMIT}", target.collection()?);
        let mut request = bodyless(Method::GET, uri)?;
        request.headers_mut().insert(header::ACCEPT, METADATA_ONLY);
        let text = self.call("list", &target, request).await?;
        let listed: ObjectList<PartialObjectMeta> = parse("list", &target, &text)?;
        let more = listed
            .metadata
            .continue_
            .is_some_and(|token| !token.is_empty());
        let rest = more.then(|| Inhabitant {
            kind: target.kind.clone(),
            name: format!("(more than {LIMIT})"),
            ..Inhabitant::default()
        });
        let one = |object: PartialObjectMeta| {
            let meta = object.metadata;
            let of = |map: Option<_>, key: &str| {
                map.and_then(|mut map: std::collections::BTreeMap<String, String>| map.remove(key))
            };
            Inhabitant {
                kind: target.kind.clone(),
                name: meta.name.unwrap_or_default(),
                session: of(meta.labels, labels::SESSION),
                grant: of(meta.annotations, labels::GRANT),
                deleting: meta.deletion_timestamp.is_some(),
            }
        };
        Ok(listed.items.into_iter().map(one).chain(rest).collect())
    }
}
