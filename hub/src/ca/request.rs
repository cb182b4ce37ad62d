//! Certificate requests: all that counts of one is the key that it proves (S18).

use rcgen::{CertificateSigningRequestParams, PublicKey, PublicKeyData};
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

/// A request with a P-256 key is about 400 bytes; even with RSA 4096 it is under 2 KiB.
pub(super) const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// What is wrong with a request, worded to follow its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(String);

/// A key that somebody proved to hold, by signing a request with it. Nothing else of a request is ever used (S18).
pub struct ProvenKey {
    key: PublicKey,
    fingerprint: String,
}

impl ProvenKey {
    /// Reads a PKCS#10 request and checks its signature.
    ///
    /// # Errors
    /// [`BadRequest`] with what is wrong.
    pub fn from_der(der: &[u8]) -> Result<Self, BadRequest> {
        let bad = BadRequest;
        if der.len() > MAX_REQUEST_BYTES {
            return Err(bad(format!("is longer than {MAX_REQUEST_BYTES} bytes")));
        }
        let request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der))
                .map_err(|e| bad(format!("cannot be read: {e}")))?;
        let algorithm = request.public_key.algorithm();
        if ![
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ED25519,
        ]
        .contains(&algorithm)
        {
            return Err(bad(
                "holds a key of another algorithm than ECDSA P-256, ECDSA P-384 or Ed25519".into(),
            ));
        }
        let fingerprint = hex::encode(Sha256::digest(request.public_key.subject_public_key_info()));
        Ok(Self {
            key: request.public_key,
            fingerprint,
        })
    }

    /// The same from PEM.
    ///
    /// # Errors
    /// [`BadRequest`] with what is wrong.
    pub fn from_pem(pem: &str) -> Result<Self, BadRequest> {
        Self::from_der(&request_der(pem)?)
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// SHA-256 of the SubjectPublicKeyInfo, lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Takes the DER out of a PEM request.
///
/// # Errors
/// [`BadRequest`] if there is no such block.
pub fn request_der(pem: &str) -> Result<Vec<u8>, BadRequest> {
    if pem.len() > 2 * MAX_REQUEST_BYTES {
        return Err(BadRequest(format!(
            "is longer than {MAX_REQUEST_BYTES} bytes"
        )));
    }
    CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map(|der| der.to_vec())
        .map_err(|e| BadRequest(format!("is not a PEM block \"CERTIFICATE REQUEST\" ({e})")))
}
