//! The hub's own certificate authorities, made on first start and kept in its state folder. Two of them, which never
//! mix (spec 3 section 2): one for the agents' listener and the agents' certificates, and one for the users' listener
//! when its operator brings no certificate.
//!
//! Agents do not trust a name, they trust the [pin](Authority::pin): the SHA-256 of the authority's public key, which
//! the join token carries. An authority therefore keeps its key for its whole life.
//!
//! [`ServerIdentity`] is the part that listeners use: a server certificate that is issued anew at half of its life, so
//! that a hub which runs for a year never shows an expired one.

mod files;
mod request;
mod server_identity;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::limits::AGENT_CERTIFICATE_LIFETIME;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};

pub use request::{BadRequest, ProvenKey, request_der};
pub use server_identity::ServerIdentity;

/// What a cluster's certificate says: this and the cluster's name, as the one URI among its subject's names.
pub const CLUSTER_URI_PREFIX: &str = "spiffe://breakglass/cluster/";

/// An authority outlives every certificate by far; changing it means a new pin in every cluster.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Long enough to survive a hub that nobody restarts, short enough that a lost key ends within a season.
const SERVER_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// Certificates start a little in the past, for clusters whose clock runs behind.
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// What an authority is for; each has files of its own in the state folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The agents' listener and the agents themselves.
    Agents,
    /// The users' listener.
    Users,
}

impl Purpose {
    fn file_stem(self) -> &'static str {
        match self {
            Self::Agents => "agents-ca",
            Self::Users => "users-ca",
        }
    }

    /// The files of this authority in the state folder.
    #[must_use]
    pub fn files(self) -> [String; 2] {
        ["key", "crt"].map(|ending| format!("{}.{ending}", self.file_stem()))
    }

    fn common_name(self) -> &'static str {
        match self {
            Self::Agents => "breakglass hub: agents",
            Self::Users => "breakglass hub: users",
        }
    }
}

/// Why an authority cannot be opened, or a certificate cannot be issued.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("cannot {attempt} {path}: {source}")]
    File {
        attempt: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} can be read by others than its owner (mode {mode:o}); it is the key that vouches for every cluster: run `chmod 600 {path}`"
    )]
    KeyOpenToOthers { path: PathBuf, mode: u32 },
    #[error(
        "{certificate} is there but its key {key} is not; restore the key from a backup, or remove the certificate to start with a new authority (every cluster must then enrol again)"
    )]
    KeyMissing { certificate: PathBuf, key: PathBuf },
    #[error("{path} is not what this program wrote ({why}); restore it from a backup")]
    Unreadable { path: PathBuf, why: String },
    #[error(
        "the authority in {path} ended on {ended}; remove it to make a new one, then enrol every cluster again"
    )]
    Ended { path: PathBuf, ended: Timestamp },
    #[error("cannot issue a certificate: {0}")]
    Issue(String),
    #[error("\"{host}\" can be no name in a certificate; give a DNS name or an IP address")]
    BadHost { host: String },
}

/// A certificate authority with its key in memory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    pin: String,
}

/// Never shows the key.
impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("pin", &self.pin)
            .finish_non_exhaustive()
    }
}

/// An agent's certificate as issued; the store keeps all but the PEM.
#[derive(Clone, Debug)]
pub struct IssuedToAgent {
    pub certificate_pem: String,
    /// Lower-case hex, unique.
    pub serial: String,
    /// Of the public key: [`ProvenKey::fingerprint`].
    pub key_fingerprint: String,
    pub expires_at: Timestamp,
}

/// A listener's certificate with its key.
pub struct ServerCertificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Authority {
    /// Opens the authority in the state folder, or makes it there. Blocks on file IO: for the start of the program.
    ///
    /// # Errors
    /// If its files cannot be read or written, or are not what this program wrote.
    pub fn open(state: &Path, purpose: Purpose, now: Timestamp) -> Result<Self, CaError> {
        let key_path = state.join(format!("{}.key", purpose.file_stem()));
        let certificate_path = state.join(format!("{}.crt", purpose.file_stem()));
        let key_pem = match files::read_private(&key_path)? {
            Some(pem) => pem,
            None if certificate_path.exists() => {
                return Err(CaError::KeyMissing {
                    certificate: certificate_path,
                    key: key_path,
                });
            }
            None => {
                let pem = KeyPair::generate().map_err(issue)?.serialize_pem();
                files::write(&key_path, pem.as_bytes(), files::Readers::Owner)?;
                pem
            }
        };
        let key = KeyPair::from_pem(&key_pem).map_err(|e| CaError::Unreadable {
            path: key_path,
            why: e.to_string(),
        })?;
        // A crash between the two files leaves a key without a certificate; a new one for that key has the same pin.
        let certificate_pem = match files::read_public(&certificate_path)? {
            Some(pem) => pem,
            None => {
                let pem = self_signed(&key, purpose, now)?;
                files::write(&certificate_path, pem.as_bytes(), files::Readers::Everyone)?;
                pem
            }
        };
        Self::assemble(key, certificate_pem, &certificate_path, now)
    }

