//! `bgctl apply -f` and `bgctl delete -f`: manifests are read and checked here first, so that mistakes are told with file
//! and line before anything is sent; then each goes to the hub on its own, what others refer to first.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use breakglass_protocol::api::manifest::Written;
use breakglass_protocol::kinds::Kind;
use breakglass_protocol::limits::MAX_MANIFEST_BYTES;
use breakglass_protocol::manifest::{self, Document, Manifest};
use serde::Serialize;
use serde_json::Value;

use crate::args::{Apply, Delete, Format, Manifests};
use crate::client::{Client, HubRefusal};
use crate::output;

/// Folders below a folder that are looked into: a link may lead in a circle.
const MAX_DEPTH: usize = 8;
/// Files of one call.
const MAX_FILES: usize = 2_000;

/// What referring objects come after; deleting goes the other way.
const ORDER: [Kind; 5] = [
    Kind::Cluster,
    Kind::DebugPodTemplate,
    Kind::DebugSessionTemplate,
    Kind::DebugSessionClusterBinding,
    Kind::DenyPolicy,
];

/// One object to send.
struct Item {
    kind: Kind,
    namespace: String,
    name: String,
    body: Value,
    /// File and line, for messages.
    place: String,
}

/// One line of the result.
#[derive(Serialize)]
struct Told {
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    result: String,
}

/// `bgctl apply`
pub async fn apply(client: &Client, format: Format, args: &Apply) -> Result<ExitCode> {
    let items = in_order(load(&args.manifests)?);
    let query = dry_run(&args.manifests);
    let mut told = Told::none();
    let mut failed = 0_usize;
    for item in items {
        let path = path(&item);
        let sent: Result<Written<Value>> = client.put(&path.each(), &query, &item.body).await;
        match sent {
            Ok(written) => {
                for warning in &written.warnings {
                    output::note(&format!("warning: {}: {warning}", item.place));
                }
                told.push(item.told(written.result.as_str()));
            }
            Err(error) => {
                failed += 1;
                output::note(&format!(
                    "{}: {} {}: {error:#}",
                    item.place, item.kind, item.name
                ));
            }
        }
    }
    finish(format, &args.manifests, &told, failed)
}

/// `bgctl delete`
pub async fn delete(client: &Client, format: Format, args: &Delete) -> Result<ExitCode> {
    let mut items = in_order(load(&args.manifests)?);
    items.reverse();
    let query = dry_run(&args.manifests);
    let mut told = Told::none();
    let mut failed = 0_usize;
    for item in items {
        let path = path(&item);
        let sent: Result<Written<Value>> = client.delete(&path.each(), &query).await;
        match sent {
            Ok(written) => told.push(item.told(written.result.as_str())),
            Err(error) if args.ignore_not_found && is_not_found(&error) => {}
            Err(error) => {
                failed += 1;
                output::note(&format!(
                    "{}: {} {}: {error:#}",
                    item.place, item.kind, item.name
                ));
            }
        }
    }
    finish(format, &args.manifests, &told, failed)
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<HubRefusal>()
        .is_some_and(|refusal| refusal.status == 404)
}

fn dry_run(manifests: &Manifests) -> Vec<(&'static str, String)> {
    let all = manifests.dry_run.then(|| ("dryRun", "All".to_owned()));
    all.into_iter().collect()
}

impl Told {
    const fn none() -> Vec<Self> {
        Vec::new()
    }
}

impl Item {
    fn told(&self, result: &str) -> Told {
        Told {
            kind: self.kind.as_str(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            result: result.to_owned(),
        }
    }
}

fn finish(format: Format, manifests: &Manifests, told: &[Told], failed: usize) -> Result<ExitCode> {
    let suffix = if manifests.dry_run { " (dry run)" } else { "" };
    let word =
        |told: &Told| output::printable(&format!("{}/{}", told.kind.to_lowercase(), told.name));
    let text = match format {
        Format::Json => serde_json::to_string_pretty(told)? + "\n",
        Format::Yaml => output::yaml(&told)?,
        Format::Name => told.iter().map(|told| word(told) + "\n").collect(),
        Format::Table | Format::Wide => told
            .iter()
            .map(|told| format!("{} {}{suffix}\n", word(told), told.result))
            .collect(),
    };
    output::write_out(&text)?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// The path of an object's route, part by part.
struct Route<'a> {
    plural: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Route<'a> {
    fn each(&self) -> Vec<&'a str> {
        let plural: &'static str = self.plural;
        std::iter::once(plural)
            .chain(self.namespace)
            .chain(std::iter::once(self.name))
            .collect()
    }
}

