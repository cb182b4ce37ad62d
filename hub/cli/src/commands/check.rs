//! `bgctl template check FILE…`: the very decoding and rules that the hub uses when it loads a folder.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use breakglass_hub_core::unbuilt::{self, Unbuilt};
use breakglass_protocol::limits::MAX_MANIFEST_BYTES;
use breakglass_protocol::manifest::{self, Document, Manifest};

use crate::output;

/// Checks every file; all errors are told, not only the first.
pub fn run(files: &[PathBuf]) -> Result<ExitCode> {
    let mut errors = 0_usize;
    let mut documents = Vec::new();
    for path in files {
        let name = path.display().to_string();
        match read(path) {
            Ok(text) => {
                let outcome = manifest::decode(&name, &text);
                for error in &outcome.errors {
                    output::note(&error.to_string());
                }
                errors += outcome.errors.len();
                documents.extend(
                    outcome
                        .documents
                        .into_iter()
                        .map(|document| (name.clone(), document)),
                );
            }
            Err(why) => {
                output::note(&format!("{name}: {why}"));
                errors += 1;
            }
        }
    }
    let warnings = warn(&documents);
    output::write_out(&format!(
        "{} documents in {} files, {errors} errors, {warnings} warnings\n",
        documents.len(),
        files.len()
    ))?;
    Ok(if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn read(path: &PathBuf) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_MANIFEST_BYTES as u64 {
        return Err(format!(
            "has {size} bytes, more than {MAX_MANIFEST_BYTES}; split it"
        ));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// Fields whose behaviour is not built yet: the hub refuses them when it loads the file, here they are warnings (D10).
fn warn(documents: &[(String, Document)]) -> usize {
    let mut warnings = 0;
    for (file, document) in documents {
        for unbuilt in unbuilt_of(&document.manifest) {
            let name = document.manifest.name();
            output::note(&format!(
                "{file}:{}: warning: {name}: {}: {}",
                document.line, unbuilt.field, unbuilt.message
            ));
            warnings += 1;
        }
    }
    warnings
}

fn unbuilt_of(manifest: &Manifest) -> Vec<Unbuilt> {
    match manifest {
        Manifest::DebugPodTemplate(template) => {
            unbuilt::of(unbuilt::Document::PodTemplate(&template.spec))
        }
        Manifest::DebugSessionTemplate(template) => {
            unbuilt::of(unbuilt::Document::Template(&template.spec))
        }
        Manifest::DebugSessionClusterBinding(binding) => {
            unbuilt::of(unbuilt::Document::Binding(&binding.spec))
        }
        Manifest::DenyPolicy(policy) => unbuilt::of(unbuilt::Document::DenyPolicy(&policy.spec)),
        Manifest::Cluster(cluster) => unbuilt::of(unbuilt::Document::Cluster(&cluster.spec)),
        // A session is never loaded from a file.
        Manifest::DebugSession(_) => Vec::new(),
    }
}
