//! `--destinations FILE`: YAML, read once at start, every field known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use breakglass_hub_core::notice::{AddressBook, Occasion};
use breakglass_hub_core::outward::{Known, KnownKind, Network};
use breakglass_protocol::kinds::check::check_dns_label;
use breakglass_protocol::person::is_mail_address;
use serde::Deserialize;

use super::mail::{Mail, Security, Server};
use super::resolve::Resolver;
use super::webhook::Webhook;
use super::{OutwardError, headers, read};
use crate::notify::{Text, Texts};

/// The file names a handful of places and the addresses of some hundred groups.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Certificates, headers, a password.
const MAX_SIDE_FILE_BYTES: u64 = 256 * 1024;
/// Destinations and channels together: each is a task with a connection of its own.
const MAX_ENTRIES: usize = 32;
/// Mail submission.
const SUBMISSION_PORT: u16 = 587;
/// Mail submission, secret from the first byte.
const SUBMISSIONS_PORT: u16 = 465;

/// Everything that the hub calls by itself.
#[derive(Clone, Debug)]
pub struct Outward {
    pub destinations: Vec<Destination>,
    pub channels: Vec<Channel>,
    pub addresses: AddressBook,
    pub texts: Texts,
}

/// One place where audit events go, beside the store.
#[derive(Clone, Debug)]
pub struct Destination {
    pub name: String,
    pub receives: Receives,
    pub place: Place,
}

/// Which events a destination is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Receives {
    #[default]
    Everything,
    /// Those of sessions whose template names it under `audit.destinations`.
    Named,
}

#[derive(Clone, Debug)]
pub enum Place {
    /// A file that lines are appended to.
    File(PathBuf),
    StandardOutput,
    Webhook(Box<Webhook>),
    /// Events in the hub's own namespace.
    Kubernetes,
}

/// One way to tell people.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: String,
    pub way: Way,
}

