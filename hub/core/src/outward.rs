//! Where the hub itself may call (S20): HTTPS only, and never an address inside the organisation's or the machine's own
//! networks unless the configuration lists it. Judged on the address that a name resolved to, not on the name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use breakglass_protocol::kinds::audit::{Audit, AuditDestination, AuditDestinationType};

/// Reason of `Ready=False` where a template names what is not configured. A request reads it from the condition.
pub const DESTINATIONS_NOT_CONFIGURED: &str = "DestinationsNotConfigured";

/// An audit destination of the hub's configuration, as far as templates name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    pub kind: KnownKind,
}

/// What kind of place a destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownKind {
    /// By its address, as configured.
    Webhook(String),
    Kubernetes,
    /// A file or standard output: no template names it.
    Lines,
}

impl Known {
    /// Whether a template's entry means this destination: a webhook by its name or its address.
    #[must_use]
    pub fn is_meant_by(&self, entry: &AuditDestination) -> bool {
        match (entry.type_, &self.kind) {
            (AuditDestinationType::Webhook, KnownKind::Webhook(address)) => entry
                .url
                .as_ref()
                .is_some_and(|url| *url == self.name || url == address),
            (AuditDestinationType::Kubernetes, KnownKind::Kubernetes) => true,
            (AuditDestinationType::Breakglass, _)
            | (AuditDestinationType::Webhook, KnownKind::Kubernetes | KnownKind::Lines)
            | (AuditDestinationType::Kubernetes, KnownKind::Webhook(_) | KnownKind::Lines) => false,
        }
    }
}

/// What is wrong with the destinations that a template names, by field (S20): it can name an entry of the hub's
/// configuration, never bring a destination or its headers.
#[must_use]
pub fn judge_destinations(audit: &Audit, known: &[Known]) -> Vec<String> {
    if audit.enabled == Some(false) {
        return Vec::new();
    }
    let entries = audit.destinations.iter().enumerate();
    entries
        .flat_map(|(index, entry)| {
            let path = format!("spec.audit.destinations[{index}]");
            let is_known = entry.type_ == AuditDestinationType::Breakglass
                || known.iter().any(|known| known.is_meant_by(entry));
            let unknown = (!is_known).then(|| {
                format!("{path} is no destination of this hub's configuration; an admin adds it to --destinations, or take it out")
            });
            let headers = (!entry.headers.is_empty()).then(|| {
                format!("{path}.headers cannot stand in a template; they belong into headersFile of the hub's configuration")
            });
            unknown.into_iter().chain(headers)
        })
        .collect()
}

/// A network such as `10.20.0.0/16`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network; write 10.20.30.40 or 10.20.0.0/16")]
pub struct NotANetwork(String);

/// An address that the hub does not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}; if the hub shall call it, list it under allowAddresses")]
pub struct Closed {
    pub address: IpAddr,
    pub what: &'static str,
}

