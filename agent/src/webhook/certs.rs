//! The webhook's own trust root (D20), apart from hub and people. The agent makes it, keeps its key in the identity
//! Secret, signs its own server certificate with it in memory, and signs the API server's client certificate when an
//! administrator asks. Nothing else is ever signed with it, so a client certificate that chains to it is the API server's.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use breakglass_protocol::limits::WEBHOOK_CLIENT_LIFETIME;
use breakglass_protocol::wire::to_hub::WebhookClient;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;

use crate::identity::WebhookKeys;

/// The root lives ten years: replacing it means laying new files beside every API server.
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// The server certificate lives in memory only and is made anew at half of this, so it can be short.
const SERVER_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// API server and agent may disagree this much about the time; certificates begin that much earlier.
const SKEW: Duration = Duration::from_secs(300);
/// Largest signing request taken: an RSA-4096 request has 1.7 KB.
const MAX_CSR_BYTES: usize = 16 * 1024;
/// Names in one certificate: the ClusterIPs of a dual-stack Service, its DNS names and a few overrides.
const MAX_NAMES: usize = 16;
/// Whom the client certificate names, whatever the request says.
pub const CLIENT_COMMON_NAME: &str = "breakglass:kube-apiserver";
/// jiff and `time` both end with the year 9999; a clock past this is broken, and must not panic us.
const LATEST_SECOND: i64 = 221_845_392_000;

/// What went wrong with a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertError {
    #[error("making {what} failed: {source}")]
    Make {
        what: &'static str,
        source: rcgen::Error,
    },
    #[error(
        "the webhook's root in the identity Secret cannot be used ({0}); delete that Secret, enrol again and lay new webhook files beside the API server"
    )]
    Root(String),
    #[error("the signing request has {0} bytes, more than the {MAX_CSR_BYTES} that any key needs")]
    RequestTooLarge(usize),
    #[error("the signing request cannot be read or is not signed by its own key: {0}")]
    Request(rcgen::Error),
    #[error(
        "webhook name {0:?} is neither an IP address nor a DNS name; correct chart value webhook.address"
    )]
    Name(String),
    #[error("{0} addresses of the webhook, of which one certificate carries at most {MAX_NAMES}")]
    TooManyNames(usize),
    #[error(
        "the webhook's Service has no ClusterIP yet, so its address is not known; try again when `kubectl get service` shows one, or set chart value webhook.address"
    )]
    NoAddress,
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Hosts under which API servers reach the webhook, and its port; the first host is told to administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerNames {
    hosts: Vec<String>,
    port: u16,
}

impl ServerNames {
    /// Checks and keeps the names, the first of equal ones.
    ///
    /// # Errors
    /// If a name is neither an IP address nor a DNS name, or there are too many.
    pub fn new(hosts: impl IntoIterator<Item = String>, port: u16) -> Result<Self, CertError> {
        let mut kept: Vec<String> = Vec::new();
        for name in hosts {
            if ServerName::try_from(name.as_str()).is_err() {
                return Err(CertError::Name(name));
            }
            if !kept.contains(&name) {
                kept.push(name);
            }
        }
        if kept.len() > MAX_NAMES {
            return Err(CertError::TooManyNames(kept.len()));
        }
        Ok(Self { hosts: kept, port })
    }

    /// Where the webhook is reached before the Service's address is known: nowhere.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            hosts: Vec::new(),
            port: 0,
        }
    }

    /// `https://ADDRESS:PORT/authorize` of the first host.
    ///
    /// # Errors
    /// If no host is known yet.
    pub fn url(&self) -> Result<String, CertError> {
        let first = self.hosts.first().ok_or(CertError::NoAddress)?;
        let host = match first.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(IpAddr::V4(_)) | Err(_) => first.clone(),
        };
        Ok(format!("https://{host}:{}/authorize", self.port))
    }
}

