//! Who is told of what, by mail and webhook; what becomes of a notice that nobody takes.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_hub::jobs;
use breakglass_hub_core::audit::Action;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::TestHub;
use crate::harness::outside::{HookServer, Mail, Offers, Secret, SmtpServer};

const MINUTE: Duration = Duration::from_secs(60);

/// A hub that sends mail through a server of the test's own.
async fn hub_with_mail(offers: Offers, more: &str) -> (TestHub, SmtpServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path(), offers).await;
    let text = format!(
        "notifications:
  channels:
  - name: mail
    smtp: {{host: localhost, port: {}, from: breakglass@example.com, caFile: {}, allowAddresses: [127.0.0.1]{more}}}
  addresses:
    groups: {{sre-leads: [oncall@example.com, alice@example.com]}}
",
        server.port,
        folder.path().join("outside.pem").display()
    );
    (TestHub::start_calling(folder, &text).await, server)
}

async fn until_mails(hub: &TestHub, server: &SmtpServer, count: usize) {
    let what = format!("{count} mails");
    hub.until(&what, || async { server.mails().len() >= count })
        .await;
}

async fn times(hub: &TestHub, action: Action) -> usize {
    let events = hub.recorded().await;
    events.iter().filter(|event| event.action == action).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_approvers_are_asked_and_the_requester_is_told_the_answer() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    let session = hub.alice().asks_for("approved-debug").await;
    until_mails(&hub, &server, 1).await;
    hub.carol().verb("approve", &session).await.ok();
    until_mails(&hub, &server, 2).await;
    hub.alice().verb("terminate", &session).await.ok();
    until_mails(&hub, &server, 3).await;
    let mails = server.mails();
    let told: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    // Of the group's addresses alice's own is not asked: it is her request.
    assert_eq!(
        told,
        [
            "oncall@example.com",
            "alice@example.com",
            "alice@example.com"
        ]
    );
    assert_eq!(
        mails[0].header("Subject"),
        "alice@example.com asks for a debug session on west"
    );
    assert_eq!(mails[0].header("Auto-Submitted"), "auto-generated");
    assert!(mails[1].text.contains("carol@example.com approved"));
    assert!(mails.iter().all(|mail| mail.secret == Secret::Tls));
}

/// Nobody must agree to the session; an approver must to more time.
const RENEWED: &str = "
apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugSessionTemplate
metadata: {name: renewed-debug}
spec:
  podTemplateRef: {name: toolbox}
  allowed: {groups: [sre-team], clusters: [west]}
  approvers: {groups: [sre-leads], autoApproveFor: {groups: [sre-team]}}
  constraints: {requireApprovalForRenewal: true}
";

