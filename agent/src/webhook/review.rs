//! `SubjectAccessReview` of `authorization.k8s.io/v1`: JSON → facts, verdict → JSON. Strict about what decides (version,
//! kind, exactly one kind of attributes, no key twice); fields that this build does not know are ignored, since a newer
//! API server may send more, and none of them can widen what a rule allows.

use breakglass_agent_core::authorize::{FieldRequirement, ResourceFacts, ReviewFacts, Verdict};
use serde::{Deserialize, Serialize};

const API_VERSION: &str = "authorization.k8s.io/v1";
const KIND: &str = "SubjectAccessReview";
/// Requirements of one selector; the API server sends what the URL held, which nobody writes by hand this long.
const MAX_REQUIREMENTS: usize = 64;

/// Why a body is not a review. The API server shows it in its log.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("the body is not a SubjectAccessReview: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "apiVersion {0:?} is not supported; set subjectAccessReviewVersion: v1 in the API server's authorization configuration"
    )]
    Version(String),
    #[error("kind {0:?} is not SubjectAccessReview")]
    Kind(String),
    #[error("spec must have exactly one of resourceAttributes and nonResourceAttributes")]
    Attributes,
    #[error("spec names neither a user nor a group")]
    Nobody,
    #[error(
        "spec.resourceAttributes.fieldSelector has {0} requirements, more than {MAX_REQUIREMENTS}"
    )]
    Requirements(usize),
    #[error(
        "spec.resourceAttributes.fieldSelector has rawSelector and requirements, which exclude each other"
    )]
    TwoSelectors,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    user: String,
    #[serde(default)]
    groups: Option<Vec<String>>,
    #[serde(default)]
    resource_attributes: Option<ResourceAttributes>,
    #[serde(default)]
    non_resource_attributes: Option<NonResourceAttributes>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct ResourceAttributes {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    field_selector: Option<FieldSelector>,
}