/// Makes the root of a new agent.
///
/// # Errors
/// If the key or the certificate cannot be made.
pub fn make_root(now: Timestamp) -> Result<WebhookKeys, CertError> {
    let what = "the webhook's root";
    let key = KeyPair::generate().map_err(|source| CertError::Make { what, source })?;
    let mut params = params_for("breakglass-agent webhook root", now, ROOT_LIFETIME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params
        .self_signed(&key)
        .map_err(|source| CertError::Make { what, source })?;
    Ok(WebhookKeys {
        ca_key_pem: key.serialize_pem(),
        ca_certificate_pem: certificate.pem(),
    })
}

/// The root with its key, ready to sign.
pub struct WebhookRoot {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

impl WebhookRoot {
    /// Reads what the identity holds.
    ///
    /// # Errors
    /// If key or certificate cannot be read.
    pub fn load(keys: &WebhookKeys) -> Result<Self, CertError> {
        let key = KeyPair::from_pem(&keys.ca_key_pem).map_err(root_error)?;
        let certificate = CertificateDer::from_pem_slice(keys.ca_certificate_pem.as_bytes())
            .map_err(|e| CertError::Root(e.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(root_error)?;
        Ok(Self {
            issuer,
            certificate,
            certificate_pem: keys.ca_certificate_pem.clone(),
        })
    }

    /// Signs the API server's client certificate. Of the request only the public key is used: name, usage and life are
    /// fixed here.
    ///
    /// # Errors
    /// If the request is malformed, or the webhook's address is not known yet.
    pub fn sign_client(
        &self,
        csr_der: &[u8],
        url: String,
        now: Timestamp,
    ) -> Result<WebhookClient, CertError> {
        if csr_der.len() > MAX_CSR_BYTES {
            return Err(CertError::RequestTooLarge(csr_der.len()));
        }
        let request = CertificateSigningRequestDer::from(csr_der.to_vec());
        let request =
            CertificateSigningRequestParams::from_der(&request).map_err(CertError::Request)?;
        let mut params = params_for(CLIENT_COMMON_NAME, now, WEBHOOK_CLIENT_LIFETIME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate =
            self.sign(&params, &request.public_key, "the API server's certificate")?;
        Ok(WebhookClient {
            certificate_pem: certificate.pem(),
            ca_pem: self.certificate_pem.clone(),
            url,
            expires_at: params.not_after.unix_timestamp(),
        })
    }

    fn make_server(&self, names: &ServerNames, now: Timestamp) -> Result<CertifiedKey, CertError> {
        let what = "the webhook's server certificate";
        let key = KeyPair::generate().map_err(|source| CertError::Make { what, source })?;
        let mut params = params_for("breakglass-agent webhook", now, SERVER_LIFETIME);
        params.subject_alt_names = CertificateParams::new(names.hosts.clone())
            .map_err(|source| CertError::Make { what, source })?
            .subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = self.sign(&params, &key, what)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(tls_error)?;
        CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider).map_err(tls_error)
    }

    fn sign(
        &self,
        params: &CertificateParams,
        public_key: &impl PublicKeyData,
        what: &'static str,
    ) -> Result<rcgen::Certificate, CertError> {
        params
            .signed_by(public_key, &self.issuer)
            .map_err(|source| CertError::Make { what, source })
    }

    /// TLS for the webhook: TLS 1.3 or 1.2 (the API server's Go speaks both), a client certificate of this root always
    /// required, the server certificate taken from `current` at each handshake.
    ///
    /// # Errors
    /// If the root cannot be used.
    pub fn server_config(
        &self,
        current: Arc<CurrentCertificate>,
    ) -> Result<ServerConfig, CertError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(tls_error)?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(tls_error)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(tls_error)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(current);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The server certificate in use; swapped without a restart when the names change or half of its life is over.
#[derive(Debug)]
pub struct CurrentCertificate(RwLock<Issued>);

#[derive(Clone, Debug)]
struct Issued {
    names: ServerNames,
    renew_at: Timestamp,
    key: Arc<CertifiedKey>,
}

impl Issued {
    fn new(root: &WebhookRoot, names: ServerNames, now: Timestamp) -> Result<Self, CertError> {
        let key = Arc::new(root.make_server(&names, now)?);
        let half = SignedDuration::try_from(SERVER_LIFETIME / 2).unwrap_or(SignedDuration::ZERO);
        let renew_at = now.saturating_add(half).unwrap_or(Timestamp::MAX);
        Ok(Self {
            names,
            renew_at,
            key,
        })
    }
}

impl CurrentCertificate {
    /// Makes the first certificate.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(root: &WebhookRoot, names: ServerNames, now: Timestamp) -> Result<Self, CertError> {
        Ok(Self(RwLock::new(Issued::new(root, names, now)?)))
    }

    /// Makes a new certificate if these names are new or half of the present one's life is over.
    ///
    /// # Errors
    /// If it cannot be made; the present one stays.
    pub fn refresh(
        &self,
        root: &WebhookRoot,
        names: ServerNames,
        now: Timestamp,
    ) -> Result<Refreshed, CertError> {
        let present = self.issued();
        if present.names == names && now < present.renew_at {
            return Ok(Refreshed::Unchanged);
        }
        let issued = Issued::new(root, names, now)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = issued;
        Ok(Refreshed::Reissued)
    }

    /// Names in the present certificate.
    #[must_use]
    pub fn names(&self) -> ServerNames {
        self.issued().names
    }

    fn issued(&self) -> Issued {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What [`CurrentCertificate::refresh`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    Unchanged,
    Reissued,
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.issued().key)
    }
}

fn params_for(common_name: &str, now: Timestamp, life: Duration) -> CertificateParams {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = u64::try_from(now.as_second().clamp(0, LATEST_SECOND)).unwrap_or_default();
    let now = Duration::from_secs(seconds);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = epoch + now.saturating_sub(SKEW);
    params.not_after = epoch + now + life;
    params
}

fn root_error(error: rcgen::Error) -> CertError {
    CertError::Root(error.to_string())
}

fn tls_error(error: impl std::fmt::Display) -> CertError {
    CertError::Tls(error.to_string())
}
