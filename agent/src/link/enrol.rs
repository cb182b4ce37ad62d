//! Becoming a cluster's agent, and staying it. Enrolment: a join token, a key made here, a signing request over TLS that
//! is checked against the token's pin. Renewal: a signing request for the same key over the link, at half of the
//! certificate's life; with the same key a request that is sent twice asks twice for the same thing.

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::join_token::JoinToken;
use breakglass_protocol::wire::ENROL_PATH;
use breakglass_protocol::wire::enrol::{EnrolRequest, EnrolResponse};
use breakglass_protocol::wire::to_agent::Certificate;
use jiff::Timestamp;
use rcgen::{
    CertificateParams, CertificateSigningRequest, DistinguishedName, KeyPair, PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::connect::{ConnectError, Dialler, HostPort};
use super::proxy::Proxy;
use super::retry::Retry;
use super::tls::{TlsSetupError, bundle_has_pin, enrol_config, read_bundle};
use crate::identity::Identity;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(
        "the hub did not take the join token of cluster {cluster}: {source}; a token works once and for an hour, a new one comes from `bgctl cluster register {cluster}`"
    )]
    Token {
        cluster: String,
        source: ConnectError,
    },
    #[error("enrolling cluster {cluster} with the hub failed: {source}")]
    Connect {
        cluster: String,
        source: ConnectError,
    },
    #[error(
        "the join token of cluster {cluster} cannot be used: {source}; get a new one with `bgctl cluster register {cluster}`"
    )]
    Pin {
        cluster: String,
        source: TlsSetupError,
    },
    #[error("making a key and its signing request failed: {0}")]
    Key(#[from] rcgen::Error),
    #[error(
        "the hub's answer is not acceptable: {0}; get a new token with `bgctl cluster register {1}`, and if that fails too, look at the hub's log"
    )]
    Answer(String, String),
}

impl EnrolError {
    /// When to try again. A refused token never gets better; neither does a hub that answers nonsense.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Connect { source, .. } => source.retry(),
            Self::Token { .. } | Self::Pin { .. } | Self::Answer(..) => Retry::AfterAPerson,
            Self::Key(_) => Retry::Soon,
        }
    }
}

/// What enrolment gives; the rest of the identity is made by the agent itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolled {
    pub key_pem: String,
    pub certificate_pem: String,
    pub hub_ca_pem: String,
    pub hub_address: String,
    pub cluster: ClusterName,
    pub token_id: String,
}

/// Redeems a join token. The key is made here and never leaves the cluster.
///
/// # Errors
/// See [`EnrolError`]. A token that was redeemed while its answer got lost is used up.
pub async fn enrol(token: &JoinToken, proxy: &Proxy) -> Result<Enrolled, EnrolError> {
    let cluster = || token.cluster.clone();
    let connect = |source| EnrolError::Connect {
        cluster: cluster(),
        source,
    };
    let tls = enrol_config(&token.ca_pin).map_err(|source| EnrolError::Pin {
        cluster: cluster(),
        source,
    })?;
    let key = KeyPair::generate()?;
    let request = EnrolRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.clone(),
        csr_pem: signing_request(&key)?.pem()?,
    };
    let body =
        serde_json::to_vec(&request).map_err(|e| EnrolError::Answer(e.to_string(), cluster()))?;
    let dialler = Dialler {
        hub: HostPort::parse(&token.hub).map_err(connect)?,
        proxy,
        tls,
        cluster: &token.cluster,
    };
    let answer = dialler
        .post_json(ENROL_PATH, body)
        .await
        .map_err(|source| {
            if matches!(&source, ConnectError::Refused { status, .. } if status.is_client_error()) {
                EnrolError::Token {
                    cluster: cluster(),
                    source,
                }
            } else {
                connect(source)
            }
        })?;
    let answer: EnrolResponse = serde_json::from_slice(&answer)
        .map_err(|e| EnrolError::Answer(format!("it cannot be read: {e}"), cluster()))?;
    check_answer(token, &key, &answer).map_err(|why| EnrolError::Answer(why, cluster()))?;
    Ok(Enrolled {
        key_pem: key.serialize_pem(),
        certificate_pem: answer.certificate_pem,
        hub_ca_pem: answer.ca_pem,
        hub_address: token.hub.clone(),
        cluster: ClusterName::new(cluster()),
        token_id: token.id.clone(),
    })
}

