//! `breakglass-hub backup` and `restore`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use breakglass_hub::backup::{self, BackupError, Occupied};
use breakglass_hub::state::{StateError, database_in};
use breakglass_hub::store::sqlite::{self, SqliteStore};
use breakglass_hub::store::{AuditQuery, ListQuery, ObjectKind, Store as _, WatchError, WatchFrom};
use breakglass_hub_core::audit::{Action, Actor, AuditEvent};
use breakglass_protocol::ids::Revision;
use jiff::Timestamp;
use tokio::task::JoinSet;

use crate::harness::TestHub;

async fn backup_of(hub: &TestHub, to: &Path) {
    let (state, to) = (hub.state(), to.to_owned());
    tokio::task::spawn_blocking(move || {
        backup::backup(&state, &to, Occupied::Refuse, Timestamp::now()).unwrap()
    })
    .await
    .unwrap();
}

async fn newest(hub: &TestHub) -> Revision {
    hub.app.store.head().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_made_while_people_work_is_whole_and_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.backup");
    let hub = TestHub::start().await;
    let mut before = Vec::new();
    for _ in 0..5 {
        before.push(hub.alice().asks_for("approved-debug").await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut people = JoinSet::new();
    for who in [hub.alice(), hub.dave()] {
        let stop = stop.clone();
        people.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let name = who.asks_for("quick-debug").await;
                who.verb("terminate", &name).await.ok();
            }
        });
    }
    backup_of(&hub, &file).await;
    stop.store(true, Ordering::Relaxed);
    people.join_all().await;
    let (lost_later, last) = (
        hub.alice().asks_for("quick-debug").await,
        newest(&hub).await,
    );

    let again = hub.restored_from(&file).await;
    for name in &before {
        assert_eq!(
            again.alice().sees(name).await.ok(),
            hub.alice().sees(name).await.ok()
        );
        again.carol().verb("approve", name).await.ok();
    }
    again
        .alice()
        .sees(&lost_later)
        .await
        .refused(404, "notFound");
    let list = again.root().get("/debug-sessions").await.ok();
    for session in list["sessions"].as_array().unwrap() {
        let name = session["name"].as_str().unwrap();
        let recorded = again.recorded().await;
        let of_it = recorded.iter().filter(|event| event.object.name == name);
        assert!(of_it.count() >= 1, "{name} has its events");
    }
    // Nothing that the lost history gave out comes again.
    assert!(newest(&again).await > last);
    let list = again
        .app
        .store
        .list(ListQuery::all(ObjectKind::Cluster))
        .await;
    assert!(list.unwrap().objects.len() == 3);
    let mut watch = again.app.store.watch(WatchFrom::After(last)).await.unwrap();
    assert!(matches!(
        watch.next().await.unwrap_err(),
        WatchError::Resync { .. }
    ));
}

#[tokio::test]
async fn a_running_hub_and_what_is_there_are_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.backup");
    let hub = TestHub::start().await;
    backup_of(&hub, &file).await;
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let refused = backup::backup(&hub.state(), &file, Occupied::Refuse, now).unwrap_err();
    assert!(matches!(refused, BackupError::FileExists(_)), "{refused}");
    backup::backup(&hub.state(), &file, Occupied::Replace, now).unwrap();
    let refused = backup::restore(&file, &hub.state(), Occupied::Replace, now).unwrap_err();
    assert!(
        matches!(refused, BackupError::State(StateError::InUse { .. })),
        "{refused}"
    );

    let state = folder.path().join("state");
    backup::restore(&file, &state, Occupied::Refuse, now).unwrap();
    std::fs::write(state.join("agents-ca.key"), "another one").unwrap();
    let refused = backup::restore(&file, &state, Occupied::Refuse, now).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    let restored = backup::restore(&file, &state, Occupied::Replace, now).unwrap();
    let kept = state.join("agents-ca.key.replaced-1800000000");
    assert!(restored.put_aside.contains(&kept));
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "another one");
    let key = |state: &Path| std::fs::read(state.join("agents-ca.key")).unwrap();
    assert_eq!(key(&state), key(&hub.state()));
}

