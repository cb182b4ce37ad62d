//! Where objects of a kind are, for kinds that are not Kubernetes's own: asked of the API server, which knows kinds that
//! were installed after this agent too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use breakglass_agent_core::kinds::{known_kind, split};
use breakglass_agent_core::plan::outcome::ApiFailure;
use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;

use super::{Cluster, Target, bodyless, invalid, parse, segment};

/// A kind's path and scope stay for as long as its definition does; one that was made anew otherwise is seen after this.
const FRESH: Duration = Duration::from_secs(600);
/// Groups and versions remembered, a few KiB each: more than one cluster's ceiling lists.
const MAX_VERSIONS: usize = 64;

/// What the API server said of each group and version.
#[derive(Clone, Default)]
pub(super) struct Discovered(Arc<Mutex<BTreeMap<String, Version>>>);

struct Version {
    asked_at: Instant,
    kinds: BTreeMap<String, Place>,
}

#[derive(Clone)]
struct Place {
    plural: String,
    namespaced: bool,
}

impl Discovered {
    fn get(&self, target: &Target) -> Option<Place> {
        let versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        versions
            .get(&target.api_version)
            .filter(|version| version.asked_at.elapsed() < FRESH)?
            .kinds
            .get(&target.kind)
            .cloned()
    }

    fn put(&self, api_version: &str, kinds: BTreeMap<String, Place>) {
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.len() >= MAX_VERSIONS && !versions.contains_key(api_version) {
            let oldest = versions
                .iter()
                .min_by_key(|(_, version)| version.asked_at)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                versions.remove(&oldest);
            }
        }
        let version = Version {
            asked_at: Instant::now(),
            kinds,
        };
        versions.insert(api_version.to_owned(), version);
    }
}

impl Cluster {
    /// The target with its place in the API server's paths.
    ///
    /// # Errors
    /// 404 if the cluster does not have the kind, 422 if its objects are in no namespace, or as the API server says.
    pub(super) async fn locate(&self, mut target: Target) -> Result<Target, ApiFailure> {
        if let Some(known) = known_kind(&target.api_version, &target.kind) {
            target.plural = Some(known.plural.to_owned());
            return Ok(target);
        }
        let place = match self.discovered.get(&target) {
            Some(place) => place,
            None => self.discover(&target).await?,
        };
        if !place.namespaced {
            return Err(invalid(format!(
                "objects of kind {} ({}) are in no namespace, and a session's are made in its own only",
                target.kind, target.api_version
            )));
        }
        target.plural = Some(place.plural);
        Ok(target)
    }

    async fn discover(&self, target: &Target) -> Result<Place, ApiFailure> {
        let missing = || ApiFailure {
            code: 404,
            reason: "NoSuchKind".to_owned(),
            message: format!(
                "the cluster has no kind {} in {}",
                target.kind, target.api_version
            ),
            remedy: None,
        };
        let uri = match split(&target.api_version) {
            ("", version) => format!("/api/{}", segment(version)?),
            (group, version) => format!("/apis/{}/{}", segment(group)?, segment(version)?),
        };
        let text = match self.call("get", target, bodyless(Method::GET, uri)?).await {
            Err(failure) if failure.code == 404 => return Err(missing()),
            answer => answer?,
        };
        let listed: APIResourceList = parse("get", target, &text)?;
        let kinds: BTreeMap<String, Place> = listed
            .resources
            .into_iter()
            // `pods/log` and the like are parts of a kind.
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| {
                let place = Place {
                    plural: resource.name,
                    namespaced: resource.namespaced,
                };
                (resource.kind, place)
            })
            .collect();
        let place = kinds.get(&target.kind).cloned();
        self.discovered.put(&target.api_version, kinds);
        place.ok_or_else(missing)
    }
}
