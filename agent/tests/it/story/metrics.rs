//! docs/METRICS.md is what a running agent exposes.

use std::collections::BTreeSet;
use std::path::Path;

use breakglass_agent::telemetry::serve_health;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::webhook::Webhook;

/// Names in the first columns of the list's tables.
fn listed() -> BTreeSet<String> {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/METRICS.md");
    std::fs::read_to_string(list)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with("breakglass_agent_"))
        .collect()
}

/// What a scraper gets.
async fn scrape(listener: SocketAddr) -> String {
    let mut stream = TcpStream::connect(listener).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn the_list_is_what_a_busy_agent_exposes() {
    let api = FakeApi::new();
    // A watch that breaks off, a session that comes and goes, and a review.
    api.fail_next(Method::GET, "/pods", 500, "InternalError", "not now");
    let mut agent = Agent::start(&api).await;
    let session = grant(SignedDuration::from_hours(1));
    agent.snapshot(1, &[&session]).await;
    api.until("the DaemonSet", |api| daemon_set(api).is_some())
        .await;
    run_controllers(&api);
    agent
        .report("running", |report| report.phase == Phase::Running)
        .await;
    agent.grant(2, &ended(session)).await;
    agent
        .report("the proof", |report| report.phase == Phase::Ended)
        .await;
    let webhook = Webhook::of(agent.webhook.clone(), agent.keys.clone(), &agent.published);
    let (answer, _) = webhook.post("not a review").await;
    assert_eq!(answer, StatusCode::BAD_REQUEST);

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve_health(listener, agent.health.clone()));
    let text = scrape(address).await;
    serving.abort();
    let exposed: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(exposed, listed(), "{text}");
    for private in [SESSION, NAMESPACE, "alice"] {
        assert!(!text.contains(private), "{private} is no label");
    }
    agent.die().await;
}
