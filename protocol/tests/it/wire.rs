//! One recorded frame per message of protocol version 1, as hex. An agent or hub of two releases ago sends exactly these
//! bytes, so a recording is appended, never edited: a failure here means that the wire format has changed.
//!
//! `UPDATE_GOLDEN=1` records frames that have no recording yet; it never replaces one.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use breakglass_protocol::ids::{CallId, GrantUid, Revision};
use breakglass_protocol::wire::close::{Close, CloseCode};
use breakglass_protocol::wire::hello::{Hello, Welcome};
use breakglass_protocol::wire::{codec, to_agent, to_hub};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod bodies;

fn to_agent_frames() -> Vec<(&'static str, to_agent::ToAgent)> {
    use to_agent::{
        Ask, AuditAccepted, Call, Certificate, GrantFrame, PoliciesFrame, Settled,
        SignWebhookClient, SnapshotBegin, SnapshotEnd, ToAgent,
    };
    vec![
        (
            "welcome",
            ToAgent::Welcome(Welcome {
                program_version: "0.1.0".into(),
                version: 1,
                features: vec!["f".into()],
                now_ms: 1_767_225_600_000,
            }),
        ),
        (
            "snapshot-begin",
            ToAgent::SnapshotBegin(SnapshotBegin {
                revision: Revision(300),
                count: 2,
            }),
        ),
        (
            "grant",
            ToAgent::Grant(GrantFrame {
                revision: Revision(301),
                uid: GrantUid::new("8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11"),
                requires: vec!["workload.v1".into()],
                remaining_ms: 3_600_000,
                body: b"{}".to_vec(),
            }),
        ),
        (
            "snapshot-end",
            ToAgent::SnapshotEnd(SnapshotEnd {
                revision: Revision(300),
            }),
        ),
        (
            "settled",
            ToAgent::Settled(Settled {
                uid: GrantUid::new("8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11"),
            }),
        ),
        (
            "call-sign-webhook-client",
            ToAgent::Call(Call {
                id: CallId::new("c1"),
                ask: Ask::SignWebhookClient(SignWebhookClient {
                    csr_der: vec![0x30, 0x00],
                }),
            }),
        ),
        (
            "certificate",
            ToAgent::Certificate(Certificate {
                certificate_pem: "CERT".into(),
                ca_pem: "CA".into(),
            }),
        ),
        (
            "close",
            ToAgent::Close(Close {
                code: CloseCode::Superseded,
                message: "a newer connection took over".into(),
                retry_after_ms: Some(60_000),
            }),
        ),
        (
            "policies",
            ToAgent::Policies(PoliciesFrame {
                revision: Revision(302),
                requires: vec!["policies.v1".into()],
                body: br#"{"policies":[]}"#.to_vec(),
            }),
        ),
        (
            "audit-accepted",
            ToAgent::AuditAccepted(AuditAccepted {
                boot: "0f1e2d3c-0000-4000-8000-000000000001".into(),
                through: 300,
            }),
        ),
    ]
}

