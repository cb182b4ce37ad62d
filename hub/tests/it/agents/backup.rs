//! Agents and a hub that was restored from a backup.

use std::sync::Arc;

use breakglass_hub::backup::{self, Occupied};
use jiff::Timestamp;

use super::fake_agent::FakeAgent;
use super::grants::active;
use super::hub::TestHub;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_come_back_to_a_restored_hub_with_their_certificates_and_get_their_grants() {
    let hub = TestHub::start().await;
    let agent = FakeAgent::of(&hub, "west").await;
    let kept = active(&hub, "west", "debug-session-kept00").await;
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let file = folder.path().join("backup");
    let now = Timestamp::now();
    backup::backup(hub.state(), &file, Occupied::Refuse, now).unwrap();
    active(&hub, "west", "debug-session-lost00").await;
    let clock = hub.clock.clone();
    hub.stop().await;

    let state = folder.path().join("state");
    backup::restore(&file, &state, Occupied::Refuse, now).unwrap();
    let hub = TestHub::open_at(folder, state, clock).await;
    let mut connection = agent.online(&hub).await;
    let snapshot = connection.snapshot().await;
    let uids: Vec<_> = snapshot.iter().map(|grant| grant.uid.clone()).collect();
    assert_eq!(
        uids,
        [kept.uid],
        "what the backup does not know is ended by the agent"
    );
    hub.until_connected("west").await;
}