fn path(item: &Item) -> Route<'_> {
    let plural = match item.kind {
        Kind::DebugPodTemplate => "debug-pod-templates",
        Kind::DebugSessionTemplate => "debug-session-templates",
        Kind::DebugSessionClusterBinding => "cluster-bindings",
        Kind::DebugSession => "debug-sessions",
        Kind::DenyPolicy => "deny-policies",
        Kind::Cluster => "clusters",
    };
    Route {
        plural,
        namespace: item.kind.is_namespaced().then_some(item.namespace.as_str()),
        name: &item.name,
    }
}

fn in_order(items: Vec<Item>) -> Vec<Item> {
    let mut items = items;
    items.sort_by_key(|item| ORDER.iter().position(|kind| *kind == item.kind));
    items
}

/// Reads everything; any mistake in any file and nothing is sent.
fn load(manifests: &Manifests) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut mistakes = 0_usize;
    for (file, text) in texts(&manifests.filename)? {
        let outcome = manifest::decode(&file, &text);
        for error in &outcome.errors {
            output::note(&error.to_string());
        }
        mistakes += outcome.errors.len();
        for document in &outcome.documents {
            match item(&file, document, &manifests.namespace) {
                Ok(item) => items.push(item),
                Err(why) => {
                    output::note(&format!("{file}:{}: {why}", document.line));
                    mistakes += 1;
                }
            }
        }
    }
    if mistakes > 0 {
        bail!("{mistakes} mistakes in the manifests; nothing was sent");
    }
    if items.is_empty() {
        bail!("there are no manifests in what -f names");
    }
    Ok(items)
}

fn item(file: &str, document: &Document, namespace: &str) -> Result<Item> {
    let manifest = &document.manifest;
    let body = match manifest {
        Manifest::DebugPodTemplate(object) => serde_json::to_value(object),
        Manifest::DebugSessionTemplate(object) => serde_json::to_value(object),
        Manifest::DebugSessionClusterBinding(object) => serde_json::to_value(object),
        Manifest::DenyPolicy(object) => serde_json::to_value(object),
        Manifest::Cluster(object) => serde_json::to_value(object),
        Manifest::DebugSession(_) => {
            bail!(
                "a DebugSession is never written (S19): request one with `bgctl debug session create`, end it with `terminate`"
            )
        }
    }?;
    let kind = manifest.kind();
    Ok(Item {
        kind,
        namespace: if kind.is_namespaced() {
            manifest.namespace().unwrap_or(namespace).to_owned()
        } else {
            String::new()
        },
        name: manifest.name().to_owned(),
        body,
        place: format!("{file}:{}", document.line),
    })
}

/// Name and text of every file that is meant; `-` is standard input.
fn texts(named: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    let mut texts = Vec::new();
    for path in named {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .take(MAX_MANIFEST_BYTES as u64 + 1)
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
            texts.push(("standard input".to_owned(), text));
        } else if path.is_dir() {
            walk(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    for path in files {
        let text = super::check::read(&path).map_err(|why| anyhow!("{}: {why}", path.display()))?;
        texts.push((path.display().to_string(), text));
    }
    for (name, text) in &texts {
        if text.len() > MAX_MANIFEST_BYTES {
            bail!("{name} is longer than {MAX_MANIFEST_BYTES} bytes; split it");
        }
    }
    Ok(texts)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let read = || format!("cannot read {}", folder.display());
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(read)?;
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, depth + 1, files)?;
            }
        } else if [".yaml", ".yml", ".json"]
            .iter()
            .any(|ending| name.ends_with(ending))
        {
            if files.len() == MAX_FILES {
                bail!("{} holds more than {MAX_FILES} manifests", folder.display());
            }
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(text: &str) -> (tempfile::TempDir, Manifests) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), text).unwrap();
        let manifests = Manifests {
            filename: vec![folder.path().to_owned()],
            dry_run: false,
            namespace: "breakglass".to_owned(),
        };
        (folder, manifests)
    }

    const POD: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: p}
spec: {template: {spec: {containers: [{name: c, image: busybox}]}}}
";
    const TEMPLATE: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: t}
spec: {podTemplateRef: {name: p}}
";

    #[test]
    fn what_others_refer_to_comes_first() {
        let (_folder, manifests) = manifests(&format!("{TEMPLATE}---\n{POD}"));
        let items = in_order(load(&manifests).unwrap());
        let paths: Vec<Vec<&str>> = items.iter().map(|item| path(item).each()).collect();
        assert_eq!(
            paths,
            [
                ["debug-pod-templates", "p"],
                ["debug-session-templates", "t"]
            ]
        );
    }

    #[test]
    fn s19_sessions_and_mistakes_keep_everything_from_being_sent() {
        let session = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSession
metadata: {name: s}
spec: {cluster: west, templateRef: t, requestedBy: x@example.com}
";
        for wrong in [session, "kind: Nothing\n"] {
            let (_folder, manifests) = manifests(&format!("{POD}---\n{wrong}"));
            assert!(load(&manifests).is_err());
        }
    }
}
