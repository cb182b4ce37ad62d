//! One entry of the route table: a path, who may call it, its bodies, its handler. The router and the OpenAPI document are
//! both made from these entries, so neither can know a route that the other does not.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::app::App;

/// The base of our paths, and the base that older clients use (spec 5).
pub const BASE: &str = "/api/v1";
pub const OLD_BASE: &str = "/api/debugSessions";

/// See the module's text.
pub struct Endpoint {
    pub method: Method,
    /// Below [`BASE`].
    pub path: &'static str,
    /// The same below [`OLD_BASE`], where older clients know it.
    pub old_path: Option<&'static str>,
    /// Unique, for generated clients.
    pub id: &'static str,
    pub summary: &'static str,
    pub who: Who,
    pub query: Vec<Query>,
    pub body: Option<SchemaOf>,
    pub body_need: BodyNeed,
    pub encoding: Encoding,
    pub answers: Answers,
    pub answer: (StatusCode, SchemaOf),
    handler: MethodRouter<Arc<App>>,
}

/// Makes the schema of a body.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Delete => "delete",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// Who may call; what they may see or do there is `hub/core`'s business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Anybody,
    Admins,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyNeed {
    None,
    /// All fields are optional, so the body is too.
    Optional,
    Required,
}

/// What a body may be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    JsonOrYaml,
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Json,
    /// Server-sent events, for as long as both sides want; the schema is their data's.
    Events,
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    pub name: &'static str,
    pub kind: QueryKind,
    pub about: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    Text,
    /// May be given several times.
    Texts,
    Number,
    YesNo,
    /// Only the word `All`.
    DryRun,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Endpoint {
    /// One that answers 200 with `A`; a PUT 201 where it made something.
    pub fn on<A, H, T>(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        A: JsonSchema,
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        Self {
            method,
            path,
            old_path: None,
            id,
            summary,
            who: Who::Anybody,
            query: Vec::new(),
            body: None,
            body_need: BodyNeed::None,
            encoding: Encoding::Json,
            answers: Answers::Json,
            answer: (StatusCode::OK, schema_of::<A>),
            handler: on(method.filter(), handler),
        }
    }

    /// The same under the older clients' base.
    pub fn also_at(mut self, old_path: &'static str) -> Self {
        self.old_path = Some(old_path);
        self
    }

    pub fn taking<B: JsonSchema>(mut self, need: BodyNeed) -> Self {
        self.body = Some(schema_of::<B>);
        self.body_need = need;
        self
    }

    /// The body may be YAML too.
    pub fn in_yaml_too(mut self) -> Self {
        self.encoding = Encoding::JsonOrYaml;
        self
    }

    pub fn as_events(mut self) -> Self {
        self.answers = Answers::Events;
        self
    }

    pub fn created(mut self) -> Self {
        self.answer.0 = StatusCode::CREATED;
        self
    }

    pub fn for_admins(mut self) -> Self {
        self.who = Who::Admins;
        self
    }

    /// More that the query may say.
    pub fn query(mut self, query: &'static [Query]) -> Self {
        self.query.extend(query);
        self
    }

    /// Every path under which it is served.
    pub fn full_paths(&self) -> impl Iterator<Item = String> {
        let old = self.old_path.map(|path| format!("{OLD_BASE}{path}"));
        std::iter::once(format!("{BASE}{}", self.path)).chain(old)
    }

    /// Adds the endpoint under all its paths.
    pub fn serve(self, router: Router<Arc<App>>) -> Router<Arc<App>> {
        let paths: Vec<String> = self.full_paths().collect();
        paths.into_iter().fold(router, |router, path| {
            router.route(&path, self.handler.clone())
        })
    }
}