    fn assemble(
        key: KeyPair,
        certificate_pem: String,
        path: &Path,
        now: Timestamp,
    ) -> Result<Self, CaError> {
        let unreadable = |why: String| CaError::Unreadable {
            path: path.to_owned(),
            why,
        };
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|e| unreadable(e.to_string()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|e| unreadable(e.to_string()))?;
        let spki = key.subject_public_key_info();
        if parsed.public_key().raw != spki {
            return Err(unreadable(
                "it is for another key than the one beside it".into(),
            ));
        }
        let ended = Timestamp::from_second(parsed.validity().not_after.timestamp())
            .map_err(|e| unreadable(e.to_string()))?;
        if ended <= now {
            return Err(CaError::Ended {
                path: path.to_owned(),
                ended,
            });
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(issue)?;
        Ok(Self {
            issuer,
            certificate,
            certificate_pem,
            pin: hex::encode(Sha256::digest(&spki)),
        })
    }

    /// SHA-256 of the authority's SubjectPublicKeyInfo, lower-case hex.
    #[must_use]
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Issues a certificate with which an agent speaks for exactly one cluster.
    ///
    /// # Errors
    /// [`CaError::Issue`] if signing fails.
    pub fn issue_agent(
        &self,
        key: &ProvenKey,
        cluster: &ClusterName,
        now: Timestamp,
    ) -> Result<IssuedToAgent, CaError> {
        let expires_at = end_of(now, AGENT_CERTIFICATE_LIFETIME);
        let serial = random_serial();
        let mut params = leaf(cluster.as_str(), now, expires_at)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = format!("{CLUSTER_URI_PREFIX}{cluster}");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(issue)?)];
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = params
            .signed_by(key.public_key(), &self.issuer)
            .map_err(issue)?;
        Ok(IssuedToAgent {
            certificate_pem: certificate.pem(),
            serial: hex::encode(serial),
            key_fingerprint: key.fingerprint().to_owned(),
            expires_at,
        })
    }

    /// Makes a key and a certificate for a listener. `hosts` are DNS names and IP addresses without ports;
    /// `localhost` and the loopback addresses are always among the names.
    ///
    /// # Errors
    /// [`CaError::BadHost`], or [`CaError::Issue`] if signing fails.
    pub fn issue_server(
        &self,
        hosts: &[String],
        now: Timestamp,
    ) -> Result<ServerCertificate, CaError> {
        let expires_at = end_of(now, SERVER_LIFETIME);
        let key = KeyPair::generate().map_err(issue)?;
        let mut params = leaf("breakglass hub", now, expires_at)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = server_names(hosts)?;
        params.serial_number = Some(SerialNumber::from_slice(&random_serial()));
        let certificate = params.signed_by(&key, &self.issuer).map_err(issue)?;
        Ok(ServerCertificate {
            // With the authority itself: an agent that enrols knows only its pin.
            chain: vec![certificate.into(), self.certificate.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            issued_at: now,
            expires_at,
        })
    }
}

fn server_names(hosts: &[String]) -> Result<Vec<SanType>, CaError> {
    let mut names = Vec::with_capacity(hosts.len() + 3);
    for host in hosts
        .iter()
        .map(String::as_str)
        .chain(["localhost", "127.0.0.1", "::1"])
    {
        let bad = || CaError::BadHost {
            host: host.to_owned(),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = if let Ok(address) = bare.parse::<IpAddr>() {
            SanType::IpAddress(address)
        } else {
            // rustls's own notion of a DNS name: what it refuses, no client would accept either.
            rustls_pki_types::DnsName::try_from(host).map_err(|_| bad())?;
            SanType::DnsName(host.try_into().map_err(|_| bad())?)
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn self_signed(key: &KeyPair, purpose: Purpose, now: Timestamp) -> Result<String, CaError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named(purpose.common_name());
    set_validity(&mut params, now - BACKDATED, now + AUTHORITY_LIFETIME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()));
    Ok(params.self_signed(key).map_err(issue)?.pem())
}

fn leaf(name: &str, now: Timestamp, expires_at: Timestamp) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(issue)?;
    params.distinguished_name = named(name);
    set_validity(&mut params, now - BACKDATED, expires_at);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// X.509 counts whole seconds since 1970.
fn set_validity(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |at: Timestamp| Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    params.not_before = epoch + seconds(from);
    params.not_after = epoch + seconds(until);
}

/// `now` and a certificate's life later, in whole seconds, so that what the store says is what the certificate says.
fn end_of(now: Timestamp, life: Duration) -> Timestamp {
    let end = now + life;
    Timestamp::from_second(end.as_second()).unwrap_or(end)
}

/// 127 random bits, positive and without leading zeros, so that there is one way to write it.
fn random_serial() -> [u8; 16] {
    let mut serial: [u8; 16] = rand::random();
    serial[0] = (serial[0] & 0x7f) | 0x40;
    serial
}

fn issue(error: impl std::fmt::Display) -> CaError {
    CaError::Issue(error.to_string())
}

#[cfg(test)]
mod tests;