#[derive(Clone, Debug)]
pub enum Way {
    Mail(Box<Mail>),
    Webhook(Box<Webhook>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default)]
    audit: AuditSection,
    #[serde(default)]
    notifications: NotificationSection,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuditSection {
    #[serde(default)]
    destinations: Vec<DestinationEntry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NotificationSection {
    #[serde(default)]
    channels: Vec<ChannelEntry>,
    #[serde(default)]
    addresses: AddressEntries,
    #[serde(default)]
    texts: BTreeMap<Occasion, Text>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AddressEntries {
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    users: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DestinationEntry {
    name: String,
    #[serde(default)]
    receives: Receives,
    json_lines: Option<JsonLinesEntry>,
    webhook: Option<WebhookEntry>,
    kubernetes: Option<KubernetesEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JsonLinesEntry {
    /// `-`: standard output.
    path: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KubernetesEntry {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChannelEntry {
    name: String,
    smtp: Option<SmtpEntry>,
    webhook: Option<WebhookEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WebhookEntry {
    url: String,
    headers_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    allow_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SmtpEntry {
    host: String,
    port: Option<u16>,
    from: String,
    username: Option<String>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    implicit_tls: bool,
    #[serde(default)]
    allow_plaintext: bool,
    #[serde(default)]
    allow_addresses: Vec<String>,
}

impl Outward {
    /// Reads the file and everything that it names.
    ///
    /// # Errors
    /// Which field of which entry is wrong, or which file cannot be read.
    pub fn load(file: &Path) -> Result<Self, OutwardError> {
        let content = |message| OutwardError::Content {
            file: file.to_owned(),
            message,
        };
        let bytes = read("--destinations", file, MAX_FILE_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|_| content("is not UTF-8".to_owned()))?;
        let read: File =
            serde_saphyr::from_str(&text).map_err(|error| content(error.to_string()))?;
        Self::build(read).map_err(content)
    }

    /// The destinations as templates name them.
    #[must_use]
    pub fn known(&self) -> Vec<Known> {
        self.destinations.iter().map(Destination::known).collect()
    }

    fn build(file: File) -> Result<Self, String> {
        let entries = file.audit.destinations.len() + file.notifications.channels.len();
        if entries > MAX_ENTRIES {
            return Err(format!(
                "names {entries} destinations and channels; at most {MAX_ENTRIES}"
            ));
        }
        let mut names = BTreeSet::new();
        let mut destinations = Vec::new();
        for (index, entry) in file.audit.destinations.into_iter().enumerate() {
            let path = format!("audit.destinations[{index}]");
            check_name(&path, &entry.name, &mut names)?;
            destinations.push(destination(&path, entry)?);
        }
        let mut channels = Vec::new();
        for (index, entry) in file.notifications.channels.into_iter().enumerate() {
            let path = format!("notifications.channels[{index}]");
            check_name(&path, &entry.name, &mut names)?;
            channels.push(channel(&path, entry)?);
        }
        Ok(Self {
            destinations,
            channels,
            addresses: addresses(file.notifications.addresses)?,
            texts: Texts::with(file.notifications.texts)
                .map_err(|error| format!("notifications.texts.{error}"))?,
        })
    }
}

impl Destination {
    /// As templates name it.
    #[must_use]
    pub fn known(&self) -> Known {
        let kind = match &self.place {
            Place::Webhook(webhook) => KnownKind::Webhook(webhook.configured().to_owned()),
            Place::Kubernetes => KnownKind::Kubernetes,
            Place::File(_) | Place::StandardOutput => KnownKind::Lines,
        };
        Known {
            name: self.name.clone(),
            kind,
        }
    }
}

fn check_name(path: &str, name: &str, names: &mut BTreeSet<String>) -> Result<(), String> {
    check_dns_label(name).map_err(|error| format!("{path}.name {error}"))?;
    if names.insert(name.to_owned()) {
        Ok(())
    } else {
        Err(format!("{path}.name {name:?} is there twice"))
    }
}

fn destination(path: &str, entry: DestinationEntry) -> Result<Destination, String> {
    let place = match (entry.json_lines, entry.webhook, entry.kubernetes) {
        (Some(lines), None, None) if lines.path == Path::new("-") => Place::StandardOutput,
        (Some(lines), None, None) => Place::File(lines.path),
        (None, Some(hook), None) => Place::Webhook(Box::new(webhook(path, &hook)?)),
        (None, None, Some(KubernetesEntry {})) => Place::Kubernetes,
        _ => {
            return Err(format!(
                "{path} needs exactly one of jsonLines, webhook and kubernetes"
            ));
        }
    };
    Ok(Destination {
        name: entry.name,
        receives: entry.receives,
        place,
    })
}

fn channel(path: &str, entry: ChannelEntry) -> Result<Channel, String> {
    let way = match (entry.smtp, entry.webhook) {
        (Some(smtp), None) => Way::Mail(Box::new(mail(path, &smtp)?)),
        (None, Some(hook)) => Way::Webhook(Box::new(webhook(path, &hook)?)),
        (Some(_), Some(_)) | (None, None) => {
            return Err(format!("{path} needs exactly one of smtp and webhook"));
        }
    };
    Ok(Channel {
        name: entry.name,
        way,
    })
}

fn webhook(path: &str, entry: &WebhookEntry) -> Result<Webhook, String> {
    let path = format!("{path}.webhook");
    let headers = match &entry.headers_file {
        Some(file) => {
            let text = side_file(&path, "headersFile", file)?;
            let text =
                String::from_utf8(text).map_err(|_| format!("{path}.headersFile is not UTF-8"))?;
            headers::parse(&text).map_err(|error| format!("{path}.headersFile {error}"))?
        }
        None => http::HeaderMap::new(),
    };
    let roots = roots(&path, entry.ca_file.as_deref())?;
    let resolver = resolver(&path, &entry.allow_addresses)?;
    Webhook::new(&entry.url, headers, roots.as_deref(), resolver)
        .map_err(|error| format!("{path}.{error}"))
}

fn mail(path: &str, entry: &SmtpEntry) -> Result<Mail, String> {
    let path = format!("{path}.smtp");
    let (security, default_port) = match (entry.implicit_tls, entry.allow_plaintext) {
        (true, false) => (Security::Tls, SUBMISSIONS_PORT),
        (false, false) => (Security::StartTls, SUBMISSION_PORT),
        (false, true) => (Security::Opportunistic, SUBMISSION_PORT),
        (true, true) => {
            return Err(format!(
                "{path} has implicitTls and allowPlaintext; choose one"
            ));
        }
    };
    let credentials = match (&entry.username, &entry.password_file) {
        (None, None) => None,
        (Some(_), Some(_)) if entry.allow_plaintext => {
            return Err(format!(
                "{path}.username cannot stand beside allowPlaintext: the password could travel in the clear"
            ));
        }
        (Some(name), Some(file)) => {
            let text = side_file(&path, "passwordFile", file)?;
            let text =
                String::from_utf8(text).map_err(|_| format!("{path}.passwordFile is not UTF-8"))?;
            Some((name.clone(), text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(format!(
                "{path} needs both username and passwordFile, or neither"
            ));
        }
    };
    let roots = roots(&path, entry.ca_file.as_deref())?;
    let server = Server {
        host: &entry.host,
        port: entry.port.unwrap_or(default_port),
        from: &entry.from,
        security,
        roots: roots.as_deref(),
        credentials,
    };
    Mail::new(server, resolver(&path, &entry.allow_addresses)?)
        .map_err(|error| format!("{path}.{error}"))
}

fn roots(path: &str, file: Option<&Path>) -> Result<Option<Vec<u8>>, String> {
    file.map(|file| side_file(path, "caFile", file)).transpose()
}

fn side_file(path: &str, field: &'static str, file: &Path) -> Result<Vec<u8>, String> {
    read(field, file, MAX_SIDE_FILE_BYTES).map_err(|error| format!("{path}: {error}"))
}

fn resolver(path: &str, listed: &[String]) -> Result<Resolver, String> {
    let listed = listed
        .iter()
        .enumerate()
        .map(|(index, text)| {
            text.parse::<Network>()
                .map_err(|error| format!("{path}.allowAddresses[{index}] {error}"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Resolver::new(listed))
}

fn addresses(entries: AddressEntries) -> Result<AddressBook, String> {
    let check = |path: String, address: &str| {
        if is_mail_address(address) {
            Ok(())
        } else {
            Err(format!(
                "notifications.addresses.{path} {address:?} is not a mail address such as team@example.com"
            ))
        }
    };
    for (group, addresses) in &entries.groups {
        for (index, address) in addresses.iter().enumerate() {
            check(format!("groups.{group}[{index}]"), address)?;
        }
    }
    for (user, address) in &entries.users {
        check(format!("users.{user}"), address)?;
    }
    Ok(AddressBook {
        groups: entries.groups,
        users: entries.users,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Outward, String> {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        Outward::build(file)
    }

    const CERTIFICATE_FREE: &str = "
audit:
  destinations:
  - {name: file, jsonLines: {path: /var/log/breakglass/audit.jsonl}}
  - {name: out, receives: named, jsonLines: {path: '-'}}
  - {name: events, kubernetes: {}}
notifications:
  addresses:
    groups: {sre-leads: [oncall@example.com]}
    users: {carol: carol@example.com}
";

    #[test]
    fn every_kind_of_entry_is_read() {
        let outward = parse(CERTIFICATE_FREE).unwrap();
        let places: Vec<_> = outward.destinations.iter().map(|d| &d.place).collect();
        assert!(matches!(
            places[..],
            [Place::File(_), Place::StandardOutput, Place::Kubernetes]
        ));
        assert_eq!(outward.destinations[1].receives, Receives::Named);
        assert_eq!(outward.addresses.users["carol"], "carol@example.com");
        assert!(parse("{}").unwrap().destinations.is_empty());
    }

    #[test]
    fn s20_mistakes_name_the_field() {
        for (text, wanted) in [
            ("audits: {}", "audits"),
            (
                "audit: {destinations: [{name: A, kubernetes: {}}]}",
                "audit.destinations[0].name",
            ),
            (
                "audit: {destinations: [{name: a, kubernetes: {}}, {name: a, kubernetes: {}}]}",
                "audit.destinations[1].name \"a\" is there twice",
            ),
            ("audit: {destinations: [{name: a}]}", "exactly one of"),
            (
                "audit: {destinations: [{name: a, webhook: {url: 'http://siem.example.com'}}]}",
                "audit.destinations[0].webhook.url is not https",
            ),
            (
                "audit: {destinations: [{name: a, webhook: {url: 'https://10.0.0.1/'}}]}",
                "is a private address",
            ),
            (
                "audit: {destinations: [{name: a, webhook: {url: 'https://[::ffff:169.254.169.254]/'}}]}",
                "is a link-local address",
            ),
            (
                "audit: {destinations: [{name: a, webhook: {url: 'https://2130706433/'}}]}",
                "is a loopback address",
            ),
            (
                "audit: {destinations: [{name: a, webhook: {url: 'https://x/', allowAddresses: [lan]}}]}",
                "allowAddresses[0] \"lan\" is neither",
            ),
            (
                "notifications: {channels: [{name: m, smtp: {host: x, from: nobody}}]}",
                "smtp.from \"nobody\" is not a mail address",
            ),
            (
                "notifications: {channels: [{name: m, smtp: {host: x, from: a@b, username: u}}]}",
                "needs both username and passwordFile",
            ),
            (
                "notifications: {channels: [{name: m, smtp: {host: x, from: a@b, allowPlaintext: true, username: u, passwordFile: p}}]}",
                "in the clear",
            ),
            (
                "notifications: {addresses: {groups: {g: ['a@b, c@d']}}}",
                "addresses.groups.g[0]",
            ),
            (
                "notifications: {texts: {request: {subject: '{{ nothing }}'}}}",
                "notifications.texts.request.subject",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
