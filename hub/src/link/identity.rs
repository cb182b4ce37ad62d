//! Who is at the other end of a connection. TLS proves that the peer holds the key of a certificate that this hub
//! issued; whether that certificate speaks for its cluster *now* is judged in HTTP, where the answer can say what to do
//! (D8). For that, TLS lets through peers without a certificate and with an expired one, and nothing else.

use std::sync::Arc;

use breakglass_hub_core::enrolment::{Enrolment, NotHeard, check_cluster_name};
use breakglass_protocol::ids::ClusterName;
use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

use crate::ca::{Authority, CLUSTER_URI_PREFIX};

/// What a certificate says. Only [`judge`] makes it count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The one cluster that it names.
    pub cluster: ClusterName,
    /// Lower-case hex.
    pub serial: String,
    /// SHA-256 of the public key, lower-case hex.
    pub key_fingerprint: String,
}

/// Why a peer is not heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    #[error(
        "a client certificate is needed; enrol with the join token of `bgctl cluster register NAME`"
    )]
    NoCertificate,
    #[error("the client certificate does not name exactly one cluster ({0})")]
    NamesNoCluster(&'static str),
    #[error(transparent)]
    NotHeard(#[from] NotHeard),
    #[error("cluster {cluster} is not registered here; run `bgctl cluster register {cluster}`")]
    NotRegistered { cluster: ClusterName },
    #[error(
        "cluster {cluster} waits for its acceptance; an administrator runs `bgctl cluster accept {cluster}`"
    )]
    NotAccepted { cluster: ClusterName },
}

impl PeerCertificate {
    /// Reads the peer's certificate. TLS has checked who signed it.
    ///
    /// # Errors
    /// If there is none, or it does not name exactly one cluster.
    pub fn read(chain: Option<&[CertificateDer<'_>]>) -> Result<Self, PeerRefusal> {
        let leaf = chain
            .and_then(<[_]>::first)
            .ok_or(PeerRefusal::NoCertificate)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(leaf)
            .map_err(|_| PeerRefusal::NamesNoCluster("it cannot be read"))?;
        let names = parsed
            .subject_alternative_name()
            .map_err(|_| PeerRefusal::NamesNoCluster("its names cannot be read"))?
            .map(|extension| extension.value.general_names.as_slice())
            .unwrap_or_default();
        let [GeneralName::URI(uri)] = names else {
            return Err(PeerRefusal::NamesNoCluster(
                "it must have one URI and no other name",
            ));
        };
        let cluster = uri
            .strip_prefix(CLUSTER_URI_PREFIX)
            .and_then(|name| check_cluster_name(name).ok())
            .ok_or(PeerRefusal::NamesNoCluster("its URI is not a cluster's"))?;
        Ok(Self {
            cluster,
            serial: hex::encode(parsed.raw_serial()),
            key_fingerprint: hex::encode(Sha256::digest(parsed.public_key().raw)),
        })
    }
}

/// Whether the certificate speaks for its cluster now, by what the store knows of that cluster; until when it may.
///
/// # Errors
/// Why it does not.
pub fn judge(
    peer: &PeerCertificate,
    enrolment: Option<&Enrolment>,
    now: Timestamp,
) -> Result<Timestamp, PeerRefusal> {
    let unknown = || NotHeard::Unknown {
        cluster: peer.cluster.clone(),
    };
    let certificate =
        enrolment
            .ok_or_else(unknown)?
            .judge(&peer.serial, &peer.key_fingerprint, now)?;
    Ok(certificate.expires_at)
}

/// The TLS side: certificates are optional, must be of the agents' authority if given, and may have expired.
#[derive(Debug)]
pub struct AgentVerifier {
    strict: Arc<dyn ClientCertVerifier>,
}

/// The verifier cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the check of agents' certificates from the hub's authority: {0}")]
pub struct VerifierError(String);

impl AgentVerifier {
    /// # Errors
    /// If the authority's certificate cannot be a trust anchor.
    pub fn new(
        authority: &Authority,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, VerifierError> {
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.certificate().clone())
            .map_err(|e| VerifierError(e.to_string()))?;
        let strict = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .map_err(|e| VerifierError(e.to_string()))?;
        Ok(Self { strict })
    }
}

/// The end of the certificate's own validity.
fn last_second(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
        seconds,
    )))
}

impl ClientCertVerifier for AgentVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.strict.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.strict.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verdict = self
            .strict
            .verify_client_cert(end_entity, intermediates, now);
        let expired = matches!(
            verdict,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. }
            ))
        );
        match last_second(end_entity).filter(|_| expired) {
            // Everything but the date must hold as it did on its last day; HTTP then says that it has expired.
            Some(then) => self
                .strict
                .verify_client_cert(end_entity, intermediates, then),
            None => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.strict.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}
