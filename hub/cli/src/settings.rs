//! Which hub, whose token, which output: flags before environment before config file.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::args::{Format, Global};

/// A config file is a few contexts; a larger file is not one.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

/// What a command needs to reach its hub.
pub struct Settings {
    pub server: String,
    pub token: String,
    pub ca_file: Option<PathBuf>,
    pub output: Format,
    pub verbosity: Verbosity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    Quiet,
    Verbose,
}

/// The config file. Fields of sign-in by OIDC are refused until they do something.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ConfigFile {
    #[serde(default, rename = "version")]
    _version: Option<String>,
    #[serde(default)]
    current_context: Option<String>,
    #[serde(default)]
    contexts: Vec<Context_>,
    #[serde(default)]
    settings: FileSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Context_ {
    name: String,
    server: String,
    #[serde(default)]
    ca_file: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct FileSettings {
    #[serde(default)]
    output_format: Option<String>,
}

impl Settings {
    /// Gathers the settings of one call.
    pub fn load(global: &Global) -> Result<Self> {
        let file = read_config(global.config.as_deref())?;
        let from_environment = std::env::var("BGCTL_CONTEXT")
            .ok()
            .filter(|name| !name.is_empty());
        let asked = global.context.as_deref().or(from_environment.as_deref());
        let context = pick_context(&file, asked)?;
        let server = global
            .server
            .clone()
            .or_else(|| context.map(|c| c.server.clone()))
            .ok_or_else(|| {
                anyhow!(
                    "no hub given: set --server or BGCTL_SERVER, or a context in the config file"
                )
            })?;
        if !server.starts_with("https://") {
            bail!(
                "--server {server:?} must start with https:// (the token would travel unprotected otherwise)"
            );
        }
        let token = global
            .token
            .clone()
            .ok_or_else(|| anyhow!("no token given: set BGCTL_TOKEN, or --token"))?
            .trim()
            .to_owned();
        Ok(Self {
            server: server.trim_end_matches('/').to_owned(),
            token,
            ca_file: global
                .ca_file
                .clone()
                .or_else(|| context.and_then(|c| c.ca_file.clone())),
            output: output_format(global, &file)?,
            verbosity: if global.verbose {
                Verbosity::Verbose
            } else {
                Verbosity::Quiet
            },
        })
    }
}

fn output_format(global: &Global, file: &ConfigFile) -> Result<Format> {
    match (global.output, file.settings.output_format.as_deref()) {
        (Some(format), _) => Ok(format),
        (None, None) => Ok(Format::default()),
        (None, Some(text)) => <Format as clap::ValueEnum>::from_str(text, true)
            .map_err(|_| anyhow!("settings.output-format of the config file: {text:?} is none of table, wide, json, yaml, name")),
    }
}

fn pick_context<'a>(file: &'a ConfigFile, asked: Option<&str>) -> Result<Option<&'a Context_>> {
    let Some(name) = asked.or(file.current_context.as_deref()) else {
        return Ok(None);
    };
    match file.contexts.iter().find(|c| c.name == name) {
        Some(context) => Ok(Some(context)),
        None => {
            let known: Vec<&str> = file.contexts.iter().map(|c| c.name.as_str()).collect();
            bail!(
                "there is no context {name:?} in the config file; there are: {}",
                known.join(", ")
            )
        }
    }
}

fn read_config(asked: Option<&Path>) -> Result<ConfigFile> {
    let Some(path) = asked.map(Path::to_path_buf).or_else(default_config) else {
        return Ok(ConfigFile::default());
    };
    let size = match std::fs::metadata(&path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {
            return Ok(ConfigFile::default());
        }
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the config file {}", path.display()));
        }
    };
    if size > MAX_CONFIG_BYTES {
        bail!(
            "the config file {} has {size} bytes, more than {MAX_CONFIG_BYTES}",
            path.display()
        );
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the config file {}", path.display()))?;
    serde_saphyr::from_str(&text)
        .map_err(|error| anyhow!("the config file {}: {error}", path.display()))
}

fn default_config() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("bgctl/config.yaml"))
}
