//! Reads `tests/corpus`: cases in YAML files by family, contexts by name, and what Go makes of each (`expected/`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value as Json;

pub(crate) struct Case {
    /// `FAMILY/GROUP/NUMBER`
    pub(crate) name: String,
    pub(crate) template: String,
    pub(crate) context: Json,
    /// Why the engine refuses what Go renders; such a case must be an error.
    pub(crate) refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    context: String,
    cases: BTreeMap<String, Vec<Written>>,
}

/// A template alone, or with a context of its own: a name of `contexts.json`, or JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Object {
        template: String,
        context: Option<String>,
        refused: Option<String>,
    },
}

pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// Every case, by family, group and number.
pub(crate) fn cases() -> anyhow::Result<Vec<Case>> {
    let contexts = contexts()?;
    let mut all = Vec::new();
    for path in family_files()? {
        let text = fs::read_to_string(&path)?;
        let family: Family =
            serde_saphyr::from_str(&text).with_context(|| path.display().to_string())?;
        for (group, cases) in family.cases {
            for (number, written) in (1..).zip(cases) {
                let name = format!("{}/{group}/{number}", stem(&path));
                let (template, context, refused) = match written {
                    Written::Text(template) => (template, None, None),
                    Written::Object {
                        template,
                        context,
                        refused,
                    } => (template, context, refused),
                };
                let context = context.as_deref().unwrap_or(&family.context);
                let context = if context.starts_with('{') {
                    serde_json::from_str(context).with_context(|| name.clone())?
                } else {
                    let found = contexts.get(context);
                    found
                        .with_context(|| format!("{name}: contexts.json has no {context:?}"))?
                        .clone()
                };
                all.push(Case {
                    name,
                    template,
                    context,
                    refused,
                });
            }
        }
    }
    Ok(all)
}

pub(crate) fn contexts() -> anyhow::Result<BTreeMap<String, Json>> {
    let text = fs::read_to_string(dir().join("contexts.json"))?;
    Ok(serde_json::from_str(&text)?)
}

pub(crate) fn family_files() -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

pub(crate) fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