async fn asks_for_more(hub: &TestHub, session: &str) {
    let path = format!("/debug-sessions/{session}/renew");
    let asked = hub.alice().post(&path, json!({"extendBy": "30m"})).await;
    assert_eq!(
        asked.ok()["status"]["pendingRenewal"]["waitsFor"],
        "approval"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_a_late_invitation_is_told_to_the_approvers_and_its_answer_to_the_requester() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    let session = hub.alice().asks_for("approved-debug").await;
    until_mails(&hub, &server, 1).await;
    hub.carol().verb("approve", &session).await.ok();
    until_mails(&hub, &server, 2).await;
    let path = format!("/debug-sessions/{session}/invite");
    let body = json!({"users": ["bob@example.com"], "role": "participant"});
    hub.alice().post(&path, body).await.ok();
    until_mails(&hub, &server, 3).await;
    hub.carol().verb("reject", &session).await.ok();
    until_mails(&hub, &server, 4).await;
    let mails = server.mails();
    let told: Vec<_> = mails[2..]
        .iter()
        .map(|mail| (mail.to.as_str(), mail.header("Subject").to_owned()))
        .collect();
    let asked = "alice@example.com invites people to a debug session on west";
    let answered = format!("Invitations to {session} on west are refused");
    assert_eq!(
        told,
        [
            ("oncall@example.com", asked.to_owned()),
            ("alice@example.com", answered)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_waits_is_told_to_the_approvers_and_its_answer_to_the_requester() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    hub.add_templates("renewed.yaml", RENEWED).await;
    let session = hub.alice().asks_for("renewed-debug").await;
    asks_for_more(&hub, &session).await;
    until_mails(&hub, &server, 1).await;
    hub.carol().verb("reject", &session).await.ok();
    until_mails(&hub, &server, 2).await;
    asks_for_more(&hub, &session).await;
    until_mails(&hub, &server, 3).await;
    hub.carol().verb("approve", &session).await.ok();
    until_mails(&hub, &server, 4).await;
    let told: Vec<_> = server
        .mails()
        .iter()
        .map(|mail| (mail.to.clone(), mail.header("Subject").to_owned()))
        .collect();
    let asked = (
        "oncall@example.com".to_owned(),
        "alice@example.com asks for 30m more on west".to_owned(),
    );
    let answered = |word| {
        let subject = format!("30m more on west is {word}: {session}");
        ("alice@example.com".to_owned(), subject)
    };
    assert_eq!(
        told,
        [
            asked.clone(),
            answered("refused"),
            asked,
            answered("approved")
        ]
    );
    let mails = server.mails();
    assert!(
        mails[0].text.contains("More time: 30m"),
        "{}",
        mails[0].text
    );
    assert!(
        mails[3]
            .text
            .contains("carol@example.com approved 30m more")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_server_that_hides_starttls_gets_no_mail() {
    let (hub, server) = hub_with_mail(Offers::Nothing, "").await;
    hub.alice().asks_for("approved-debug").await;
    hub.until("the metric", || async {
        let text = hub.app.metrics.encode().unwrap();
        text.contains(r#"notifications_total{channel="mail",outcome="failed"} 1"#)
            || text.contains(r#"notifications_total{channel="mail",outcome="given-up"} 1"#)
    })
    .await;
    assert!(server.mails().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plaintext_is_sent_only_where_it_is_allowed() {
    let (hub, server) = hub_with_mail(Offers::Nothing, ", allowPlaintext: true").await;
    hub.alice().asks_for("approved-debug").await;
    until_mails(&hub, &server, 1).await;
    assert_eq!(server.mails()[0].secret, Secret::Plain);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_tried_again_and_one_that_refuses_is_recorded() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    server.refuse_next("451 greylisted");
    hub.alice().asks_for("approved-debug").await;
    hub.as_time_passes("the mail", || async { server.mails().len() == 1 })
        .await;
    let id = server.mails()[0].header("Message-ID").to_owned();
    assert!(id.ends_with("@example.com>"), "{id}");
    server.refuse_next("550 no such person");
    hub.alice().asks_for("approved-debug").await;
    hub.until("the record", || async {
        times(&hub, Action::NotificationFailed).await == 1
    })
    .await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_what_people_write_cannot_leave_its_line() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    let reason = "node is down\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<x@y>";
    let asked = hub
        .alice()
        .post(
            "/debug-sessions",
            json!({"templateRef": "approved-debug", "cluster": "west", "reason": reason}),
        )
        .await;
    asked.created();
    until_mails(&hub, &server, 1).await;
    let mail = &server.mails()[0];
    assert_eq!(mail.to, "oncall@example.com");
    assert!(!mail.text.lines().any(|line| line.starts_with("Bcc")));
    assert!(
        mail.text.contains("node is down Bcc: eve@example.com"),
        "{}",
        mail.text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_comes_once_however_often_the_job_runs() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    let mut again = JoinSet::new();
    jobs::start(&hub.app, &mut again);
    let session = hub.alice().asks_for("quick-debug").await;
    hub.clock.advance(40 * MINUTE);
    assert_eq!(times(&hub, Action::ExpiryNear).await, 0);
    hub.clock.advance(5 * MINUTE);
    hub.as_time_passes("the warning", || async {
        times(&hub, Action::ExpiryNear).await > 0
    })
    .await;
    // A job that runs twice may send a mail twice, never a second one.
    let subjects = || -> BTreeMap<String, String> {
        let told = |name: &str, mail: &Mail| mail.header(name).to_owned();
        let mails = server.mails();
        let told = mails
            .iter()
            .map(|mail| (told("Message-ID", mail), told("Subject", mail)));
        told.collect()
    };
    hub.until("the mail", || async { subjects().len() == 1 })
        .await;
    hub.clock.advance(20 * MINUTE);
    hub.until("the last mail", || async { subjects().len() == 2 })
        .await;
    assert_eq!(times(&hub, Action::ExpiryNear).await, 1);
    assert_eq!(
        subjects().into_values().collect::<Vec<_>>(),
        [
            format!("The debug session {session} on west ends soon"),
            format!("The debug session {session} on west has expired")
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_hub_tells_what_was_not_told() {
    let (hub, server) = hub_with_mail(Offers::StartTls, "").await;
    // The server is busy until the hub is dead.
    for _ in 0..12 {
        server.refuse_next("451 later");
    }
    hub.alice().asks_for("approved-debug").await;
    hub.until("the first try", || async {
        hub.app
            .metrics
            .encode()
            .unwrap()
            .contains(r#"outcome="failed"}"#)
    })
    .await;
    let after = hub.after_a_kill().await;
    after
        .as_time_passes("the mail", || async { !server.mails().is_empty() })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_webhook_is_told_with_its_headers_and_never_redirected() {
    let folder = tempfile::tempdir().unwrap();
    let server = HookServer::start(folder.path()).await;
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("headers"), "Authorization: Bearer s3cret\n").unwrap();
    let text = format!(
        "notifications:
  channels:
  - name: chat
    webhook: {{url: 'https://localhost:{}/hook', headersFile: {}, caFile: {}, allowAddresses: [127.0.0.1]}}
",
        server.port,
        path("headers"),
        path("outside.pem")
    );
    server.answer_next(StatusCode::SERVICE_UNAVAILABLE);
    let hub = TestHub::start_calling(folder, &text).await;
    hub.alice().asks_for("approved-debug").await;
    hub.as_time_passes("the call", || async { server.calls().len() == 1 })
        .await;
    let call = &server.calls()[0];
    assert_eq!(call.headers["authorization"], "Bearer s3cret");
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!(body["notice"]["occasion"], "request");
    assert_eq!(body["notice"]["requestedBy"], "alice@example.com");
    server.answer_next(StatusCode::TEMPORARY_REDIRECT);
    hub.alice().asks_for("approved-debug").await;
    hub.until("the record", || async {
        times(&hub, Action::NotificationFailed).await == 1
    })
    .await;
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_told_of_a_renewal_that_waits_and_of_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let server = HookServer::start(folder.path()).await;
    let text = format!(
        "notifications:
  channels:
  - name: chat
    webhook: {{url: 'https://localhost:{}/hook', caFile: {}, allowAddresses: [127.0.0.1]}}
",
        server.port,
        folder.path().join("outside.pem").display()
    );
    let hub = TestHub::start_calling(folder, &text).await;
    hub.add_templates("renewed.yaml", RENEWED).await;
    let session = hub.alice().asks_for("renewed-debug").await;
    asks_for_more(&hub, &session).await;
    hub.until("the question", || async { server.calls().len() == 1 })
        .await;
    hub.carol().verb("approve", &session).await.ok();
    hub.until("the answer", || async { server.calls().len() == 2 })
        .await;
    let notices: Vec<Value> = server
        .calls()
        .iter()
        .map(|call| serde_json::from_str::<Value>(&call.body).unwrap()["notice"].clone())
        .collect();
    assert_eq!(notices[0]["occasion"], "renewalRequest");
    assert_eq!(notices[0]["by"], "alice@example.com");
    assert_eq!(notices[0]["extendBySeconds"], 1800);
    assert_eq!(notices[1]["occasion"], "renewalApproval");
    assert_eq!(notices[1]["by"], "carol@example.com");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_private_address_that_is_not_listed_is_not_called() {
    let folder = tempfile::tempdir().unwrap();
    let server = HookServer::start(folder.path()).await;
    let text = format!(
        "notifications: {{channels: [{{name: chat, webhook: {{url: 'https://localhost:{}/', caFile: {}}}}}]}}",
        server.port,
        folder.path().join("outside.pem").display()
    );
    let hub = TestHub::start_calling(folder, &text).await;
    hub.alice().asks_for("approved-debug").await;
    hub.until("the failure", || async {
        let text = hub.app.metrics.encode().unwrap();
        text.contains(r#"notifications_total{channel="chat",outcome="failed"} 1"#)
    })
    .await;
    assert!(server.calls().is_empty());
}
