//! The OpenAPI document: whole, consistent, true to what is served, and reviewed like code (a golden file).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use axum::body::Body;
use breakglass_hub::api::endpoint::{Answers, BodyNeed, Endpoint};
use breakglass_hub::api::{endpoints, openapi};
use http::Method;
use serde_json::{Map, Value, json};

use crate::harness::{TestHub, request};

fn document() -> Value {
    openapi::document(&endpoints())
}

/// Calls `look` on every value of the document, with its path.
fn walk<'a>(value: &'a Value, path: &str, look: &mut impl FnMut(&str, &'a Value)) {
    look(path, value);
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, field)| walk(field, &format!("{path}/{key}"), look)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| walk(item, &format!("{path}/{i}"), look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn resolve<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    document.pointer(reference.strip_prefix('#')?)
}

fn operation<'a>(document: &'a Value, endpoint: &Endpoint, path: &str) -> &'a Value {
    let operation = &document["paths"][path][endpoint.method.as_str()];
    assert!(
        operation.is_object(),
        "{} {path} is not in the document",
        endpoint.method.as_str()
    );
    operation
}

#[test]
fn every_route_is_in_it_and_nothing_else() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut served = BTreeSet::new();
    for endpoint in endpoints() {
        for path in endpoint.full_paths() {
            operation(&document, &endpoint, &path);
            served.insert((path, endpoint.method.as_str().to_owned()));
        }
    }
    let mut told = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(path.starts_with('/'));
        told.extend(
            item.as_object()
                .unwrap()
                .keys()
                .map(|method| (path.clone(), method.clone())),
        );
    }
    assert_eq!(told, served);
}

#[test]
fn every_operation_says_what_goes_in_and_comes_out() {
    let document = document();
    let mut ids = BTreeSet::new();
    for endpoint in endpoints() {
        for path in endpoint.full_paths() {
            let operation = operation(&document, &endpoint, &path);
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(!operation["summary"].as_str().unwrap().is_empty());
            let declared = parameters(operation, "path");
            let in_path: BTreeSet<String> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .map(str::to_owned)
                .collect();
            assert_eq!(declared, in_path, "{path}");
            let asked: BTreeSet<String> = endpoint
                .query
                .iter()
                .map(|query| query.name.to_owned())
                .collect();
            assert_eq!(parameters(operation, "query"), asked, "{path}");
            let body = operation.get("requestBody");
            assert_eq!(
                body.is_some(),
                endpoint.body_need != BodyNeed::None,
                "{path}"
            );
            if let Some(body) = body {
                assert_eq!(
                    body["required"],
                    endpoint.body_need == BodyNeed::Required,
                    "{path}"
                );
                assert!(
                    body["content"]["application/json"]["schema"].is_object(),
                    "{path}"
                );
            }
            let responses = operation["responses"].as_object().unwrap();
            let media = match endpoint.answers {
                Answers::Json => "application/json",
                Answers::Events => "text/event-stream",
            };
            let done = &responses[endpoint.answer.0.as_str()]["content"][media]["schema"];
            assert!(done.is_object(), "{path}");
            assert!(
                responses.contains_key("4XX") && responses.contains_key("5XX"),
                "{path}"
            );
        }
    }
}

fn parameters(operation: &Value, place: &str) -> BTreeSet<String> {
    let all = operation["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["in"] == place);
    all.map(|parameter| {
        assert!(parameter["schema"].is_object(), "{parameter}");
        assert!(
            place != "path" || parameter["required"] == true,
            "{parameter}"
        );
        parameter["name"].as_str().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = document();
    let mut used = BTreeSet::new();
    walk(&document, "", &mut |path, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(
                resolve(&document, reference).is_some(),
                "{path} refers to {reference}, which is not there"
            );
            used.insert(reference.to_owned());
        }
    });
    for name in document["components"]["schemas"]
        .as_object()
        .unwrap()
        .keys()
    {
        assert!(
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
            "{name:?} is no component's name"
        );
        assert!(
            used.contains(&format!("#/components/schemas/{name}")),
            "{name} is used nowhere"
        );
    }
}

#[test]
fn schemas_are_of_json_schema_2020_12() {
    const TYPES: [&str; 7] = [
        "null", "boolean", "object", "array", "number", "string", "integer",
    ];
    let document = document();
    walk(
        &document["components"]["schemas"],
        "",
        &mut |path, value| {
            let Some(fields) = value.as_object().filter(|_| !path.ends_with("/properties")) else {
                return;
            };
            for old in ["definitions", "nullable", "$schema"] {
                assert!(!fields.contains_key(old), "{path} has {old}");
            }
            let types: Vec<&Value> = match fields.get("type") {
                Some(Value::Array(types)) => types.iter().collect(),
                Some(one) => vec![one],
                None => Vec::new(),
            };
            for kind in types {
                // A property may be called `type` too: then it is a schema.
                assert!(
                    kind.is_object() || TYPES.contains(&kind.as_str().unwrap()),
                    "{path}: {kind}"
                );
            }
        },
    );
}

/// Whether a value is as a schema says: the keywords that this document uses; unknown keywords fail loudly.
fn check(document: &Value, schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let fields = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(fields) => fields,
        other => return Err(format!("{path}: {other} allows nothing")),
    };
    for (keyword, rule) in fields {
        check_keyword(document, fields, keyword, rule, value, path)?;
    }
    Ok(())
}

