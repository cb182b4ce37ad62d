//! Where the audit log goes beside the store.

use std::collections::BTreeMap;

use breakglass_hub::args::VerifyArgs;
use breakglass_hub::verify;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::outside::HookServer;
use crate::harness::{TestHub, detail};

fn sequences(lines: &str) -> Vec<u64> {
    let line = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    lines
        .lines()
        .map(|text| line(text)["sequence"].as_u64().unwrap())
        .collect()
}

async fn recorded(hub: &TestHub) -> u64 {
    hub.app.store.audit_head().await.unwrap().sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_file_holds_every_event_in_order_and_proves_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.jsonl");
    let text = format!(
        "audit: {{destinations: [{{name: file, jsonLines: {{path: {}}}}}]}}",
        file.display()
    );
    let hub = TestHub::start_calling(folder, &text).await;
    let session = hub.alice().asks_for("quick-debug").await;
    hub.alice().verb("terminate", &session).await.ok();
    let read = || std::fs::read_to_string(&file).unwrap_or_default();
    let ended = || read().contains("\"terminated\"");
    hub.until("the end in the file", || async { ended() }).await;
    let told = sequences(&read());
    assert!(
        told.iter().zip(1..).all(|(one, two)| *one == two),
        "{told:?}"
    );
    let args = VerifyArgs {
        state: hub.state(),
        against: Some(file.clone()),
    };
    let whole = verify::verify(&args).unwrap();
    assert!(whole.contains("the audit log is whole"), "{whole}");
    // Another record than the one that was told elsewhere, each whole in itself.
    let mut lines: Vec<Value> = read()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines[0]["hash"] = lines[1]["hash"].clone();
    std::fs::write(&file, lines[0].to_string()).unwrap();
    let error = verify::verify(&args).unwrap_err().to_string();
    assert!(error.contains("event 1 is not the one"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_was_away_gets_all_of_it_also_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = HookServer::start(folder.path()).await;
    for _ in 0..3 {
        server.answer_next(StatusCode::BAD_GATEWAY);
    }
    let text = format!(
        "audit: {{destinations: [{{name: siem, webhook: {{url: 'https://localhost:{}/in', caFile: {}, allowAddresses: [127.0.0.1]}}}}]}}",
        server.port,
        folder.path().join("outside.pem").display()
    );
    let hub = TestHub::start_calling(folder, &text).await;
    // Nobody waits for it.
    hub.alice().asks_for("quick-debug").await;
    let hub = hub.restart().await;
    hub.alice().asks_for("quick-debug").await;
    let wanted = recorded(&hub).await;
    let taken = || -> BTreeMap<u64, usize> {
        let mut times = BTreeMap::new();
        for call in server.calls() {
            for sequence in sequences(&call.body) {
                *times.entry(sequence).or_default() += 1;
            }
        }
        times
    };
    hub.as_time_passes("everything", || async { taken().len() as u64 >= wanted })
        .await;
    // In order and without a gap; what was recorded meanwhile comes too.
    let taken: Vec<u64> = taken().into_keys().collect();
    assert!(taken.len() as u64 >= wanted);
    assert!(
        taken.iter().zip(1..).all(|(one, two)| *one == two),
        "{taken:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_template_that_names_what_is_not_configured_is_not_ready() {
    let hub = TestHub::start().await;
    let template = |destination: Value| {
        let spec = json!({
            "podTemplateRef": {"name": "toolbox"},
            "allowed": {"groups": ["sre-team"], "clusters": ["west"]},
            "audit": {"destinations": [destination]},
        });
        json!({
            "apiVersion": "breakglass.t-caas.telekom.com/v1alpha1",
            "kind": "DebugSessionTemplate",
            "metadata": {"name": "recorded-debug"},
            "spec": spec,
        })
        .to_string()
    };
    let foreign = json!({"type": "webhook", "url": "https://evil.example.com/"});
    hub.add_templates("recorded.yaml", &template(foreign)).await;
    let asked = json!({"templateRef": "recorded-debug", "cluster": "west"});
    let answer = hub.alice().post("/debug-sessions", asked.clone()).await;
    let problem = answer.refused(422, "constraint");
    let told = &detail(&problem, "templateRef").message;
    assert!(told.contains("is no destination of this hub"), "{told}");
    hub.add_templates("recorded.yaml", &template(json!({"type": "breakglass"})))
        .await;
    hub.alice().post("/debug-sessions", asked).await.created();
}