fn to_hub_frames() -> Vec<(&'static str, to_hub::ToHub)> {
    use to_hub::{
        Acknowledged, Answer, Answered, AuditFrame, Blame, Declined, RenewCertificate, ReportFrame,
        StatusFrame, ToHub, WebhookClient,
    };
    vec![
        (
            "hello",
            ToHub::Hello(Hello {
                program_version: "0.1.0".into(),
                version_min: 1,
                version_max: 1,
                features: vec!["workload.v1".into()],
                instance: "i1".into(),
                cluster: "west".into(),
            }),
        ),
        (
            "report",
            ToHub::Report(ReportFrame {
                uid: GrantUid::new("8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11"),
                body: b"{}".to_vec(),
            }),
        ),
        (
            "status",
            ToHub::Status(StatusFrame {
                body: b"{}".to_vec(),
            }),
        ),
        (
            "acknowledged",
            ToHub::Acknowledged(Acknowledged {
                revision: Revision(301),
            }),
        ),
        (
            "answer-webhook-client",
            ToHub::Answer(Answer {
                id: CallId::new("c1"),
                result: Ok(Answered::WebhookClient(WebhookClient {
                    certificate_pem: "CERT".into(),
                    ca_pem: "CA".into(),
                    url: "https://10.0.0.9:9443/authorize".into(),
                    expires_at: 1_798_761_600,
                })),
            }),
        ),
        (
            "answer-declined",
            ToHub::Answer(Answer {
                id: CallId::new("c2"),
                result: Err(Declined {
                    blame: Blame::Asker,
                    message: "not a request".into(),
                }),
            }),
        ),
        (
            "renew-certificate",
            ToHub::RenewCertificate(RenewCertificate {
                csr_der: vec![0x30, 0x00],
            }),
        ),
        (
            "close",
            ToHub::Close(Close {
                code: CloseCode::GoingAway,
                message: "going down".into(),
                retry_after_ms: None,
            }),
        ),
        (
            "audit",
            ToHub::Audit(AuditFrame {
                boot: "0f1e2d3c-0000-4000-8000-000000000001".into(),
                body: b"[]".to_vec(),
            }),
        ),
    ]
}

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    direction: &str,
    frames: Vec<(&str, T)>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/wire/v1")
        .join(direction);
    for (name, frame) in frames {
        let file = folder.join(format!("{name}.hex"));
        let now = hex::encode(codec::encode(&frame).unwrap());
        if !file.exists() && std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, format!("{now}\n")).unwrap();
        }
        let recorded = fs::read_to_string(&file)
            .unwrap_or_else(|e| panic!("{direction}/{name} is not recorded: {e}"));
        assert_eq!(
            now,
            recorded.trim(),
            "{direction}/{name} is encoded differently than it was recorded"
        );
        let read: T = codec::decode(&hex::decode(recorded.trim()).unwrap()).unwrap();
        assert_eq!(read, frame, "{direction}/{name}");
    }
}

#[test]
fn every_message_is_as_it_was_recorded() {
    check("to_agent", to_agent_frames());
    check("to_hub", to_hub_frames());
    check("to_agent", bodies::to_agent());
    check("to_hub", bodies::to_hub());
}