fn check_keyword(
    document: &Value,
    schema: &Map<String, Value>,
    keyword: &str,
    rule: &Value,
    value: &Value,
    path: &str,
) -> Result<(), String> {
    let wrong = |what: String| Err(format!("{path}: {what}"));
    let one_of = |rules: &Value| {
        let rules = rules.as_array().unwrap().clone();
        rules
            .into_iter()
            .filter(|rule| check(document, rule, value, path).is_ok())
            .count()
    };
    match keyword {
        "$ref" => check(
            document,
            resolve(document, rule.as_str().unwrap()).unwrap(),
            value,
            path,
        ),
        "type" if !is_of_type(rule, value) => wrong(format!("{value} is not {rule}")),
        "enum" if !rule.as_array().unwrap().contains(value) => {
            wrong(format!("{value} is not in {rule}"))
        }
        "const" if rule != value => wrong(format!("{value} is not {rule}")),
        "anyOf" if one_of(rule) == 0 => wrong(format!("{value} is none of {rule}")),
        "oneOf" if one_of(rule) != 1 => wrong(format!("{value} is not one of {rule}")),
        "allOf" if one_of(rule) != rule.as_array().unwrap().len() => {
            wrong(format!("{value} is not all of {rule}"))
        }
        "required" => {
            let missing = rule
                .as_array()
                .unwrap()
                .iter()
                .find(|name| value.get(name.as_str().unwrap()).is_none());
            missing
                .filter(|_| value.is_object())
                .map_or(Ok(()), |name| wrong(format!("{name} is missing")))
        }
        "properties" => rule
            .as_object()
            .unwrap()
            .iter()
            .try_for_each(|(name, rule)| {
                value.get(name).map_or(Ok(()), |field| {
                    check(document, rule, field, &format!("{path}.{name}"))
                })
            }),
        "additionalProperties" | "unevaluatedProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            let others = value.as_object().into_iter().flatten();
            others
                .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)))
                .try_for_each(|(name, field)| {
                    check(document, rule, field, &format!("{path}.{name}"))
                })
        }
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .try_for_each(|(i, item)| check(document, rule, item, &format!("{path}[{i}]"))),
        "minimum" if value.as_f64() < rule.as_f64() => wrong(format!("{value} is under {rule}")),
        "maximum" if value.as_f64() > rule.as_f64() => wrong(format!("{value} is over {rule}")),
        "minItems" | "maxItems" => {
            let length = value.as_array().unwrap().len() as u64;
            let limit = rule.as_u64().unwrap();
            if (keyword == "minItems" && length < limit)
                || (keyword == "maxItems" && length > limit)
            {
                return wrong(format!("has {length} items, not as {keyword} {limit}"));
            }
            Ok(())
        }
        "maxLength"
            if (value.as_str().unwrap().chars().count() as u64) > rule.as_u64().unwrap() =>
        {
            wrong(format!("{value} is too long"))
        }
        "minLength"
            if (value.as_str().unwrap().chars().count() as u64) < rule.as_u64().unwrap() =>
        {
            wrong(format!("{value} is too short"))
        }
        "contentSchema" => {
            let inside = serde_json::from_str(value.as_str().unwrap());
            let inside: Value = inside.map_err(|error| format!("{path}: {error}"))?;
            check(document, rule, &inside, path)
        }
        "contentMediaType" => {
            assert_eq!(rule, "application/json");
            Ok(())
        }
        "type" | "enum" | "const" | "anyOf" | "oneOf" | "allOf" | "minimum" | "maximum"
        | "minLength" | "maxLength" => Ok(()),
        "title" | "description" | "format" | "default" | "pattern" | "deprecated" => Ok(()),
        extension if extension.starts_with("x-") => Ok(()),
        unknown => wrong(format!("this test does not know the keyword {unknown}")),
    }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    };
    rule.as_array()
        .map_or_else(|| is(rule), |kinds| kinds.iter().any(is))
}