/// The last event of the record in a state folder.
async fn last_recorded(state: &Path) -> AuditEvent {
    let store = SqliteStore::open(&database_in(state)).unwrap();
    let query = AuditQuery {
        of: None,
        after: 0,
        limit: 500,
    };
    let record = store.audit(query).await.unwrap();
    record.last().unwrap().event.clone()
}

#[tokio::test]
async fn s20_the_record_tells_that_a_backup_replaced_it_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.backup");
    let hub = TestHub::start().await;
    hub.alice().asks_for("quick-debug").await;
    backup_of(&hub, &file).await;
    let nothing_told = BTreeMap::new();
    let head = sqlite::verify(&file, &nothing_told).unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let state = folder.path().join("state");
    for (occupied, replaced, sequence) in [
        (Occupied::Refuse, "nothing", None),
        (Occupied::Replace, "record", Some(head.sequence + 1)),
        (Occupied::Replace, "unreadable", None),
    ] {
        if replaced == "unreadable" {
            std::fs::write(database_in(&state), "torn").unwrap();
        }
        backup::restore(&file, &state, occupied, now).unwrap();
        let whole = sqlite::verify(&database_in(&state), &nothing_told).unwrap();
        assert_eq!(whole.sequence, head.sequence + 1);
        // What was told elsewhere before the backup holds still.
        let told = BTreeMap::from([(head.sequence, head.hash)]);
        sqlite::verify(&database_in(&state), &told).unwrap();
        let event = last_recorded(&state).await;
        assert_eq!((event.action, event.at), (Action::Restored, now));
        let job = "restore".to_owned();
        assert_eq!(event.actor, Actor::Hub { job });
        assert_eq!(event.detail["backupSequence"], head.sequence.to_string());
        assert_eq!(event.detail["backupHash"], head.hash.to_string());
        assert!(event.detail["backupMadeAt"].parse::<Timestamp>().is_ok());
        assert_eq!(event.detail["replaced"], replaced);
        let at = event.detail.get("replacedSequence").cloned();
        assert_eq!(at, sequence.map(|sequence: u64| sequence.to_string()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_backup_is_for_its_owners_eyes_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hub.backup");
    let hub = TestHub::start().await;
    backup_of(&hub, &file).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    let state = folder.path().join("state");
    backup::restore(&file, &state, Occupied::Refuse, Timestamp::now()).unwrap();
    for name in ["hub.db", "agents-ca.key", "users-ca.key"] {
        assert_eq!(mode(&state.join(name)), 0o600, "{name}");
    }
}

fn program(arguments: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_breakglass-hub"));
    command.args(arguments);
    for (flag, path) in paths {
        command.arg(flag).arg(path);
    }
    command.output().unwrap()
}

#[tokio::test]
async fn the_program_says_what_it_did_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let hub = TestHub::start().await;
    let (file, state) = (folder.path().join("b"), folder.path().join("state"));
    let made = program(&["backup"], &[("--state", &hub.state()), ("--to", &file)]);
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stdout).unwrap();
    assert!(told.contains("secret"), "{told}");
    let restored = program(&["restore"], &[("--from", &file), ("--state", &state)]);
    let told = String::from_utf8(restored.stdout).unwrap();
    assert!(told.contains("agents-ca.key"), "{told}");

    let nothing = folder.path().join("none");
    let bad = folder.path().join("bad");
    std::fs::write(&bad, "no database at all, but somebody's letter").unwrap();
    let fresh = folder.path().join("fresh");
    for (verb, paths, expected) in [
        (
            "backup",
            [("--state", &nothing), ("--to", &bad)],
            "is not there",
        ),
        ("backup", [("--state", &state), ("--to", &file)], "--force"),
        (
            "restore",
            [("--from", &file), ("--state", &state)],
            "--force",
        ),
        (
            "restore",
            [("--from", &nothing), ("--state", &fresh)],
            "cannot open the backup",
        ),
        (
            "restore",
            [("--from", &bad), ("--state", &fresh)],
            "is damaged",
        ),
    ] {
        let paths = paths.map(|(flag, path)| (flag, path.as_path()));
        let output = program(&[verb], &paths);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(expected), "{verb}: {told}");
    }
}
