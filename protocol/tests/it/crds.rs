//! `charts/crds` holds what the types say. `UPDATE_GOLDEN=1 cargo test -p breakglass-protocol crds` writes it anew.

use std::path::PathBuf;

use serde_json::Value;

use breakglass_protocol::kinds::{Kind, crd, crd_document, crds, crds_yaml};

fn golden(kind: Kind) -> PathBuf {
    let name = crd(kind).unwrap().spec.names.plural;
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../charts/crds/{name}.yaml"))
}

#[test]
fn charts_hold_the_crds() {
    for kind in Kind::ALL {
        let path = golden(kind);
        let made = crd_document(kind).unwrap();
        assert!(made.len() < 200 * 1024, "{kind}: {} bytes", made.len());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is not what the types say; UPDATE_GOLDEN=1 writes it anew",
            path.display()
        );
    }
    let files = std::fs::read_dir(golden(Kind::Cluster).parent().unwrap())
        .unwrap()
        .count();
    assert_eq!(
        files,
        Kind::ALL.len(),
        "charts/crds holds a file that nobody makes"
    );
}

/// What spec 4 says of names, scope and columns.
#[test]
fn crds_have_names_columns_and_status() {
    let expected = [
        (
            "debugpodtemplates",
            "Cluster",
            vec!["dpt"],
            "Display Name, Description, Ready, Age",
        ),
        (
            "debugsessiontemplates",
            "Cluster",
            vec!["dst"],
            "Display Name, Mode, Workload Type, Active Sessions, Ready, Age",
        ),
        (
            "debugsessionclusterbindings",
            "Namespaced",
            vec!["dscb", "debugbinding"],
            "Template, Clusters, Active, Ready, Age",
        ),
        (
            "debugsessions",
            "Namespaced",
            vec!["ds"],
            "State, Cluster, Template, Target NS, Requested By, Expires At, Age",
        ),
        (
            "denypolicies",
            "Cluster",
            vec!["dpolicy"],
            "Precedence, Ready",
        ),
        (
            "clusters",
            "Cluster",
            vec!["dcl"],
            "Display Name, Environment, Connected, Agent, Kubernetes, Last Seen, Age",
        ),
    ];
    for (crd, (plural, scope, short, columns)) in crds().unwrap().into_iter().zip(expected) {
        assert_eq!(
            crd.metadata.name,
            Some(format!("{plural}.breakglass.t-caas.telekom.com"))
        );
        assert_eq!(crd.spec.scope, scope);
        assert_eq!(crd.spec.names.short_names.unwrap(), short);
        let version = &crd.spec.versions[0];
        assert_eq!(
            (version.name.as_str(), version.served, version.storage),
            ("v1alpha1", true, true)
        );
        assert!(version.subresources.as_ref().unwrap().status.is_some());
        let names: Vec<_> = version
            .additional_printer_columns
            .as_ref()
            .unwrap()
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(names.join(", "), columns);
    }
}

/// The traps of D13 and D14: defaults, and words that structural schemas do not know.
#[test]
fn schemas_are_structural() {
    for crd in crds().unwrap() {
        let schema = crd.spec.versions[0]
            .schema
            .as_ref()
            .unwrap()
            .open_api_v3_schema
            .as_ref()
            .unwrap();
        walk(
            &serde_json::to_value(schema).unwrap(),
            &crd.spec.names.plural,
        );
    }
    assert_eq!(
        crds_yaml()
            .unwrap()
            .matches("\nkind: CustomResourceDefinition\n")
            .count(),
        Kind::ALL.len()
    );
}

fn walk(schema: &Value, path: &str) {
    let Some(fields) = schema.as_object() else {
        panic!("{path}: not a schema: {schema}");
    };
    for word in [
        "default", "$ref", "anyOf", "oneOf", "allOf", "nullable", "const",
    ] {
        assert!(!fields.contains_key(word), "{path}: {word}");
    }
    let preserves = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    assert!(fields.contains_key("type") || preserves, "{path}: no type");
    for (name, field) in fields
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        walk(field, &format!("{path}.{name}"));
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get(word) {
            walk(inner, &format!("{path}.{word}"));
        }
    }
}