/// Answers that need an agent, that other stories look at, or that are another kind's of a shape that is looked at here.
const SEEN_ELSEWHERE: &[&str] = &[
    "clusterWebhookConfig",
    "watch",
    "putDebugSessionTemplate",
    "deleteDebugSessionTemplate",
    "putClusterBinding",
    "deleteClusterBinding",
    "putDenyPolicy",
    "deleteDenyPolicy",
    "putCluster",
    "deleteCluster",
    "getDenyPolicy",
    "listDebugSessionTemplateClusters",
    "listClusterBindings",
    "getClusterBinding",
    "removeFromDebugSession",
    "renewDebugSession",
    "listBarredPeople",
    "barPerson",
    "unbarPerson",
];

#[tokio::test]
async fn what_is_served_is_as_the_document_says() {
    let hub = TestHub::start().await;
    let bindings = include_str!("bindings.yaml");
    hub.add_templates("bindings.yaml", bindings).await;
    let served = hub
        .send(request(Method::GET, "/api/openapi.json", Body::empty()))
        .await
        .ok();
    assert_eq!(served, document());
    let wish = json!({
        "templateRef": "approved-debug",
        "cluster": "west",
        "requestedDuration": "30m",
        "reason": "look at the disks",
        "targetNamespace": "team-a",
        "invitedParticipants": ["bob@example.com"],
    });
    let mut answers: BTreeMap<&str, Value> = BTreeMap::new();
    let made = hub
        .alice()
        .post("/debug-sessions", wish.clone())
        .await
        .created();
    let session = made["metadata"]["name"].as_str().unwrap().to_owned();
    answers.insert("createDebugSession", made);
    answers.insert(
        "approveDebugSession",
        hub.carol().verb("approve", &session).await.ok(),
    );
    answers.insert(
        "joinDebugSession",
        hub.bob().verb("join", &session).await.ok(),
    );
    answers.insert(
        "leaveDebugSession",
        hub.bob().verb("leave", &session).await.ok(),
    );
    let late = json!({ "users": ["mallory@example.com"], "role": "participant" });
    let invited = hub
        .alice()
        .post(&format!("/debug-sessions/{session}/invite"), late)
        .await
        .ok();
    answers.insert("inviteToDebugSession", invited);
    answers.insert(
        "terminateDebugSession",
        hub.alice().verb("terminate", &session).await.ok(),
    );
    answers.insert("getDebugSession", hub.alice().sees(&session).await.ok());
    for (id, page) in [
        ("listDebugSessionEvents", "events"),
        ("listDebugSessionAudit", "audit"),
    ] {
        let path = format!("/debug-sessions/{session}/{page}");
        answers.insert(id, hub.alice().get(&path).await.ok());
    }
    answers.insert(
        "explain",
        hub.alice().post("/explain", wish.clone()).await.ok(),
    );
    let rejected = hub.alice().asks_for("approved-debug").await;
    answers.insert(
        "rejectDebugSession",
        hub.carol().verb("reject", &rejected).await.ok(),
    );
    for (id, path) in [
        ("listDebugSessions", "/debug-sessions"),
        ("listDebugSessionTemplates", "/debug-session-templates"),
        (
            "getDebugSessionTemplate",
            "/debug-session-templates/approved-debug",
        ),
        (
            "listDebugSessionTemplateClusters",
            "/debug-session-templates/bound-debug/clusters",
        ),
        ("listClusterBindings", "/cluster-bindings"),
        (
            "getClusterBinding",
            "/cluster-bindings/breakglass/west-only",
        ),
        ("listDebugPodTemplates", "/debug-pod-templates"),
        ("getDebugPodTemplate", "/debug-pod-templates/toolbox"),
        ("listClusters", "/clusters"),
        ("getCluster", "/clusters/west"),
    ] {
        answers.insert(id, hub.alice().get(path).await.ok());
    }
    answers.insert(
        "registerCluster",
        hub.root()
            .post("/clusters", json!({ "name": "south" }))
            .await
            .created(),
    );
    answers.insert(
        "acceptCluster",
        hub.root().tell("/clusters/south/accept").await.ok(),
    );
    answers.insert(
        "revokeCluster",
        hub.root().tell("/clusters/south/revoke").await.ok(),
    );
    answers.insert(
        "listDenyPolicies",
        hub.root().get("/deny-policies").await.ok(),
    );
    let pod = json!({
        "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
        "kind": "DebugPodTemplate",
        "metadata": { "name": "tools" },
        "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "busybox" }] } } },
    });
    for (id, method) in [
        ("putDebugPodTemplate", Method::PUT),
        ("putDebugPodTemplate", Method::PUT),
        ("deleteDebugPodTemplate", Method::DELETE),
    ] {
        let asked = request(
            method,
            "/debug-pod-templates/tools",
            Body::from(pod.to_string()),
        );
        let answer = hub.root().send(asked).await;
        answers.insert(id, serde_json::from_slice(&answer.bytes).unwrap());
    }

    for endpoint in endpoints() {
        let path = format!("/api/v1{}", endpoint.path);
        let operation = operation(&served, &endpoint, &path);
        let Some(answer) = answers.remove(endpoint.id) else {
            assert!(
                SEEN_ELSEWHERE.contains(&endpoint.id),
                "{} is called by no story here",
                endpoint.id
            );
            continue;
        };
        let schema = &operation["responses"][endpoint.answer.0.as_str()]["content"]["application/json"]
            ["schema"];
        check(&served, schema, &answer, endpoint.id).unwrap();
    }
    let refused = hub
        .alice()
        .post(
            "/debug-sessions",
            json!({ "templateRef": "none", "cluster": "west" }),
        )
        .await;
    let problem: Value = serde_json::from_slice(&refused.bytes).unwrap();
    check(
        &served,
        &served["components"]["schemas"]["Problem"],
        &problem,
        "problem",
    )
    .unwrap();
    let asked = &served["components"]["schemas"]["CreateDebugSession"];
    check(&served, asked, &wish, "create").unwrap();
    assert!(
        check(
            &served,
            asked,
            &json!({ "templateRef": "x", "cluster": "y", "z": 1 }),
            "create"
        )
        .is_err()
    );
}