#[test]
fn s20_a_frame_that_lies_about_its_length_is_refused_without_harm() {
    // The grant's tag, then a length of 2^63.
    let hostile = [2, 1, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(codec::decode::<to_agent::ToAgent>(&hostile).is_err());
    let mut trailing = codec::encode(&to_hub_frames()[0].1).unwrap();
    trailing.push(0);
    assert!(
        codec::decode::<to_hub::ToHub>(&trailing).is_err(),
        "bytes after the end"
    );
    assert!(
        codec::decode::<to_hub::ToHub>(&[250]).is_err(),
        "an unknown message"
    );
}

/// What a hub of this version sends of texts, values and auxiliary resources; an agent two releases on must read it.
#[test]
fn a_grant_with_texts_keeps_its_words() {
    use breakglass_protocol::wire::grant::Grant;
    let sent = serde_json::json!({
        "uid": "8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11",
        "session": "debug-session-abc123",
        "namespace": "breakglass",
        "cluster": "west",
        "desired": {"running": {}},
        "startsAt": "2026-01-02T03:04:05Z",
        "expiresAt": "2026-01-02T04:04:05Z",
        "lastEnd": "2026-01-02T04:04:05Z",
        "renewal": 0,
        "digest": "d",
        "people": [],
        "operations": {"exec": true, "attach": true, "logs": false, "portForward": true},
        "context": {"requestedBy": "alice", "approvedBy": null, "reason": null, "template": "t", "binding": null},
        "targetNamespace": "breakglass-debug",
        "work": {"workload": {
            "kind": "Deployment",
            "replicas": 1,
            "pod": {"text": {"engine": "go", "text": "containers: []", "place": "DebugPodTemplate p spec.templateString"}},
            "overrides": {"hostNetwork": null, "hostPID": null, "hostIPC": null, "containers": []},
            "overridesTemplate": {"engine": "jinja", "text": "", "place": "here"},
            "affinity": null,
            "tolerations": [],
        }},
        "labels": {},
        "annotations": {},
        "values": {
            "a": {"text": "typed", "origin": "freeText"},
            "b": {"text": "true", "origin": "constrained"},
        },
        "auxiliary": [
            {"name": "one", "category": "rbac", "order": "beforeWorkload", "atEnd": "delete", "failurePolicy": "fail",
             "source": {"structured": {"engine": "go", "template": {"kind": "Role"}, "place": "here"}}},
            {"name": "two", "category": null, "order": "afterWorkload", "atEnd": "keep", "failurePolicy": "ignore",
             "source": {"text": {"engine": "go", "text": "x", "place": "there"}}},
        ],
    });
    let grant: Grant = serde_json::from_value(sent.clone()).unwrap();
    assert_eq!(serde_json::to_value(&grant).unwrap(), sent);
}

/// What a hub of this version sends of deny policies; an agent two releases on must read it.
#[test]
fn deny_policies_keep_their_words() {
    use breakglass_protocol::wire::policy::PolicySet;
    for sent in [
        serde_json::json!({"policies": [
            {"name": "no-secrets", "precedence": 100, "rules": [
                {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"],
                 "subresources": ["status"],
                 "namespaces": {"patterns": ["prod-*"], "selectorTerms": [
                    {"matchLabels": {"tier": "prod"},
                     "matchExpressions": [{"key": "team", "operator": "In", "values": ["a"]}]}]}},
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            ]},
        ]}),
        serde_json::json!({"withheld": "too large"}),
    ] {
        let set: PolicySet = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(serde_json::to_value(&set).unwrap(), sent);
    }
}

#[test]
fn s16_a_rule_with_a_term_that_this_build_does_not_know_is_refused_with_its_set() {
    use breakglass_protocol::wire::policy::PolicySet;
    let rule = serde_json::json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "users": ["mallory"]});
    let set = serde_json::json!({"policies": [{"name": "p", "precedence": 1, "rules": [rule]}]});
    let error = serde_json::from_value::<PolicySet>(set).unwrap_err();
    assert!(error.to_string().contains("users"), "{error}");
}

/// What an agent of this version tells of its webhook; a hub two releases on must read it.
#[test]
fn audit_records_keep_their_words() {
    use breakglass_protocol::wire::access::AccessRecord;
    let access = serde_json::json!({
        "session": {"uid": "8f14e45f-ceea-467f-a0e6-2b3c1d0f9a11", "name": "debug-session-abc123"},
        "user": "alice@example.com", "operation": "exec", "namespace": "breakglass-debug", "name": "p-1",
    });
    let other = serde_json::json!({
        "user": "mallory@example.com", "operation": "get secrets", "namespace": "prod", "name": "db",
    });
    for what in [
        serde_json::json!({"allowed": {"access": access, "count": 2}}),
        serde_json::json!({"denied": {"access": access, "why": "notInSession", "count": 1}}),
        serde_json::json!({"denied": {"access": access, "why": "notAllowed", "count": 1}}),
        serde_json::json!({"denied": {"access": access, "why": "ended", "count": 1}}),
        serde_json::json!({"denied": {"access": access, "why": "unseen", "count": 1}}),
        serde_json::json!({"denied": {"access": access, "why": "strict", "count": 1}}),
        serde_json::json!({"denied": {"access": other, "why": {"policy": {"name": "no-secrets"}}, "count": 9}}),
        serde_json::json!({"gap": {"allows": 0, "denials": 7}}),
        serde_json::json!("restart"),
    ] {
        let sent = serde_json::json!({
            "sequence": 300, "firstAt": "2026-01-02T03:04:05Z", "lastAt": "2026-01-02T03:05:00Z", "what": what,
        });
        let record: AccessRecord = serde_json::from_value(sent.clone()).unwrap();
        assert_eq!(serde_json::to_value(&record).unwrap(), sent);
    }
}
