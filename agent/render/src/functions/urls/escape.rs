//! Percent signs in URLs, part by part as Go's `net/url` has them.

/// A part of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    User,
    Host,
    /// Behind the `%25` of an IPv6 address.
    HostZone,
    Fragment,
}

/// Whether a byte must be written as `%XX`.
fn must_escape(byte: u8, part: Part) -> bool {
    let host = matches!(part, Part::Host | Part::HostZone);
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'$' | b'&' | b'+' | b',' | b':' | b';' | b'=' if host => false,
        b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'<' | b'>' | b'"' if host => false,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
            Part::Path => byte == b'?',
            Part::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Part::Fragment => false,
            Part::Host | Part::HostZone => true,
        },
        b'!' | b'(' | b')' | b'*' => part != Part::Fragment,
        _ => true,
    }
}

pub(super) fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if must_escape(byte, part) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// The bytes that a part stands for; `None` if it cannot be such a part.
pub(super) fn unescape(text: &str, part: Part) -> Option<Vec<u8>> {
    let host = matches!(part, Part::Host | Part::HostZone);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        if *byte != b'%' {
            if host && byte.is_ascii() && must_escape(*byte, part) {
                return None;
            }
            out.push(*byte);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2)?;
        let mut value = 0;
        for digit in digits {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        let byte = u8::try_from(value).ok()?;
        let percent = digits == b"25";
        // A host has escapes for what is not ASCII only; a zone for a blank too.
        let allowed = match part {
            Part::Host => !byte.is_ascii() || percent,
            Part::HostZone => percent || byte == b' ' || !must_escape(byte, Part::Host),
            Part::Path | Part::User | Part::Fragment => true,
        };
        if !allowed {
            return None;
        }
        out.push(byte);
        rest = behind;
    }
    Some(out)
}