/// The bodies that an endpoint's examples show, by where they stand.
fn examples_of<'a>(document: &'a Value, media: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let named = media["examples"].as_object().into_iter().flatten();
    named
        .map(|(name, example)| {
            let target = resolve(document, example["$ref"].as_str().unwrap());
            (
                name.as_str(),
                &target.unwrap_or_else(|| panic!("there is no example {name}"))["value"],
            )
        })
        .collect()
}

#[test]
fn every_body_has_an_example_that_fits_its_schema() {
    let document = document();
    for endpoint in endpoints() {
        let path = format!("/api/v1{}", endpoint.path);
        let operation = operation(&document, &endpoint, &path);
        let mut media = Vec::new();
        let answers = &operation["responses"][endpoint.answer.0.as_str()]["content"];
        media.extend(answers.as_object().unwrap().values());
        if endpoint.body.is_some() {
            let taken = operation["requestBody"]["content"].as_object().unwrap();
            media.extend(taken.values());
        }
        for media in media {
            let examples = examples_of(&document, media);
            assert!(
                !examples.is_empty(),
                "{} has a body without an example; add one to hub/src/api/examples.json",
                endpoint.id
            );
            for (name, body) in examples {
                check(&document, &media["schema"], body, name).unwrap();
            }
        }
    }
    let problems = &document["components"]["responses"]["problem"]["content"]["application/json"];
    for (code, example) in problems["examples"].as_object().unwrap() {
        check(&document, &problems["schema"], &example["value"], code).unwrap();
    }
}

/// The same order whatever the build's `serde_json` does with it.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<&String, &Value> = fields.iter().collect();
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, field)| (key.clone(), sorted(field)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn the_golden_file_is_the_document() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let text = serde_json::to_string_pretty(&sorted(&document())).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let line = golden
        .lines()
        .zip(text.lines())
        .position(|(golden, now)| golden != now);
    assert!(
        golden == text,
        "docs/openapi.json is not what the routes say (first difference: line {}); run `make gen` and review it",
        line.map_or(0, |line| line + 1)
    );
}
