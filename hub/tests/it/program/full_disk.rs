//! A disk that takes nothing more: said clearly, reading goes on, and so does writing once there is room.

use std::process::Command;

use http::Method;
use serde_json::{Value, json};

use super::{Client, Program};

/// Lets the process write files up to this size, as `prlimit` says it.
fn limit(program: &Program, size: &str) {
    let limited = Command::new("prlimit")
        .arg(format!("--pid={}", program.id()))
        .arg(format!("--fsize={size}"))
        .status()
        .unwrap();
    assert!(limited.success());
}

async fn post(client: &mut Client, path: &str, body: &Value) -> crate::harness::Answer {
    client.send(Method::POST, path, body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_answers_reads_and_recovers() {
    let program = tokio::task::spawn_blocking(Program::start).await.unwrap();
    let (mut root, mut alice) = (program.client("root"), program.client("alice"));
    let west = json!({ "name": "west" });
    post(&mut root, "/clusters", &west).await.created();
    let wish = json!({ "templateRef": "quick-debug", "cluster": "west" });
    let made = post(&mut alice, "/debug-sessions", &wish).await.created();
    let name = crate::harness::name_of(&made);

    // Whatever is written next lies beyond this.
    limit(&program, "1:unlimited");
    let full = post(&mut alice, "/debug-sessions", &wish).await;
    assert!(full.header("retry-after").is_some());
    let refused = full.refused(503, "notWritable");
    assert!(
        refused.message.contains("nothing was done"),
        "{}",
        refused.message
    );
    let path = format!("/debug-sessions/{name}/terminate");
    post(&mut alice, &path, &json!({}))
        .await
        .refused(503, "notWritable");
    let list = alice
        .send(Method::GET, "/debug-sessions", &json!({}))
        .await
        .unwrap();
    assert_eq!(
        list.ok()["total"],
        1,
        "reading goes on, nothing is half made"
    );

    limit(&program, "unlimited:unlimited");
    post(&mut alice, "/debug-sessions", &wish).await.created();
    assert_eq!(
        post(&mut alice, &path, &json!({})).await.ok()["status"]["state"],
        "Terminated"
    );
}
