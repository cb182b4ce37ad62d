//! Whether the hub is dialled directly or through an HTTP proxy, by the variables that programs in a cluster share:
//! `HTTPS_PROXY` and `NO_PROXY`, upper or lower case.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::connect::HostPort;

/// Entries of `NO_PROXY` that are read; real lists have a few dozen.
const MAX_EXEMPTIONS: usize = 1_000;

/// A variable that cannot be understood. Dialling directly instead would go round what the cluster's owner wanted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    #[error("HTTPS_PROXY {0:?} is not http://[USER:PASSWORD@]HOST[:PORT]")]
    Malformed(String),
    #[error(
        "HTTPS_PROXY {0:?}: only http:// proxies are supported; what passes through is encrypted to the hub all the same"
    )]
    Scheme(String),
    #[error("NO_PROXY has {0} entries, more than {MAX_EXEMPTIONS}")]
    TooMany(usize),
}

/// The proxy settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    server: Option<ProxyServer>,
    exempt: Vec<Exemption>,
}

/// A proxy to dial.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyServer {
    pub host: String,
    pub port: u16,
    /// Value of `Proxy-Authorization`.
    pub authorization: Option<String>,
}

/// Shows no password.
impl std::fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// One entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exemption {
    Everything,
    /// The host itself and everything below it.
    Domain(String),
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

impl Proxy {
    /// Reads the settings through `get`, which looks up a variable.
    ///
    /// # Errors
    /// If a variable is set and cannot be understood.
    pub fn from_environment(get: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let either = |upper: &str| {
            get(upper)
                .or_else(|| get(&upper.to_lowercase()))
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let server = either("HTTPS_PROXY")
            .map(|text| parse_server(&text))
            .transpose()?;
        let exempt: Vec<_> = either("NO_PROXY")
            .iter()
            .flat_map(|list| list.split(','))
            .filter_map(parse_exemption)
            .collect();
        if exempt.len() > MAX_EXEMPTIONS {
            return Err(ProxyError::TooMany(exempt.len()));
        }
        Ok(Self { server, exempt })
    }

    /// The proxy for this hub; `None` means directly.
    #[must_use]
    pub fn for_hub(&self, hub: &HostPort) -> Option<&ProxyServer> {
        self.server
            .as_ref()
            .filter(|_| !self.exempt.iter().any(|entry| entry.covers(&hub.host)))
    }
}

impl Exemption {
    fn covers(&self, host: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain(domain) => {
                let host = host.to_lowercase();
                host == *domain
                    || host
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.ends_with('.'))
            }
            Self::Network { address, prefix } => host
                .parse()
                .is_ok_and(|host| same_network(host, *address, *prefix)),
        }
    }
}

fn same_network(host: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    let ((host, width), (network, network_width)) = (bits(host), bits(network));
    let mask = u128::MAX
        .checked_shl(128 - u32::from(prefix))
        .unwrap_or_default();
    width == network_width && host & mask == network & mask
}

fn parse_server(text: &str) -> Result<ProxyServer, ProxyError> {
    let shown = || {
        text.rsplit_once('@')
            .map_or(text, |(_, host)| host)
            .to_owned()
    };
    let rest = match text.split_once("://") {
        None => text,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return Err(ProxyError::Scheme(shown())),
    };
    let rest = rest.trim_end_matches('/');
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, rest),
    };
    let address = HostPort::parse_or(host, Some(80)).map_err(|_| ProxyError::Malformed(shown()))?;
    let authorization = user
        .map(|user| percent_decode(user).ok_or_else(|| ProxyError::Malformed(shown())))
        .transpose()?
        .map(|user| format!("Basic {}", STANDARD.encode(user)));
    Ok(ProxyServer {
        host: address.host,
        port: address.port,
        authorization,
    })
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    Some(decoded)
}

fn parse_exemption(entry: &str) -> Option<Exemption> {
    let entry = entry.trim();
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Exemption::Everything);
    }
    let (address, prefix) = match entry.split_once('/') {
        Some((address, prefix)) => (address, prefix.parse::<u8>().ok()),
        None => (entry, None),
    };
    if let Ok(address) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width).min(width);
        return Some(Exemption::Network { address, prefix });
    }
    let host = entry.split_once(':').map_or(entry, |(host, _port)| host);
    let host = host.trim_start_matches("*.").trim_start_matches('.');
    Some(Exemption::Domain(host.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(https_proxy: &str, no_proxy: &str) -> Result<Proxy, ProxyError> {
        Proxy::from_environment(|name| match name {
            "HTTPS_PROXY" => Some(https_proxy.to_owned()),
            "no_proxy" => Some(no_proxy.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn no_proxy_knows_hosts_domains_and_networks() {
        let proxy = settings(
            "http://proxy.example.com:3128",
            "localhost, .svc, internal.example.com, 10.0.0.0/8, fd00::/8, 192.168.1.7",
        )
        .unwrap();
        for (hub, direct) in [
            ("hub.example.com:8444", false),
            ("internal.example.com:8444", true),
            ("hub.internal.example.com:8444", true),
            ("notinternal.example.com:8444", false),
            ("hub.ns.svc:8444", true),
            ("10.1.2.3:8444", true),
            ("11.1.2.3:8444", false),
            ("192.168.1.7:8444", true),
            ("192.168.1.8:8444", false),
            ("[fd00::1]:8444", true),
            ("[2001:db8::1]:8444", false),
        ] {
            let address = HostPort::parse(hub).unwrap();
            assert_eq!(proxy.for_hub(&address).is_none(), direct, "{hub}");
        }
        let none = Proxy::from_environment(|_| None).unwrap();
        let hub = HostPort::parse("hub:1").unwrap();
        assert_eq!(none.for_hub(&hub), None);
        assert_eq!(settings("http://p:1", "*").unwrap().for_hub(&hub), None);
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = settings("http://me:p%40ss@proxy:3128/", "").unwrap();
        let hub = HostPort::parse("hub:8444").unwrap();
        let server = proxy.for_hub(&hub).unwrap();
        assert_eq!((server.host.as_str(), server.port), ("proxy", 3128));
        let expected = format!("Basic {}", STANDARD.encode("me:p@ss"));
        assert_eq!(server.authorization, Some(expected));
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!(
            settings("socks5://u:secret@p:1", ""),
            Err(ProxyError::Scheme("p:1".into()))
        );
        assert!(settings("http://", "").is_err());
    }
}
