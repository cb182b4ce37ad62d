//! docs/METRICS.md is what the hub exposes, and dashboard and alerts name nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::TestHub;
use crate::harness::outside::HookServer;

fn file(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Names in the first columns of the list's tables.
fn listed(prefix: &str) -> BTreeSet<String> {
    file("docs/METRICS.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

/// Names of metrics in any text, without what the wire adds.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("breakglass_hub_") || word.starts_with("breakglass_agent_"))
        .map(|word| {
            let ends = ["_total", "_bucket", "_sum", "_count"];
            let end = ends.iter().find_map(|end| word.strip_suffix(end));
            end.unwrap_or(word).to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_is_what_a_busy_hub_exposes() {
    let folder = tempfile::tempdir().unwrap();
    let server = HookServer::start(folder.path()).await;
    server.answer_next(http::StatusCode::BAD_GATEWAY);
    server.answer_next(http::StatusCode::BAD_GATEWAY);
    let hook = format!(
        "webhook: {{url: 'https://localhost:{}/', caFile: {}, allowAddresses: [127.0.0.1]}}",
        server.port,
        folder.path().join("outside.pem").display()
    );
    let text = format!(
        "audit: {{destinations: [{{name: siem, {hook}}}]}}\nnotifications: {{channels: [{{name: chat, {hook}}}]}}"
    );
    let hub = TestHub::start_calling(folder, &text).await;
    hub.alice().asks_for("approved-debug").await;
    // An agent's listener that is spoken to in the clear turns it away.
    drop(tokio::net::TcpStream::connect(hub.running.agents).await);
    let scrape = || async { hub.root().get("/metrics").await.text().to_owned() };
    hub.as_time_passes("all of them", || async {
        let text = scrape().await;
        [
            "hub_agent_refusals_total",
            "hub_notifications_total",
            "hub_audit_shipped",
            "ship_failures",
        ]
        .iter()
        .all(|name| text.contains(name))
    })
    .await;
    let text = scrape().await;
    let exposed: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(exposed, listed("breakglass_hub_"));
    assert!(
        !text.contains("debug-session-"),
        "a session's name is no label"
    );
    assert!(!text.contains("alice"), "a person's name is no label");
}

#[test]
fn alerts_and_dashboard_parse_and_name_what_is_listed() {
    let listed: BTreeSet<String> = listed("breakglass_");
    let alerts: Value = serde_saphyr::from_str(&file("charts/hub/monitoring/alerts.yaml")).unwrap();
    let dashboard: Value =
        serde_json::from_str(&file("charts/hub/monitoring/dashboard.json")).unwrap();
    let mut expressions = Vec::new();
    for group in alerts["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert!(rule["annotations"]["summary"].is_string(), "{rule}");
            expressions.push(rule["expr"].as_str().unwrap().to_owned());
        }
    }
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            expressions.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for expression in expressions {
        let unknown: Vec<_> = named(&expression).difference(&listed).cloned().collect();
        assert!(unknown.is_empty(), "{expression}: {unknown:?}");
        assert!(!named(&expression).is_empty(), "{expression}");
    }
}
