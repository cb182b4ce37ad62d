//! Kubeconfigs that carry their certificates, so that they may be copied anywhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::pki::Pki;
use crate::process::write_whole;

/// Writes the kubeconfig of one certificate's holder (JSON, which is YAML).
pub(crate) fn write(
    path: &Path,
    pki: &Pki,
    cluster: &str,
    holder: &str,
    server: &str,
) -> Result<()> {
    let embedded = |path: PathBuf| -> Result<String> {
        Ok(STANDARD.encode(fs::read(&path).with_context(|| format!("{}", path.display()))?))
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {
            "server": server,
            "certificate-authority-data": embedded(pki.certificate("ca"))?,
        }}],
        "users": [{"name": holder, "user": {
            "client-certificate-data": embedded(pki.certificate(holder))?,
            "client-key-data": embedded(pki.key(holder))?,
        }}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": holder}}],
        "current-context": cluster,
    });
    write_whole(path, &serde_json::to_vec_pretty(&config)?)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .with_context(|| format!("{}", path.display()))
}
