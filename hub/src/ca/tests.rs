use std::os::unix::fs::PermissionsExt;

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn fresh_request() -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["evil.example.com".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let csr = params.serialize_request(&key).unwrap();
    (key, csr.der().to_vec())
}

#[test]
fn an_authority_is_made_once_and_keeps_its_pin() {
    let state = tempfile::tempdir().unwrap();
    let first = Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    let again = Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    assert_eq!(first.pin(), again.pin());
    assert_eq!(first.certificate_pem(), again.certificate_pem());
    let users = Authority::open(state.path(), Purpose::Users, now()).unwrap();
    assert_ne!(users.pin(), first.pin());
    let key = state.path().join("agents-ca.key");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    // A crash between key and certificate.
    std::fs::remove_file(state.path().join("agents-ca.crt")).unwrap();
    let mended = Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    assert_eq!(mended.pin(), first.pin());
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let state = tempfile::tempdir().unwrap();
    Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    let late = now() + Duration::from_secs(11 * 365 * 24 * 3600);
    assert!(matches!(
        Authority::open(state.path(), Purpose::Agents, late),
        Err(CaError::Ended { .. })
    ));
    let key = state.path().join("agents-ca.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        Authority::open(state.path(), Purpose::Agents, now()),
        Err(CaError::KeyOpenToOthers { mode: 0o644, .. })
    ));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(
        Authority::open(state.path(), Purpose::Agents, now()),
        Err(CaError::KeyMissing { .. })
    ));
    let other = KeyPair::generate().unwrap().serialize_pem();
    files::write(&key, other.as_bytes(), files::Readers::Owner).unwrap();
    assert!(matches!(
        Authority::open(state.path(), Purpose::Agents, now()),
        Err(CaError::Unreadable { .. })
    ));
}

#[test]
fn s18_only_the_public_key_of_a_request_is_used() {
    let state = tempfile::tempdir().unwrap();
    let authority = Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    let (key, csr) = fresh_request();
    let proven = ProvenKey::from_der(&csr).unwrap();
    let issued = authority
        .issue_agent(&proven, &ClusterName::new("west"), now())
        .unwrap();
    let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert_eq!(parsed.public_key().raw, key.subject_public_key_info());
    assert!(!parsed.is_ca());
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 1);
    assert!(
        format!("{:?}", names.value.general_names[0]).contains("spiffe://breakglass/cluster/west")
    );
    let usage = parsed.extended_key_usage().unwrap().unwrap();
    assert!(usage.value.client_auth && !usage.value.server_auth);
    assert_eq!(hex::encode(parsed.raw_serial()), issued.serial);
    assert_eq!(
        parsed.validity().not_after.timestamp(),
        issued.expires_at.as_second()
    );
    assert_eq!(issued.expires_at, now() + AGENT_CERTIFICATE_LIFETIME);
}

#[test]
fn bad_requests_are_refused() {
    let (_, mut csr) = fresh_request();
    let last = csr.len() - 1;
    csr[last] ^= 1;
    assert!(ProvenKey::from_der(&csr).is_err());
    assert!(ProvenKey::from_der(&vec![0; request::MAX_REQUEST_BYTES + 1]).is_err());
    assert!(ProvenKey::from_pem("hello").is_err());
}

#[test]
fn a_listener_answers_to_its_addresses_and_to_loopback() {
    let state = tempfile::tempdir().unwrap();
    let authority = Authority::open(state.path(), Purpose::Agents, now()).unwrap();
    let hosts = [
        "hub.example.com".to_owned(),
        "10.1.2.3".to_owned(),
        "localhost".to_owned(),
    ];
    let made = authority.issue_server(&hosts, now()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&made.chain[0]).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names.len(), 5);
    assert!(matches!(
        authority.issue_server(&["not a host".to_owned()], now()),
        Err(CaError::BadHost { .. })
    ));
}
