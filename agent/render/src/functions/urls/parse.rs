//! URLs read and written as Go's `net/url` does.

use std::net::Ipv6Addr;

use super::escape::{Part, escape, unescape};
use crate::functions::encoding::lossy;

/// The parts of a URL, unescaped.
#[derive(Debug, Default)]
pub(super) struct Url {
    pub(super) scheme: String,
    pub(super) opaque: String,
    /// Name and password, escaped; `None` if there is no `@`.
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) fragment: String,
}

fn text(part: &str, kind: Part) -> Option<String> {
    unescape(part, kind).map(|bytes| lossy(&bytes))
}

impl Url {
    /// Reads a URL; `None` if it is none.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        if rest.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return None;
        }
        let fragment = text(fragment, Part::Fragment)?;
        let (scheme, rest) = scheme(rest)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            query: query.to_owned(),
            fragment,
            ..Self::default()
        };
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                url.opaque = rest.to_owned();
                return Some(url);
            }
            // It would look like a scheme.
            if rest
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':'))
            {
                return None;
            }
        }
        let mut path = rest;
        if let Some(behind) = rest.strip_prefix("//")
            && (!scheme.is_empty() || !behind.starts_with('/'))
        {
            let end = behind.find('/').unwrap_or(behind.len());
            let (authority, after) = behind.split_at_checked(end)?;
            path = after;
            url.authority(authority)?;
        }
        url.path = text(path, Part::Path)?;
        Some(url)
    }

    fn authority(&mut self, authority: &str) -> Option<()> {
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        self.host = host_of(host)?;
        self.user = match user {
            Some(user) => Some(userinfo(user)?),
            None => None,
        };
        Some(())
    }

    pub(super) fn hostname(&self) -> &str {
        let host = match self.host.rfind(':') {
            Some(colon) if is_port(self.host.get(colon..).unwrap_or_default()) => {
                self.host.get(..colon).unwrap_or_default()
            }
            _ => self.host.as_str(),
        };
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// `URL.String()`.
    pub(super) fn write(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escape(&self.fragment, Part::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut String) {
        let anything = !self.host.is_empty() || !self.path.is_empty() || self.user.is_some();
        let located = !self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some();
        if located && anything {
            out.push_str("//");
        }
        if let Some(user) = &self.user {
            out.push_str(user);
            out.push('@');
        }
        out.push_str(&escape(&self.host, Part::Host));
        let path = match self.path.as_str() {
            "*" => "*".to_owned(),
            path => escape(path, Part::Path),
        };
        if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
            out.push('/');
        }
        if out.is_empty()
            && path
                .split('/')
                .next()
                .is_some_and(|first| first.contains(':'))
        {
            out.push_str("./");
        }
        out.push_str(&path);
    }
}

/// The scheme, and what follows; `None` if there is nothing before the colon.
fn scheme(url: &str) -> Option<(&str, &str)> {
    for (place, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if place > 0 => {}
            ':' if place == 0 => return None,
            ':' => return url.split_once(':'),
            _ => break,
        }
    }
    Some(("", url))
}

/// Name and password, escaped anew.
pub(super) fn userinfo(user: &str) -> Option<String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(valid) {
        return None;
    }
    let again = |part: &str| text(part, Part::User).map(|part| escape(&part, Part::User));
    Some(match user.split_once(':') {
        None => again(user)?,
        Some((name, password)) => format!("{}:{}", again(name)?, again(password)?),
    })
}

fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => text.is_empty(),
    }
}

fn host_of(host: &str) -> Option<String> {
    match host.rfind('[') {
        Some(0) => return bracketed(host),
        Some(_) => return None,
        None => {}
    }
    // More colons before it are taken: databases have lists of hosts with ports.
    if let Some(colon) = host.rfind(':')
        && !is_port(host.get(colon..)?)
    {
        return None;
    }
    text(host, Part::Host)
}

/// An IPv6 address in brackets, with its port.
fn bracketed(host: &str) -> Option<String> {
    let (address, port) = host.strip_prefix('[')?.rsplit_once(']')?;
    if !is_port(port) {
        return None;
    }
    let address = match address.find("%25") {
        Some(zone) => {
            let (address, zone) = address.split_at_checked(zone)?;
            text(address, Part::Host)? + &text(zone, Part::HostZone)?
        }
        None => text(address, Part::Host)?,
    };
    let (number, zone) = match address.split_once('%') {
        Some((number, zone)) => (number, Some(zone)),
        None => (address.as_str(), None),
    };
    let right = number.parse::<Ipv6Addr>().is_ok() && zone != Some("");
    right.then(|| format!("[{address}]{port}"))
}