/// An address of a webhook that cannot be used, worded to follow the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("is not https://; records and notices do not travel in the clear")]
    NotHttps,
    #[error("holds a user or password; put them into a header from headersFile")]
    Credentials,
    #[error("has no host")]
    NoHost,
    #[error("holds white space or a control character")]
    Unseen,
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let wrong = || NotANetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= widest),
            None => Some(widest),
        };
        Ok(Self {
            address,
            bits: bits.ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether the address lies in it.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.bits);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether the hub may call an address.
///
/// # Errors
/// What is wrong with it.
pub fn judge_address(address: IpAddr, listed: &[Network]) -> Result<(), Closed> {
    // What leads to an IPv4 address is that address.
    let meant = match address {
        IpAddr::V6(v6) => embedded(v6).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    if listed
        .iter()
        .any(|network| network.holds(address) || network.holds(meant))
    {
        return Ok(());
    }
    let what = match meant {
        IpAddr::V4(v4) => closed_v4(v4),
        IpAddr::V6(v6) => closed_v6(v6),
    };
    match what {
        None => Ok(()),
        Some(what) => Err(Closed { address, what }),
    }
}

/// The IPv4 address in a mapped, 6to4 or NAT64 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(join(g, h)),
        // The old form `::a.b.c.d`; `::` and `::1` are IPv6's own.
        [0, 0, 0, 0, 0, 0] if g != 0 => Some(join(g, h)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

fn closed_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    if address.is_loopback() {
        Some("a loopback address")
    } else if address.is_private() {
        Some("a private address")
    } else if address.is_link_local() {
        Some("a link-local address")
    } else if a == 100 && (64..128).contains(&b) {
        Some("a carrier's shared address")
    } else if a == 0 || a >= 224 || (a, b, c) == (192, 0, 0) || (a == 198 && (b == 18 || b == 19)) {
        Some("not a public address")
    } else {
        None
    }
}

fn closed_v6(address: Ipv6Addr) -> Option<&'static str> {
    let first = address.segments()[0];
    if address.is_loopback() {
        Some("a loopback address")
    } else if first & 0xfe00 == 0xfc00 {
        Some("a private address")
    } else if first & 0xffc0 == 0xfe80 {
        Some("a link-local address")
    } else if address.is_unspecified() || address.is_multicast() || first & 0xffc0 == 0xfec0 {
        Some("not a public address")
    } else {
        None
    }
}

/// Whether a webhook's address may be called at all, by its text.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), BadUrl> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(BadUrl::Unseen);
    }
    let scheme = url
        .get(..8)
        .filter(|scheme| scheme.eq_ignore_ascii_case("https://"));
    if scheme.is_none() {
        return Err(BadUrl::NotHttps);
    }
    let authority = url[8..]
        .split(['/', '?', '#', '\\'])
        .next()
        .unwrap_or_default();
    if authority.contains('@') {
        Err(BadUrl::Credentials)
    } else if authority.is_empty() || authority.starts_with(':') {
        Err(BadUrl::NoHost)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(address: &str, listed: &[&str]) -> Result<(), Closed> {
        let listed: Vec<Network> = listed.iter().map(|n| n.parse().unwrap()).collect();
        judge_address(address.parse().unwrap(), &listed)
    }

    #[test]
    fn s20_private_and_local_addresses_are_closed_in_every_spelling() {
        for closed in [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "fec0::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ] {
            assert!(judge(closed, &[]).is_err(), "{closed}");
        }
        for open in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert_eq!(judge(open, &[]), Ok(()), "{open}");
        }
    }

    #[test]
    fn s20_what_is_listed_is_open_and_nothing_beside_it() {
        assert_eq!(judge("10.20.0.7", &["10.20.0.0/24"]), Ok(()));
        assert!(judge("10.20.1.7", &["10.20.0.0/24"]).is_err());
        assert_eq!(judge("::ffff:10.20.0.7", &["10.20.0.7"]), Ok(()));
        assert_eq!(judge("127.0.0.1", &["127.0.0.1"]), Ok(()));
        assert_eq!(judge("fd00::5", &["fd00::/8"]), Ok(()));
        assert_eq!(judge("10.0.0.1", &["0.0.0.0/0"]), Ok(()));
        assert!(judge("::1", &["0.0.0.0/0"]).is_err());
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "host", "::/129", "1.2.3.4/x"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn s20_a_template_names_destinations_and_never_brings_one() {
        let known = [
            Known {
                name: "siem".into(),
                kind: KnownKind::Webhook("https://siem.example.com/in".into()),
            },
            Known {
                name: "file".into(),
                kind: KnownKind::Lines,
            },
        ];
        for (entry, wanted) in [
            (serde_json::json!({"type": "breakglass"}), ""),
            (serde_json::json!({"type": "webhook", "url": "siem"}), ""),
            (
                serde_json::json!({"type": "webhook", "url": "https://siem.example.com/in"}),
                "",
            ),
            (
                serde_json::json!({"type": "webhook", "url": "https://siem.example.com/in2"}),
                "is no destination",
            ),
            (
                serde_json::json!({"type": "webhook", "url": "file"}),
                "is no destination",
            ),
            (
                serde_json::json!({"type": "kubernetes"}),
                "is no destination",
            ),
            (
                serde_json::json!({"type": "webhook", "url": "siem", "headers": {"a": "b"}}),
                "headers cannot stand",
            ),
        ] {
            let audit: Audit =
                serde_json::from_value(serde_json::json!({"destinations": [entry]})).unwrap();
            let told = judge_destinations(&audit, &known).join("; ");
            assert_eq!(told.is_empty(), wanted.is_empty(), "{told}");
            assert!(told.contains(wanted), "{told}");
        }
    }

    #[test]
    fn s20_only_https_without_credentials() {
        for (url, wanted) in [
            ("https://siem.example.com/audit", Ok(())),
            ("HTTPS://siem.example.com", Ok(())),
            ("http://siem.example.com", Err(BadUrl::NotHttps)),
            ("file:///etc/passwd", Err(BadUrl::NotHttps)),
            ("", Err(BadUrl::NotHttps)),
            ("https://a:b@siem.example.com/", Err(BadUrl::Credentials)),
            ("https://good.example.com\\@evil.example.com", Ok(())),
            ("https:///x", Err(BadUrl::NoHost)),
            ("https://:443/", Err(BadUrl::NoHost)),
            ("https://a b/", Err(BadUrl::Unseen)),
            ("https://a\r\nHost: b/", Err(BadUrl::Unseen)),
        ] {
            assert_eq!(check_url(url), wanted, "{url}");
        }
    }
}
