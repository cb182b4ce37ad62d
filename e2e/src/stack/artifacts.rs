//! What the project itself builds: hub, bgctl and agent as static programs, and the agent's image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::progress::Progress;

/// The checkout that this crate lies in.
pub const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// A glibc target with everything linked in: one program runs in an empty image and on any Linux (docs/decisions/0005).
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where they are.
#[derive(Clone, Debug)]
pub struct Artifacts {
    folder: PathBuf,
    image: PathBuf,
    /// By content, so that a cluster never runs another build under the same name.
    image_tag: String,
}

impl Artifacts {
    /// Builds what is not up to date. The first time takes minutes, with cargo's own progress on standard error. Where
    /// `BREAKGLASS_ARTIFACTS` names a folder with the three programs, those are taken as they are.
    pub fn build(progress: Progress) -> Result<Artifacts> {
        if let Some(folder) = std::env::var_os("BREAKGLASS_ARTIFACTS") {
            let folder = PathBuf::from(folder);
            progress.say(format!("taking the programs in {}", folder.display()));
            return Artifacts::of(folder.clone(), &folder);
        }
        progress.say("building hub, agent and bgctl (the first time takes some minutes)");
        let target_dir = Path::new(CHECKOUT).join("target/static");
        let status = Command::new("cargo")
            .args(["build", "--release", "--locked", "--target", TARGET])
            .args([
                "-p",
                "breakglass-hub",
                "-p",
                "breakglass-agent",
                "-p",
                "bgctl",
            ])
            .arg("--target-dir")
            .arg(&target_dir)
            .current_dir(CHECKOUT)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .context("could not run cargo")?;
        if !status.success() {
            bail!("the programs did not build ({status}); see above");
        }
        let folder = target_dir.join(TARGET).join("release");
        Artifacts::of(folder, &target_dir)
    }

    fn of(folder: PathBuf, images: &Path) -> Result<Artifacts> {
        let agent = folder.join("breakglass-agent");
        let bytes = fs::read(&agent).with_context(|| format!("{}", agent.display()))?;
        let tag = hex::encode(&Sha256::digest(&bytes)[..6]);
        let image = images.join(format!("breakglass-agent-{tag}.tar"));
        if !image.exists() {
            make_image(&agent, &image, &format!("breakglass-agent:{tag}"))?;
        }
        Ok(Artifacts {
            folder,
            image,
            image_tag: tag,
        })
    }

    pub fn hub(&self) -> PathBuf {
        self.folder.join("breakglass-hub")
    }

    pub fn agent(&self) -> PathBuf {
        self.folder.join("breakglass-agent")
    }

    pub fn bgctl(&self) -> PathBuf {
        self.folder.join("bgctl")
    }

    /// The agent's image, as `docker save` writes it.
    pub fn image(&self) -> &Path {
        &self.image
    }

    pub fn image_tag(&self) -> &str {
        &self.image_tag
    }
}

fn make_image(binary: &Path, image: &Path, name: &str) -> Result<()> {
    let part = image.with_added_extension("part");
    let script = Path::new(CHECKOUT).join("agent/image.sh");
    let mut command = Command::new(script);
    crate::command::succeed(command.arg(binary).arg(&part).arg(name), "")
        .context("the agent's image")?;
    fs::rename(&part, image).with_context(|| format!("{}", image.display()))
}
