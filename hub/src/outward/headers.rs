//! Headers of a webhook, from a file: they hold secrets, so they stand neither in the configuration nor in a template.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers of one webhook; more is a mistake.
const MAX_HEADERS: usize = 32;
/// What the client itself says.
const OWN: [&str; 4] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
];

/// Lines `Name: value`; empty lines and lines that start with `#` are skipped.
pub(super) fn parse(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        // The value is never told: it is a secret.
        let wrong = |what: &str| format!("line {number} {what}");
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| wrong("is not `Name: value`"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| wrong("has no header's name before the colon"))?;
        if OWN.contains(&name.as_str()) {
            return Err(wrong(&format!("sets {name}, which the hub sets itself")));
        }
        let mut value: HeaderValue = value
            .trim()
            .parse()
            .map_err(|_| wrong("has a value that no header can hold"))?;
        value.set_sensitive(true);
        headers.append(name, value);
        if headers.len() > MAX_HEADERS {
            return Err(format!("has more than {MAX_HEADERS} headers"));
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_never_told() {
        let headers = parse("# siem\nAuthorization: Bearer s3cret\n\nX-Team: a:b\n").unwrap();
        assert_eq!(headers["x-team"], "a:b");
        assert!(!format!("{headers:?}").contains("s3cret"));
        for (text, wanted) in [
            ("Authorization", "line 1 is not"),
            ("\nHost: evil", "line 2 sets host"),
            ("a b: c", "line 1 has no header's name"),
            ("X: a\u{1}s3cret", "line 1 has a value"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                error.contains(wanted) && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
