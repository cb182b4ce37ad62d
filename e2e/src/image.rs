//! Small images, made from one static program: what the samples' image names stand for on a testbed.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::command::succeed;
use crate::process::write_whole;
use crate::programs::BUSYBOX;

/// Process 1 that heeds SIGTERM, unlike a bare `sleep`: the kernel gives process 1 no default for that signal.
const WAITER: &str = "#!/bin/sh\ntrap 'exit 0' TERM INT\nsleep infinity &\nwait\n";
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\nnobody:x:65534:\n";

/// The one layer of all these images: every applet of busybox, a `waiter`, the users root, user (1000) and nobody.
pub(crate) struct Layer {
    tar: Vec<u8>,
    digest: String,
}

impl Layer {
    /// Writes the image of this name: the layer, and a configuration that no other name has, because containerd shows
    /// two names of one image as the first of them.
    ///
    /// The archive is the one that `docker save` writes: `manifest.json`, the configuration, the layer.
    pub(crate) fn write_image(&self, path: &Path, name: &str) -> Result<()> {
        let config = serde_json::to_vec(&json!({
            "architecture": architecture()?,
            "os": "linux",
            "config": {
                "Cmd": ["/bin/waiter"],
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Labels": {"org.opencontainers.image.ref.name": name},
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", self.digest)]},
        }))?;
        let config_name = format!("{}.json", digest(&config));
        let manifest = serde_json::to_vec(
            &json!([{"Config": config_name, "RepoTags": null, "Layers": ["layer.tar"]}]),
        )?;
        let mut image = Archive::new();
        image.file("manifest.json", 0o644, &manifest)?;
        image.file(&config_name, 0o644, &config)?;
        image.file("layer.tar", 0o644, &self.tar)?;
        write_whole(path, &image.finish()?)
    }
}

pub(crate) fn layer() -> Result<Layer> {
    let program =
        fs::read(BUSYBOX).with_context(|| format!("{BUSYBOX} (package busybox-static)"))?;
    if asks_for_an_interpreter(&program) {
        bail!(
            "{BUSYBOX} needs shared libraries; install the package busybox-static instead of busybox"
        );
    }
    let mut layer = Archive::new();
    for (folder, mode) in [
        ("bin", 0o755),
        ("etc", 0o755),
        ("home", 0o755),
        ("root", 0o700),
        ("tmp", 0o1777),
        ("var", 0o755),
    ] {
        layer.folder(folder, mode)?;
    }
    layer.folder("var/tmp", 0o1777)?;
    layer.folder_of("home/user", 0o755, 1000)?;
    for folder in ["usr", "usr/local"] {
        layer.folder(folder, 0o755)?;
    }
    // Commands are looked for under these names too (`/usr/bin/env`, `/sbin/ip`).
    for (link, to) in [
        ("sbin", "bin"),
        ("usr/bin", "/bin"),
        ("usr/sbin", "/bin"),
        ("usr/local/bin", "/bin"),
    ] {
        layer.link(link, to)?;
    }
    layer.file("bin/busybox", 0o755, &program)?;
    for applet in succeed(Command::new(BUSYBOX).arg("--list"), "")?
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    layer.file("bin/waiter", 0o755, WAITER.as_bytes())?;
    layer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
    layer.file("etc/group", 0o644, GROUP.as_bytes())?;
    let tar = layer.finish()?;
    Ok(Layer {
        digest: digest(&tar),
        tar,
    })
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Looks for the interpreter's usual name rather than through the headers: enough to tell the two Debian packages apart.
fn asks_for_an_interpreter(program: &[u8]) -> bool {
    let start = program.get(..4096).unwrap_or(program);
    start.windows(4).any(|window| window == b"/ld-")
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("no image can be made for processor {other}"),
    }
}

/// A tar archive in memory whose bytes depend on its content only.
struct Archive(Builder<Cursor<Vec<u8>>>);

impl Archive {
    fn new() -> Archive {
        Archive(Builder::new(Cursor::new(vec![])))
    }

    fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let mut header = header(EntryType::Regular, mode, 0);
        header.set_size(bytes.len().try_into()?);
        self.0
            .append_data(&mut header, path, bytes)
            .with_context(|| format!("{path} in an archive"))
    }

    fn folder(&mut self, path: &str, mode: u32) -> Result<()> {
        self.folder_of(path, mode, 0)
    }

    fn folder_of(&mut self, path: &str, mode: u32, owner: u64) -> Result<()> {
        let mut header = header(EntryType::Directory, mode, owner);
        self.0
            .append_data(&mut header, format!("{path}/"), &[][..])
            .with_context(|| format!("{path} in an archive"))
    }

    fn link(&mut self, path: &str, to: &str) -> Result<()> {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        self.0
            .append_link(&mut header, path, to)
            .with_context(|| format!("{path} in an archive"))
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(self
            .0
            .into_inner()
            .context("an archive's end")?
            .into_inner())
    }
}

fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(0);
    header
}