/// Only its presence counts.
#[derive(Deserialize)]
struct NonResourceAttributes {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct FieldSelector {
    raw_selector: String,
    requirements: Option<Vec<Requirement>>,
}

#[derive(Deserialize)]
struct Requirement {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

/// Reads a review.
///
/// # Errors
/// What makes it malformed; nothing may be allowed then.
pub fn read(body: &[u8]) -> Result<ReviewFacts, ReviewError> {
    let review: Review = serde_json::from_slice(body)?;
    if review.api_version != API_VERSION {
        return Err(ReviewError::Version(review.api_version));
    }
    if review.kind != KIND {
        return Err(ReviewError::Kind(review.kind));
    }
    let groups = review.spec.groups.unwrap_or_default();
    if review.spec.user.is_empty() && groups.is_empty() {
        return Err(ReviewError::Nobody);
    }
    let resource = match (
        review.spec.resource_attributes,
        review.spec.non_resource_attributes,
    ) {
        (Some(attributes), None) => Some(read_resource(attributes)?),
        (None, Some(NonResourceAttributes {})) => None,
        (Some(_), Some(_)) | (None, None) => return Err(ReviewError::Attributes),
    };
    Ok(ReviewFacts {
        user: review.spec.user,
        groups,
        resource,
    })
}

fn read_resource(attributes: ResourceAttributes) -> Result<ResourceFacts, ReviewError> {
    let selector = attributes.field_selector.unwrap_or_default();
    let requirements = selector.requirements.unwrap_or_default();
    if requirements.len() > MAX_REQUIREMENTS {
        return Err(ReviewError::Requirements(requirements.len()));
    }
    // A selector that the API server could not parse comes raw. It narrows nothing here, so a list stays unallowed.
    if !selector.raw_selector.is_empty() && !requirements.is_empty() {
        return Err(ReviewError::TwoSelectors);
    }
    Ok(ResourceFacts {
        verb: attributes.verb,
        group: attributes.group,
        resource: attributes.resource,
        subresource: attributes.subresource,
        namespace: attributes.namespace,
        name: attributes.name,
        field_requirements: requirements
            .into_iter()
            .map(|requirement| FieldRequirement {
                key: requirement.key,
                operator: requirement.operator,
                values: requirement.values.unwrap_or_default(),
            })
            .collect(),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    status: Status<'a>,
}

/// Neither allowed nor denied means no opinion.
#[derive(Serialize)]
struct Status<'a> {
    allowed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    denied: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
}

/// The body that the API server expects.
///
/// # Errors
/// Never in practice; the caller answers 500, which allows nothing.
pub fn write(verdict: &Verdict) -> Result<Vec<u8>, serde_json::Error> {
    let status = match verdict {
        Verdict::Allow { reason } => Status {
            allowed: true,
            denied: false,
            reason,
        },
        Verdict::Denied { reason } => Status {
            allowed: false,
            denied: true,
            reason,
        },
        // Answered with 503 before it comes here; as an answer it allows nothing.
        Verdict::NoOpinion { reason } | Verdict::Unavailable { reason } => Status {
            allowed: false,
            denied: false,
            reason,
        },
    };
    serde_json::to_vec(&Answer {
        api_version: API_VERSION,
        kind: KIND,
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn review(spec: &Value) -> Vec<u8> {
        json!({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"creationTimestamp": null}, "spec": spec})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn reads_what_a_1_34_api_server_sends() {
        let facts = read(&review(&json!({
            "user": "alice@example.com",
            "groups": ["sre-team", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=00"]},
            "resourceAttributes": {
                "namespace": "breakglass-debug", "verb": "list", "version": "v1", "resource": "pods", "name": "p-1",
                "fieldSelector": {"requirements": [{"key": "metadata.name", "operator": "In", "values": ["p-1"]}]}
            }
        })))
        .unwrap();
        assert_eq!(facts.user, "alice@example.com");
        let resource = facts.resource.unwrap();
        assert_eq!(resource.verb, "list");
        assert_eq!(resource.name, "p-1");
        assert_eq!(
            resource.field_requirements,
            [FieldRequirement {
                key: "metadata.name".into(),
                operator: "In".into(),
                values: vec!["p-1".into()]
            }]
        );
        let url =
            json!({"user": "u", "nonResourceAttributes": {"path": "/healthz", "verb": "get"}});
        assert_eq!(read(&review(&url)).unwrap().resource, None);
    }

    #[test]
    fn a_raw_selector_narrows_nothing() {
        let spec = json!({"user": "u", "resourceAttributes": {"verb": "list", "fieldSelector": {"rawSelector": "metadata.name=p-1"}}});
        let facts = read(&review(&spec)).unwrap();
        assert!(facts.resource.unwrap().field_requirements.is_empty());
    }

    #[test]
    fn malformed_reviews_are_refused() {
        let attributes = json!({"verb": "get", "resource": "pods"});
        let both = json!({"user": "u", "resourceAttributes": attributes, "nonResourceAttributes": {"path": "/"}});
        let ambiguous = json!({"user": "u", "resourceAttributes": {"fieldSelector": {
            "rawSelector": "a=b", "requirements": [{"key": "metadata.name", "operator": "In", "values": ["p"]}]}}});
        let many: Vec<_> = (0..65)
            .map(|_| json!({"key": "k", "operator": "In"}))
            .collect();
        for (body, expected) in [
            (b"".to_vec(), "not a SubjectAccessReview"),
            (b"{}".to_vec(), "apiVersion"),
            (b"[]".to_vec(), "not a SubjectAccessReview"),
            (review(&both), "exactly one of"),
            (review(&json!({"user": "u"})), "exactly one of"),
            (review(&json!({"resourceAttributes": attributes})), "neither a user"),
            (review(&ambiguous), "exclude each other"),
            (
                review(&json!({"user": "u", "resourceAttributes": {"fieldSelector": {"requirements": many}}})),
                "65 requirements",
            ),
            (review(&json!({"user": 7, "resourceAttributes": {}})), "invalid type"),
            (
                br#"{"apiVersion":"authorization.k8s.io/v1beta1","kind":"SubjectAccessReview","spec":{}}"#.to_vec(),
                "subjectAccessReviewVersion",
            ),
            (
                br#"{"apiVersion":"authorization.k8s.io/v1","kind":"TokenReview","spec":{}}"#.to_vec(),
                "TokenReview",
            ),
            (
                br#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"a","user":"b"}}"#
                    .to_vec(),
                "duplicate field",
            ),
            ([review(&json!({"user": "u", "resourceAttributes": {}})), b"x".to_vec()].concat(), "trailing"),
        ] {
            let error = read(&body).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        }
    }

    #[test]
    fn answers_have_the_exact_v1_shape() {
        let allow = Verdict::Allow {
            reason: "session s".into(),
        };
        assert_eq!(
            String::from_utf8(write(&allow).unwrap()).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":true,"reason":"session s"}}"#
        );
        let none = Verdict::NoOpinion {
            reason: String::new(),
        };
        assert_eq!(
            String::from_utf8(write(&none).unwrap()).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":false}}"#
        );
        let denied = Verdict::Denied {
            reason: "policy p".into(),
        };
        assert_eq!(
            String::from_utf8(write(&denied).unwrap()).unwrap(),
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":false,"denied":true,"reason":"policy p"}}"#
        );
    }
}