fn check_answer(token: &JoinToken, key: &KeyPair, answer: &EnrolResponse) -> Result<(), String> {
    if answer.cluster != token.cluster {
        return Err(format!(
            "it names cluster {:?}, the token {:?}",
            answer.cluster, token.cluster
        ));
    }
    if !bundle_has_pin(&answer.ca_pem, &token.ca_pin) {
        return Err("its CA bundle lacks the CA that the token pins".into());
    }
    check_pair(&answer.certificate_pem, &answer.ca_pem, key).map(|_| ())
}

/// When a certificate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    /// Half of the life is over: time to renew, with the other half left to succeed in.
    #[must_use]
    pub fn renew_at(self) -> Timestamp {
        let middle = i64::midpoint(self.not_before.as_second(), self.not_after.as_second());
        Timestamp::from_second(middle).unwrap_or(self.not_before)
    }
}

/// A certificate or key that cannot be used; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadCertificate(String);

/// When the agent's certificate counts.
///
/// # Errors
/// If it cannot be read.
pub fn validity(certificate_pem: &str) -> Result<Validity, BadCertificate> {
    let der = read_certificate(certificate_pem)?;
    let parsed = parse_certificate(&der)?;
    let read = |second| {
        Timestamp::from_second(second)
            .map_err(|e| BadCertificate(format!("its dates are not dates: {e}")))
    };
    Ok(Validity {
        not_before: read(parsed.validity().not_before.timestamp())?,
        not_after: read(parsed.validity().not_after.timestamp())?,
    })
}

/// The signing request for a renewal, DER.
///
/// # Errors
/// If the key cannot be read.
pub fn renewal_request(key_pem: &str) -> Result<Vec<u8>, BadCertificate> {
    let key = read_key(key_pem)?;
    let request = signing_request(&key)
        .map_err(|e| BadCertificate(format!("signing the request failed: {e}")))?;
    Ok(request.der().to_vec())
}

/// The identity with the certificate that the hub sent. Store it before using it.
///
/// # Errors
/// If the certificate is not for this key, or the bundle cannot be read; the identity stays as it is.
pub fn accept_renewal(identity: &Identity, sent: &Certificate) -> Result<Identity, BadCertificate> {
    let key = read_key(&identity.key_pem)?;
    check_pair(&sent.certificate_pem, &sent.ca_pem, &key).map_err(BadCertificate)?;
    let (present, renewed) = (
        validity(&identity.certificate_pem)?,
        validity(&sent.certificate_pem)?,
    );
    if renewed.not_after < present.not_after {
        return Err(BadCertificate(format!(
            "the new certificate ends {}, before the present one ({})",
            renewed.not_after, present.not_after
        )));
    }
    Ok(Identity {
        certificate_pem: sent.certificate_pem.clone(),
        hub_ca_pem: sent.ca_pem.clone(),
        ..identity.clone()
    })
}

/// The request says nothing but the key: names are the hub's to give (S18).
fn signing_request(key: &KeyPair) -> Result<CertificateSigningRequest, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key)
}

fn read_key(pem: &str) -> Result<KeyPair, BadCertificate> {
    KeyPair::from_pem(pem)
        .map_err(|e| BadCertificate(format!("the agent's key cannot be read: {e}")))
}

fn check_pair(certificate_pem: &str, ca_pem: &str, key: &KeyPair) -> Result<(), String> {
    read_bundle(ca_pem).map_err(|why| format!("its CA bundle cannot be used: {why}"))?;
    let der = read_certificate(certificate_pem).map_err(|e| e.to_string())?;
    let parsed = parse_certificate(&der).map_err(|e| e.to_string())?;
    if parsed.public_key().raw == key.subject_public_key_info() {
        Ok(())
    } else {
        Err("its certificate is for another key".into())
    }
}

fn read_certificate(pem: &str) -> Result<CertificateDer<'static>, BadCertificate> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| BadCertificate(format!("the certificate is not PEM: {e}")))
}

fn parse_certificate<'a>(
    der: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, BadCertificate> {
    X509Certificate::from_der(der)
        .map(|(_, parsed)| parsed)
        .map_err(|e| BadCertificate(format!("the certificate cannot be read: {e}")))
}
