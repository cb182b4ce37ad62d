//! Kill at any point: a child process writes and tells what was answered; it is killed in the middle; what was answered
//! is there, what is there is whole.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use jiff::Timestamp;
use serde_json::json;

use super::{SqliteStore, schema};
use crate::store::{
    AuditQuery, Commit, Expected, Key, ListQuery, MAX_PAGE, ObjectKind, Owner, Store, Version,
    Write,
};

/// Set in the child only.
const DATABASE: &str = "BREAKGLASS_TEST_CRASH_DATABASE";

/// The child's part: does nothing in an ordinary run of the tests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_writes_until_it_is_killed() {
    let (Ok(path), Err(_)) = (std::env::var(DATABASE), std::env::var(DIES_AT)) else {
        return;
    };
    let store = std::sync::Arc::new(SqliteStore::open(Path::new(&path)).unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = store.clone();
        writers.spawn(async move {
            for count in 0.. {
                let name = format!("{}-{writer}-{count}", std::process::id());
                write(&store, &name).await;
                // One write call per line: lines of several tasks do not mix.
                let line = format!("done {name}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}

/// One object in two versions with an event each, and another one made and deleted again.
async fn write(store: &SqliteStore, name: &str) {
    let first = commit(store, name, Some(1), Expected::Absent).await;
    commit(store, name, Some(2), Expected::At(first)).await;
    let gone = format!("gone-{name}");
    let made = commit(store, &gone, Some(1), Expected::Absent).await;
    commit(store, &gone, None, Expected::At(made)).await;
}

async fn commit(
    store: &SqliteStore,
    name: &str,
    round: Option<u32>,
    expected: Expected,
) -> Version {
    let key = Key::cluster_scoped(ObjectKind::Cluster, name);
    let actor = Actor::Hub {
        job: "crash".to_owned(),
    };
    let object = ObjectRef::new("Cluster", None, name);
    let event = AuditEvent::new(
        Timestamp::UNIX_EPOCH,
        actor,
        Action::ClusterRegistered,
        object,
        Outcome::Done,
    );
    let change = match round {
        Some(round) => Write::Put {
            owner: Owner::Hub,
            body: json!({ "round": round, "padding": "x".repeat(2000) }).into(),
        },
        None => Write::Delete,
    };
    let commit = Commit {
        key,
        change,
        expected,
        events: vec![event],
    };
    store.commit(commit).await.unwrap().version
}

/// Set in the child that dies at a statement: at which.
const DIES_AT: &str = "BREAKGLASS_TEST_CRASH_AT";

/// The child's part of the next test: makes four writes and ends the process, as a kill would, at one of the changes
/// that they make to rows, or just before one of their commits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_that_dies_at_a_statement() {
    let (Ok(path), Ok(at)) = (std::env::var(DATABASE), std::env::var(DIES_AT)) else {
        return;
    };
    let path = Path::new(&path);
    let at: usize = at.parse().unwrap();
    let mut connection = schema::open_for_writing(path).unwrap();
    let statements = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = statements.clone();
    let count = move || {
        if counted.fetch_add(1, Ordering::Relaxed) + 1 == at {
            std::process::exit(1);
        }
    };
    let changes = count.clone();
    connection
        .update_hook(Some(move |_, _: &str, _: &str, _| changes()))
        .unwrap();
    let commits = move || {
        count();
        false
    };
    connection.commit_hook(Some(commits)).unwrap();
    let store = SqliteStore::with(connection, path, ObjectKind::is_few).unwrap();
    write(&store, &format!("at-{at}")).await;
    println!("done at-{at} of {}", statements.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_statement_leaves_each_write_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let mut crashes = 0;
    for at in 1.. {
        assert!(at < 100, "four writes take fewer statements");
        let output = child("child_that_dies_at_a_statement", &path)
            .env(DIES_AT, at.to_string())
            .output()
            .unwrap();
        check(&path, &[]).await;
        let text = String::from_utf8(output.stdout).unwrap();
        if text.contains("done at-") {
            break;
        }
        assert_eq!(output.status.code(), Some(1), "{text}");
        crashes += 1;
    }
    // Each write changes the sequence, its object and the audit log, and commits.
    assert!(crashes >= 16, "only {crashes} crashes");
}

fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            &format!("store::sqlite::crash::{test}"),
            "--nocapture",
        ])
        .env(DATABASE, path);
    command
}

fn start_child(path: &Path) -> Child {
    child("child_that_writes_until_it_is_killed", path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads answers until there are `enough`, kills the child, and returns every answer that it gave.
fn kill_after(mut child: Child, enough: usize) -> Vec<String> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = Vec::new();
    let mut take = |line: std::io::Result<String>| {
        let line = line.unwrap();
        answered.extend(line.split_once("done ").map(|(_, name)| name.to_owned()));
        answered.len()
    };
    for line in lines.by_ref() {
        if take(line) >= enough {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for line in lines {
        take(line);
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_a_kill_and_nothing_is_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let mut answered = Vec::new();
    for enough in [1, 7, 20, 33, 50] {
        let told = kill_after(start_child(&path), enough);
        assert!(told.len() >= enough, "the child ended early: {told:?}");
        answered.extend(told);
        check(&path, &answered).await;
    }
}

async fn check(path: &Path, answered: &[String]) {
    // Opening checks the file's integrity.
    let store = SqliteStore::open(path).unwrap();
    let mut rounds = BTreeMap::new();
    let mut query = ListQuery::all(ObjectKind::Cluster);
    loop {
        let page = store.list(query.clone()).await.unwrap();
        for object in page.objects {
            let body: serde_json::Value = object.body.read().unwrap();
            rounds.insert(object.key.name.clone(), body["round"].as_u64().unwrap());
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    for name in answered {
        assert_eq!(rounds.get(name), Some(&2), "{name} was answered");
        assert!(!rounds.contains_key(&format!("gone-{name}")));
    }
    let events = events_by_name(&store).await;
    for (name, round) in &rounds {
        assert_eq!(
            events.get(name),
            Some(round),
            "{name}: each write has its event"
        );
    }
}

async fn events_by_name(store: &SqliteStore) -> BTreeMap<String, u64> {
    let mut events = BTreeMap::new();
    let mut after = 0;
    loop {
        let query = AuditQuery {
            of: None,
            after,
            limit: MAX_PAGE,
        };
        let page = store.audit(query).await.unwrap();
        let Some(last) = page.last() else {
            return events;
        };
        assert_eq!(
            last.sequence,
            after + page.len() as u64,
            "numbered without gaps"
        );
        after = last.sequence;
        for record in page {
            *events.entry(record.event.object.name).or_insert(0) += 1;
        }
    }
}
