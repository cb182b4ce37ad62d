//! Enrolment over real TLS.

use std::sync::Arc;

use breakglass_agent::link::enrol::{EnrolError, accept_renewal, enrol, renewal_request, validity};
use breakglass_agent::link::proxy::Proxy;
use breakglass_agent::link::retry::Retry;
use breakglass_protocol::wire::to_agent::Certificate;
use http::StatusCode;
use rcgen::{CertificateSigningRequestParams, KeyPair, PublicKeyData};
use rustls::pki_types::CertificateSigningRequestDer;

use crate::fake_hub::{Authority, Chain, ClientCertificate, FakeHub, Script, problem};

#[tokio::test]
async fn a_token_becomes_an_identity() {
    let hub = FakeHub::start(vec![Script::Enrol]).await;
    let token = hub.authority.token(hub.address);
    let enrolled = enrol(&token, &Proxy::default()).await.ok().unwrap();
    assert_eq!(enrolled.cluster.as_str(), "west");
    assert_eq!(enrolled.hub_ca_pem, hub.authority.pem());
    assert_eq!(enrolled.hub_address, hub.address.to_string());
    let validity = validity(&enrolled.certificate_pem).unwrap();
    let life = validity.not_after.duration_since(validity.not_before);
    let until_renewal = validity.renew_at().duration_since(validity.not_before);
    assert_eq!(until_renewal, life / 2);
}

#[tokio::test]
async fn d8_only_the_pinned_ca_counts() {
    // A hub of the same name with another CA: the man in the middle.
    let hub = FakeHub::start(vec![Script::Enrol]).await;
    let mut token = hub.authority.token(hub.address);
    token.ca_pin = Authority::new().pin();
    let error = enrol(&token, &Proxy::default()).await.err().unwrap();
    assert!(error.to_string().contains("not from the CA"), "{error}");
    assert!(
        error.to_string().contains("bgctl cluster register"),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::AfterAPerson);

    token.ca_pin = "no pin".into();
    let error = enrol(&token, &Proxy::default()).await.err().unwrap();
    assert!(matches!(error, EnrolError::Pin { .. }), "{error}");
}

#[tokio::test]
async fn d8_the_pinned_ca_must_be_shown_and_must_have_signed_this_address() {
    let authority = Arc::new(Authority::new());
    for (host, chain, told) in [
        ("127.0.0.1", Chain::LeafOnly, "not from the CA"),
        ("10.9.9.9", Chain::WithCa, "does not name the address"),
    ] {
        let tls = authority.server_config(host, chain, ClientCertificate::JudgedInHttp);
        let hub = FakeHub::start_with(Arc::clone(&authority), tls, Vec::new()).await;
        let error = enrol(&authority.token(hub.address), &Proxy::default())
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
    // Somebody who has the CA's certificate, but not its key, shows both.
    let stranger = Authority::new();
    let mut tls = stranger.server_config(
        "127.0.0.1",
        Chain::LeafOnly,
        ClientCertificate::JudgedInHttp,
    );
    tls.cert_resolver = stranger.leaf_beside(&authority);
    let hub = FakeHub::start_with(Arc::clone(&authority), tls, Vec::new()).await;
    let error = enrol(&authority.token(hub.address), &Proxy::default())
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("not from the CA"), "{error}");
}

#[tokio::test]
async fn what_the_hub_says_is_told_with_what_to_run() {
    let used = Script::Answer(
        StatusCode::FORBIDDEN,
        Vec::new(),
        problem("the join token was used already"),
    );
    let busy = Script::Answer(StatusCode::SERVICE_UNAVAILABLE, Vec::new(), String::new());
    let hub = FakeHub::start(vec![used, busy, Script::EnrolAnotherKey]).await;
    let token = hub.authority.token(hub.address);
    for (told, retry) in [
        ("the join token was used already", Retry::AfterAPerson),
        ("503", Retry::Soon),
        ("another key", Retry::AfterAPerson),
    ] {
        let error = enrol(&token, &Proxy::default()).await.err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(error.retry(), retry, "{error}");
        if retry == Retry::AfterAPerson {
            assert!(
                error.to_string().contains("bgctl cluster register west"),
                "{error}"
            );
        }
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn renewal_asks_for_the_same_key_and_takes_nothing_else() {
    let hub = FakeHub::start(Vec::new()).await;
    let identity = hub.authority.identity(hub.address);
    let request = CertificateSigningRequestDer::from(renewal_request(&identity.key_pem).unwrap());
    let request = CertificateSigningRequestParams::from_der(&request).unwrap();
    let key = KeyPair::from_pem(&identity.key_pem).unwrap();
    assert_eq!(
        request.public_key.subject_public_key_info(),
        key.subject_public_key_info()
    );

    let bundle = hub.authority.pem() + &Authority::new().pem();
    let sent = Certificate {
        certificate_pem: hub.authority.sign(&request.public_key),
        ca_pem: bundle.clone(),
    };
    let renewed = accept_renewal(&identity, &sent).unwrap();
    assert_eq!(renewed.hub_ca_pem, bundle);
    assert_eq!(renewed.key_pem, identity.key_pem);

    let other = Certificate {
        certificate_pem: hub.authority.sign(&KeyPair::generate().unwrap()),
        ..sent.clone()
    };
    assert!(accept_renewal(&identity, &other).is_err());
    let no_roots = Certificate {
        ca_pem: String::new(),
        ..sent
    };
    assert!(accept_renewal(&identity, &no_roots).is_err());
}
