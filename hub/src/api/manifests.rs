//! `PUT` and `DELETE` of the kinds, for admins: thin, since how a document is judged and stored lives in
//! [`crate::templates::by_admins`].

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use breakglass_protocol::api::manifest::{WriteResult, Written};
use breakglass_protocol::kinds::Kind;
use http::StatusCode;

use super::body::ManifestBody;
use super::caller::Admin;
use super::endpoint::{Query, QueryKind};
use super::error::ApiError;
use crate::app::App;
use crate::clusters::By;
use crate::store::StoreError;
use crate::store::typed::Stored;
use crate::templates::by_admins::{self, Asked, DryRun, Outcome};

/// What the query of a `PUT` may say.
pub const QUERY: &[Query] = &[DRY_RUN];

/// What the query of a `DELETE` may say.
pub const QUERY_OF_DELETE: &[Query] = &[
    DRY_RUN,
    Query {
        name: "resourceVersion",
        kind: QueryKind::Text,
        about: "Only if the object is still at this version",
    },
];

const DRY_RUN: Query = Query {
    name: "dryRun",
    kind: QueryKind::DryRun,
    about: "All: judge everything, store nothing",
};

type Answer<T> = Result<(StatusCode, Json<Written<T>>), ApiError>;

/// A kind that admins write.
pub trait Writable: Stored {
    const WORD: Kind;
}

macro_rules! writable {
    ($($kind:ident),+ $(,)?) => {
        $(impl Writable for $kind {
            const WORD: Kind = Kind::$kind;
        })+
    };
}

use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_pod_template::DebugPodTemplate;
use breakglass_protocol::kinds::debug_session_cluster_binding::DebugSessionClusterBinding;
use breakglass_protocol::kinds::debug_session_template::DebugSessionTemplate;
use breakglass_protocol::kinds::deny_policy::DenyPolicy;

writable!(
    Cluster,
    DebugPodTemplate,
    DebugSessionClusterBinding,
    DebugSessionTemplate,
    DenyPolicy,
);

/// `PUT /{kind}/{name}`
pub async fn put<T: Writable>(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    ManifestBody(text): ManifestBody,
) -> Answer<T> {
    apply(&app, &admin, ("", &name), query.as_deref(), text).await
}

/// `PUT /{kind}/{namespace}/{name}`
pub async fn put_namespaced<T: Writable>(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    ManifestBody(text): ManifestBody,
) -> Answer<T> {
    apply(&app, &admin, (&namespace, &name), query.as_deref(), text).await
}

/// `DELETE /{kind}/{name}`
pub async fn delete<T: Writable>(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Answer<T> {
    remove(&app, &admin, ("", &name), query.as_deref()).await
}

/// `DELETE /{kind}/{namespace}/{name}`
pub async fn delete_namespaced<T: Writable>(
    State(app): State<Arc<App>>,
    admin: Admin,
    Path((namespace, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Answer<T> {
    remove(&app, &admin, (&namespace, &name), query.as_deref()).await
}

async fn apply<T: Writable>(
    app: &App,
    admin: &Admin,
    place: (&str, &str),
    query: Option<&str>,
    text: String,
) -> Answer<T> {
    let options = Options::parse(query.unwrap_or_default())?;
    let asked = options.asked::<T>(place);
    let written = Box::pin(by_admins::apply(app, &By::from(admin), &asked, text)).await?;
    answer(written)
}

async fn remove<T: Writable>(
    app: &App,
    admin: &Admin,
    place: (&str, &str),
    query: Option<&str>,
) -> Answer<T> {
    let options = Options::parse(query.unwrap_or_default())?;
    let asked = options.asked::<T>(place);
    let expected = options.resource_version.as_deref();
    answer(by_admins::delete(app, &By::from(admin), &asked, expected).await?)
}

fn answer<T: Writable>(written: by_admins::Written) -> Answer<T> {
    let (status, result) = match written.outcome {
        Outcome::Created => (StatusCode::CREATED, WriteResult::Created),
        Outcome::Configured => (StatusCode::OK, WriteResult::Configured),
        Outcome::Unchanged => (StatusCode::OK, WriteResult::Unchanged),
        Outcome::Deleted => (StatusCode::OK, WriteResult::Deleted),
    };
    let object = serde_json::from_value(written.object).map_err(|error| {
        ApiError::Store(StoreError::Unreadable {
            subject: T::WORD.to_string(),
            message: error.to_string(),
        })
    })?;
    Ok((
        status,
        Json(Written {
            result,
            object,
            warnings: written.warnings,
        }),
    ))
}

struct Options {
    dry_run: DryRun,
    resource_version: Option<String>,
}

impl Options {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let mut options = Self {
            dry_run: DryRun::No,
            resource_version: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (name.as_ref(), value.as_ref()) {
                ("dryRun", "All") => options.dry_run = DryRun::All,
                ("dryRun", other) => {
                    let message = format!("{other:?} is not known; there is All");
                    return Err(ApiError::malformed("dryRun", message));
                }
                ("resourceVersion", version) => {
                    options.resource_version = Some(version.to_owned());
                }
                _unknown_is_ignored => {}
            }
        }
        Ok(options)
    }

    fn asked<'a, T: Writable>(&self, (namespace, name): (&'a str, &'a str)) -> Asked<'a> {
        Asked {
            kind: T::WORD,
            namespace,
            name,
            dry_run: self.dry_run,
        }
    }
}
