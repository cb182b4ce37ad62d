//! Image references and the patterns that permit them (S14): both are normalised, then repository and tag or digest
//! are matched apart.

use breakglass_protocol::pattern::Pattern;

/// A reference or a pattern, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// Registry and path, such as `docker.io/library/busybox`.
    segments: Vec<String>,
    tag: Option<String>,
    digest: Option<String>,
}

/// Why a text cannot permit images. Worded to follow the field's name.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern == "*" {
        return Ok(());
    }
    let parts =
        parse(pattern).ok_or_else(|| format!("holds {pattern:?}, which names no repository"))?;
    for part in parts.segments.iter().chain(&parts.tag).chain(&parts.digest) {
        Pattern::new(part).map_err(|e| format!("holds {pattern:?}: {part:?} {e}"))?;
    }
    Ok(())
}

/// Whether an image may run under this pattern. A pattern without tag and digest permits all of them.
pub(super) fn permits(pattern: &str, image: &str) -> bool {
    let Some(image) = parse(image) else {
        return false;
    };
    if pattern == "*" {
        return true;
    }
    let Some(wanted) = parse(pattern) else {
        return false;
    };
    // An image without tag and digest is its `latest`.
    let tag = match (&image.tag, &image.digest) {
        (None, None) => Some("latest"),
        (tag, _) => tag.as_deref(),
    };
    let segments = wanted.segments.len() == image.segments.len()
        && wanted
            .segments
            .iter()
            .zip(&image.segments)
            .all(|(pattern, text)| matches(pattern, text));
    segments
        && part_permits(wanted.tag.as_deref(), tag)
        && part_permits(wanted.digest.as_deref(), image.digest.as_deref())
}

fn part_permits(pattern: Option<&str>, text: Option<&str>) -> bool {
    match (pattern, text) {
        (None, _) => true,
        (Some(pattern), Some(text)) => matches(pattern, text),
        (Some(_), None) => false,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text))
}

/// Takes a reference apart as container runtimes do: `busybox` is `docker.io/library/busybox:latest`.
fn parse(reference: &str) -> Option<Parts> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest.to_owned())),
        None => (reference, None),
    };
    let last_slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name.get(last_slash..)?.split_once(':') {
        Some((last, tag)) => (name.get(..last_slash + last.len())?, Some(tag.to_owned())),
        None => (name, None),
    };
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    if segments.iter().any(String::is_empty) || tag.as_deref() == Some("") {
        return None;
    }
    let first = segments.first()?;
    let is_registry =
        segments.len() > 1 && (first.contains(['.', ':', '*']) || first == "localhost");
    if !is_registry {
        segments.insert(0, "docker.io".to_owned());
    }
    if let Some(first) = segments
        .first_mut()
        .filter(|first| *first == "index.docker.io")
    {
        "docker.io".clone_into(first);
    }
    if segments.len() == 2 && segments.first().is_some_and(|first| first == "docker.io") {
        segments.insert(1, "library".to_owned());
    }
    Some(Parts {
        segments,
        tag,
        digest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s14_patterns_match_repository_and_tag_apart() {
        for (pattern, image, permitted) in [
            ("*", "anything/at:all", true),
            ("busybox", "busybox", true),
            ("busybox", "busybox:1.36", true),
            ("busybox", "docker.io/library/busybox:latest", true),
            ("busybox", "index.docker.io/library/busybox", true),
            ("busybox", "evil.example.com/library/busybox", false),
            ("busybox", "evil.example.com/busybox", false),
            ("busybox:1.*", "busybox:1.36", true),
            ("busybox:1.*", "busybox:2.0", false),
            ("busybox:latest", "busybox", true),
            ("busybox:1.*", "busybox", false),
            (
                "registry.example.com/debug/*",
                "registry.example.com/debug/tools:v1",
                true,
            ),
            (
                "registry.example.com/debug/*",
                "registry.example.com/debug/a/tools:v1",
                false,
            ),
            (
                "registry.example.com/*",
                "registry.example.com.evil.io/x",
                false,
            ),
            (
                "registry.example.com:5000/debug/*",
                "registry.example.com:5000/debug/x",
                true,
            ),
            (
                "registry.example.com:5000/debug/*",
                "registry.example.com/debug/x",
                false,
            ),
            ("*/debug/tools", "registry.example.com/debug/tools", true),
            ("busybox@sha256:*", "busybox@sha256:0123", true),
            ("busybox@sha256:*", "busybox:latest", false),
            ("alpine*", "alpine-evil/x", false),
            ("alpine*", "alpine3", true),
            ("busybox", "", false),
            ("busybox", "a//b", false),
        ] {
            assert_eq!(permits(pattern, image), permitted, "{pattern} {image}");
        }
    }

    #[test]
    fn s14_patterns_that_name_nothing_are_refused() {
        for pattern in ["", "a//b", "x:", "reg.io/["] {
            assert!(check_pattern(pattern).is_err(), "{pattern:?}");
        }
        assert!(check_pattern("registry.example.com/*").is_ok());
    }
}
