//! What every store must do, as one suite. A store takes part by a [`Subject`] and one line of [`conformance!`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_protocol::ids::Revision;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::sqlite::SqliteStore;
use super::*;

/// A store that can be closed and opened again.
pub(super) trait Subject {
    fn create() -> Self;
    fn open(&self) -> Arc<dyn Store>;
}

pub(super) struct Sqlite(tempfile::TempDir);

impl Subject for Sqlite {
    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.0.path().join("hub.db")).unwrap())
    }
}

/// As [`Sqlite`], with nothing in memory: the suite's objects are of a kind of which there are few.
pub(super) struct SqliteFile(tempfile::TempDir);

impl Subject for SqliteFile {
    fn create() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Arc<dyn Store> {
        let path = self.0.path().join("hub.db");
        Arc::new(SqliteStore::open_keeping(&path, |_| false).unwrap())
    }
}

/// One line of this runs the whole suite on a store: `conformance!(its_name, ItsSubject);`
macro_rules! conformance {
    ($module:ident, $subject:ty) => {
        conformance!(
            $module, $subject:
            what_was_written_is_read,
            a_create_loses_against_an_existing_object,
            a_write_on_an_old_version_is_a_conflict,
            a_version_is_never_used_again,
            of_many_writers_at_one_version_one_wins,
            counting_by_compare_and_set_loses_nothing,
            audit_events_come_with_their_commit_or_not_at_all,
            s20_events_are_chained_in_order_also_over_a_reopen,
            lists_are_ordered_and_paged,
            limits_are_refused_with_numbers,
            a_watch_sees_every_change_in_order,
            a_watch_resumes_without_gaps_over_a_reopen,
            a_slow_watch_ends_in_the_same_state,
            a_watch_of_large_objects_is_complete,
            a_list_then_watch_misses_nothing,
            a_watch_from_the_future_must_list_again,
            a_watch_from_before_forgotten_deletions_must_list_again,
            several_are_read_at_once,
            the_head_is_never_behind_an_answer,
            pages_are_complete_while_others_write,
            the_audit_log_is_in_order_and_paged,
            a_hundred_thousand_sessions_are_written_listed_and_watched,
        );
    };
    ($module:ident, $subject:ty: $($test:ident),+ $(,)?) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::store::conformance::$test::<$subject>().await;
            })+
        }
    };
}

conformance!(sqlite, super::Sqlite);
conformance!(sqlite_file, super::SqliteFile);

fn key(name: &str) -> Key {
    Key::cluster_scoped(ObjectKind::Cluster, name)
}

fn put(key: Key, body: Value, expected: Expected) -> Commit {
    Commit {
        key,
        change: Write::Put {
            owner: Owner::Hub,
            body: body.into(),
        },
        expected,
        events: Vec::new(),
    }
}

fn delete(key: Key, version: Version) -> Commit {
    Commit {
        key,
        change: Write::Delete,
        expected: Expected::At(version),
        events: Vec::new(),
    }
}

fn event(name: &str, action: Action) -> AuditEvent {
    let object = ObjectRef::new("Cluster", None, name);
    let actor = Actor::Hub {
        job: "test".to_owned(),
    };
    AuditEvent::new(Timestamp::UNIX_EPOCH, actor, action, object, Outcome::Done)
}

async fn create(store: &dyn Store, name: &str, body: Value) -> Version {
    store
        .commit(put(key(name), body, Expected::Absent))
        .await
        .unwrap()
        .version
}

/// The next change; a watch that stays silent is a lost change, not a reason to wait for ever.
async fn next(watch: &mut Watch) -> Change {
    tokio::time::timeout(Duration::from_secs(20), watch.next())
        .await
        .expect("no change arrived")
        .unwrap()
}

async fn what_was_written_is_read<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let body =
        json!({"spec": {"displayName": "Ein \u{1F511} \"Cluster\"", "list": [1, 2.5, null, true]}});
    let commit = Commit {
        key: key("c1"),
        change: Write::Put {
            owner: Owner::File("a/b.yaml".to_owned()),
            body: body.clone().into(),
        },
        expected: Expected::Absent,
        events: Vec::new(),
    };
    let version = store.commit(commit).await.unwrap().version;
    drop(store);
    let store = subject.open();
    let read = store.get(key("c1")).await.unwrap().unwrap();
    assert_eq!(read.body, body.into());
    assert_eq!(read.version, version);
    assert_eq!(read.owner, Owner::File("a/b.yaml".to_owned()));
    assert_eq!(store.get(key("c2")).await.unwrap(), None);
    let elsewhere = Key::namespaced(ObjectKind::Cluster, "ns", "c1");
    assert_eq!(store.get(elsewhere).await.unwrap(), None);
}

async fn a_create_loses_against_an_existing_object<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let version = create(&*store, "c1", json!(1)).await;
    let error = store
        .commit(put(key("c1"), json!(2), Expected::Absent))
        .await
        .unwrap_err();
    assert!(
        matches!(error, CommitError::Conflict { found: Some(found), .. } if found == version),
        "{error}"
    );
    assert_eq!(
        store.get(key("c1")).await.unwrap().unwrap().body,
        json!(1).into()
    );
}

async fn a_write_on_an_old_version_is_a_conflict<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let first = create(&*store, "c1", json!(1)).await;
    let second = store
        .commit(put(key("c1"), json!(2), Expected::At(first)))
        .await
        .unwrap()
        .version;
    assert!(second > first);
    for commit in [
        put(key("c1"), json!(3), Expected::At(first)),
        delete(key("c1"), first),
    ] {
        let error = store.commit(commit).await.unwrap_err();
        assert!(
            matches!(error, CommitError::Conflict { found: Some(found), .. } if found == second),
            "{error}"
        );
    }
    store.commit(delete(key("c1"), second)).await.unwrap();
    let error = store.commit(delete(key("c1"), second)).await.unwrap_err();
    assert!(
        matches!(error, CommitError::Conflict { found: None, .. }),
        "{error}"
    );
}

async fn a_version_is_never_used_again<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let first = create(&*store, "c1", json!(1)).await;
    let deleted = store.commit(delete(key("c1"), first)).await.unwrap();
    drop(store);
    let store = subject.open();
    let again = create(&*store, "c1", json!(1)).await;
    assert!(again > deleted.version && deleted.version > first);
    assert!(
        store
            .commit(put(key("c1"), json!(2), Expected::At(first)))
            .await
            .is_err()
    );
}

async fn of_many_writers_at_one_version_one_wins<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let version = create(&*store, "c1", json!("start")).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let store = store.clone();
        writers.spawn(async move {
            store
                .commit(put(key("c1"), json!(writer), Expected::At(version)))
                .await
                .map(|_| writer)
        });
    }
    let won: Vec<i32> = writers
        .join_all()
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert_eq!(won.len(), 1);
    assert_eq!(
        store.get(key("c1")).await.unwrap().unwrap().body,
        json!(won[0]).into()
    );
}

async fn counting_by_compare_and_set_loses_nothing<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    create(&*store, "counter", json!(0)).await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for _ in 0..25 {
                loop {
                    let read = store.get(key("counter")).await.unwrap().unwrap();
                    let more = json!(read.body.read::<i64>().unwrap() + 1);
                    match store
                        .commit(put(key("counter"), more, Expected::At(read.version)))
                        .await
                    {
                        Ok(_) => break,
                        Err(CommitError::Conflict { .. }) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    assert_eq!(
        store.get(key("counter")).await.unwrap().unwrap().body,
        json!(200).into()
    );
}

async fn audit_events_come_with_their_commit_or_not_at_all<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let mut commit = put(key("c1"), json!(1), Expected::Absent);
    commit.events = vec![
        event("c1", Action::ClusterRegistered),
        event("c2", Action::Enrolled),
    ];
    let version = store.commit(commit.clone()).await.unwrap().version;
    // The same again conflicts: its events must not be there twice.
    store.commit(commit).await.unwrap_err();
    let mut gone = delete(key("c1"), version);
    gone.events = vec![event("c1", Action::ClusterRevoked)];
    store.commit(gone).await.unwrap();
    drop(store);
    let store = subject.open();
    let query = |of, after| AuditQuery {
        of,
        after,
        limit: 10,
    };
    let actions = |records: Vec<AuditRecord>| -> Vec<(u64, Action)> {
        records
            .into_iter()
            .map(|record| (record.sequence, record.event.action))
            .collect()
    };
    let all = actions(store.audit(query(None, 0)).await.unwrap());
    assert_eq!(
        all,
        [
            (1, Action::ClusterRegistered),
            (2, Action::Enrolled),
            (3, Action::ClusterRevoked)
        ]
    );
    let of_one = actions(store.audit(query(Some(key("c1")), 1)).await.unwrap());
    assert_eq!(of_one, [(3, Action::ClusterRevoked)]);
}

async fn s20_events_are_chained_in_order_also_over_a_reopen<S: Subject>() {
    let subject = S::create();
    for round in 0..2 {
        let store = subject.open();
        for n in 0..3 {
            let name = format!("c{round}{n}");
            let mut commit = put(key(&name), json!({}), Expected::Absent);
            commit.events = vec![
                event(&name, Action::ClusterRegistered),
                event(&name, Action::ClusterAccepted),
            ];
            store.commit(commit).await.unwrap();
        }
    }
    let store = subject.open();
    let query = AuditQuery {
        of: None,
        after: 0,
        limit: MAX_PAGE,
    };
    let records = store.audit(query).await.unwrap();
    assert_eq!(records.len(), 12);
    let mut head = Head::START;
    for record in records {
        head.sequence += 1;
        head.hash = head.hash.followed_by(&record.event.canonical().unwrap());
        assert_eq!((record.sequence, record.hash), (head.sequence, head.hash));
    }
    assert_eq!(store.audit_head().await.unwrap(), head);
}

async fn lists_are_ordered_and_paged<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    for (namespace, name) in [("b", "1"), ("a", "2"), ("a", "1"), ("b", "0"), ("a", "10")] {
        let key = Key::namespaced(ObjectKind::DebugSession, namespace, name);
        store
            .commit(put(key, json!(1), Expected::Absent))
            .await
            .unwrap();
    }
    create(&*store, "another-kind", json!(1)).await;
    let names = |page: &Page| -> Vec<String> {
        page.objects
            .iter()
            .map(|object| format!("{}/{}", object.key.namespace, object.key.name))
            .collect()
    };
    let mut query = ListQuery::all(ObjectKind::DebugSession);
    query.limit = 2;
    let mut found = Vec::new();
    let mut pages = 0;
    loop {
        let page = store.list(query.clone()).await.unwrap();
        found.extend(names(&page));
        pages += 1;
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(found, ["a/1", "a/10", "a/2", "b/0", "b/1"]);
    assert_eq!(pages, 3);
    let mut in_namespace = ListQuery::all(ObjectKind::DebugSession);
    in_namespace.namespace = Some("b".to_owned());
    assert_eq!(
        names(&store.list(in_namespace).await.unwrap()),
        ["b/0", "b/1"]
    );
}

async fn limits_are_refused_with_numbers<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let large = json!("x".repeat(MAX_OBJECT_BYTES));
    let error = store
        .commit(put(key("c1"), large, Expected::Absent))
        .await
        .unwrap_err();
    assert!(matches!(error, CommitError::TooLarge { .. }), "{error}");
    let mut many = put(key("c1"), json!(1), Expected::Absent);
    many.events = vec![event("c1", Action::Login); MAX_EVENTS_PER_COMMIT + 1];
    let error = store.commit(many).await.unwrap_err();
    assert!(
        matches!(error, CommitError::TooManyEvents { events: 65, .. }),
        "{error}"
    );
    assert_eq!(store.get(key("c1")).await.unwrap(), None);
}

async fn a_watch_sees_every_change_in_order<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    create(&*store, "before", json!(0)).await;
    let mut watch = store.watch(WatchFrom::Now).await.unwrap();
    let mut expected = Vec::new();
    for round in 0..20 {
        let version = create(&*store, "c1", json!(round)).await;
        let deleted = store.commit(delete(key("c1"), version)).await.unwrap();
        expected.push((version.0, Some(json!(round))));
        expected.push((deleted.version.0, None));
    }
    for (revision, body) in expected {
        let change = next(&mut watch).await;
        assert_eq!(change.revision, revision);
        assert_eq!(change.key, key("c1"));
        assert_eq!(
            change.object.map(|object| object.body.clone()),
            body.map(Json::from)
        );
    }
}

async fn a_watch_resumes_without_gaps_over_a_reopen<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let first = create(&*store, "seen", json!(0)).await;
    let mut watch = store.watch(WatchFrom::After(Revision(0))).await.unwrap();
    assert_eq!(next(&mut watch).await.revision, first.0);
    let kept = create(&*store, "kept", json!(1)).await;
    let version = create(&*store, "gone", json!(2)).await;
    let gone = store.commit(delete(key("gone"), version)).await.unwrap();
    drop(store);
    assert_eq!(next(&mut watch).await.revision, kept.0);
    drop(watch);
    let store = subject.open();
    let mut watch = store.watch(WatchFrom::After(first.0)).await.unwrap();
    let later = create(&*store, "later", json!(3)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let change = next(&mut watch).await;
        told.push((change.revision, change.key.name, change.object.is_some()));
    }
    assert_eq!(
        told,
        [
            (kept.0, "kept".to_owned(), true),
            (gone.version.0, "gone".to_owned(), false),
            (later.0, "later".to_owned(), true)
        ]
    );
}

/// Far more changes than any buffer holds, to few objects; the watch reads nothing until all are made.
async fn a_slow_watch_ends_in_the_same_state<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let mut watch = store.watch(WatchFrom::Now).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..16 {
        let store = store.clone();
        writers.spawn(async move {
            let name = format!("c{writer}");
            let mut version = create(&*store, &name, json!(0)).await;
            for round in 1..=100 {
                version = store
                    .commit(put(key(&name), json!(round), Expected::At(version)))
                    .await
                    .unwrap()
                    .version;
            }
            if writer == 7 {
                store.commit(delete(key(&name), version)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let last = create(&*store, "last", json!("last")).await;
    let mut state = std::collections::BTreeMap::new();
    let mut previous = Revision(0);
    loop {
        let change = next(&mut watch).await;
        assert!(change.revision > previous, "in order, none twice");
        previous = change.revision;
        match change.object {
            Some(object) => state.insert(change.key.name, object.body.clone()),
            None => state.remove(&change.key.name),
        };
        if change.revision == last.0 {
            break;
        }
    }
    assert_eq!(state.len(), 16, "15 counters and the last");
    assert!(!state.contains_key("c7"));
    assert!(
        state
            .iter()
            .all(|(name, body)| name == "last" || *body == json!(100).into())
    );
}

async fn a_watch_of_large_objects_is_complete<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let mut watch = store.watch(WatchFrom::Now).await.unwrap();
    let large = json!("x".repeat(1024 * 1024));
    for round in 0..20 {
        create(&*store, &format!("c{round:02}"), large.clone()).await;
    }
    for round in 0..20 {
        let change = next(&mut watch).await;
        assert_eq!(change.key.name, format!("c{round:02}"));
        assert_eq!(change.object.unwrap().body, large.clone().into());
    }
}

/// Objects are made while the list is read page by page; list and watch together know them all.
async fn a_list_then_watch_misses_nothing<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 0..200 {
                create(&*store, &format!("c{round:03}"), json!(round)).await;
            }
        })
    };
    let mut query = ListQuery::all(ObjectKind::Cluster);
    query.limit = 3;
    let mut known = BTreeSet::new();
    let mut from = None;
    loop {
        let page = store.list(query.clone()).await.unwrap();
        let _ = from.get_or_insert(page.revision);
        known.extend(page.objects.into_iter().map(|object| object.key.name));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let mut watch = store.watch(WatchFrom::After(from.unwrap())).await.unwrap();
    while known.len() < 200 {
        known.insert(next(&mut watch).await.key.name);
    }
    writer.await.unwrap();
}

async fn a_watch_from_the_future_must_list_again<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    create(&*store, "c1", json!(1)).await;
    let mut watch = store.watch(WatchFrom::After(Revision(99))).await.unwrap();
    assert_eq!(
        watch.next().await.unwrap_err(),
        WatchError::Resync {
            after: Revision(99)
        }
    );
    assert_eq!(watch.next().await.unwrap_err(), WatchError::Closed);
}

async fn a_watch_from_before_forgotten_deletions_must_list_again<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let seen = create(&*store, "seen", json!(1)).await;
    // More than any store keeps.
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..64 {
        let store = store.clone();
        writers.spawn(async move {
            let name = format!("c{writer}");
            for _ in 0..160 {
                let version = create(&*store, &name, json!(1)).await;
                store.commit(delete(key(&name), version)).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let mut watch = store.watch(WatchFrom::After(seen.0)).await.unwrap();
    assert_eq!(
        watch.next().await.unwrap_err(),
        WatchError::Resync { after: seen.0 }
    );
}

async fn several_are_read_at_once<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    create(&*store, "c1", json!(1)).await;
    create(&*store, "c2", json!(2)).await;
    let keys = ["c2", "none", "c1", "c2"].map(key).to_vec();
    let read = store.get_many(keys).await.unwrap();
    let bodies: Vec<Option<Value>> = read
        .into_iter()
        .map(|o| o.map(|o| o.body.read().unwrap()))
        .collect();
    assert_eq!(
        bodies,
        [Some(json!(2)), None, Some(json!(1)), Some(json!(2))]
    );
    assert!(store.get_many(Vec::new()).await.unwrap().is_empty());
}

async fn the_head_is_never_behind_an_answer<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0..20 {
                let made = create(&*store, &format!("c{writer}-{round}"), json!(0)).await;
                assert!(store.head().await.unwrap() >= made.0);
            }
        });
    }
    writers.join_all().await;
    let head = store.head().await.unwrap();
    let listed = store.list(ListQuery::all(ObjectKind::Cluster)).await;
    assert_eq!(listed.unwrap().revision, head, "nobody writes any more");
    drop(store);
    assert_eq!(subject.open().head().await.unwrap(), head);
}

/// What is there from the first page to the last is met exactly once, whatever comes and goes meanwhile.
async fn pages_are_complete_while_others_write<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    for number in 0..60 {
        create(&*store, &format!("stays-{number:02}"), json!(0)).await;
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let writer = tokio::spawn({
        let (store, stop) = (store.clone(), stop.clone());
        async move {
            for round in 0.. {
                let name = format!("s{}", round % 7);
                let version = create(&*store, &name, json!(round)).await;
                store.commit(delete(key(&name), version)).await.unwrap();
                if stop.is_cancelled() {
                    return;
                }
            }
        }
    });
    for limit in [1, 7, 59, 60, 61] {
        let mut query = ListQuery::all(ObjectKind::Cluster);
        query.limit = limit;
        let mut met = Vec::new();
        loop {
            let page = store.list(query.clone()).await.unwrap();
            assert!(page.objects.len() <= limit);
            met.extend(page.objects.into_iter().map(|object| object.key.name));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert!(met.is_sorted(), "in order of keys");
        met.retain(|name| name.starts_with("stays-"));
        let expected: Vec<String> = (0..60).map(|number| format!("stays-{number:02}")).collect();
        assert_eq!(met, expected, "pages of {limit}");
    }
    stop.cancel();
    writer.await.unwrap();
}

/// Events are numbered in the order of the commits that brought them, also where many commit at once.
async fn the_audit_log_is_in_order_and_paged<S: Subject>() {
    let subject = S::create();
    let store = subject.open();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let store = store.clone();
        writers.spawn(async move {
            for round in 0..10 {
                let name = format!("c{writer}-{round}");
                let mut commit = put(key(&name), json!(0), Expected::Absent);
                commit.events = vec![
                    event(&name, Action::ClusterRegistered),
                    event(&name, Action::ClusterAccepted),
                ];
                store.commit(commit).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let mut query = AuditQuery {
        of: None,
        after: 0,
        limit: 7,
    };
    let mut met = Vec::new();
    loop {
        let page = store.audit(query.clone()).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 7);
        query.after = last.sequence;
        met.extend(page);
    }
    assert!(met.iter().map(|record| record.sequence).eq(1..=120));
    for pair in met.chunks(2) {
        assert_eq!(pair[0].event.object, pair[1].event.object, "side by side");
        assert_eq!(pair[0].event.action, Action::ClusterRegistered);
    }
}

/// Sessions of the largest test.
const MANY: usize = 100_000;
/// Its writers: more than share one transaction.
const WRITERS: usize = 256;

async fn a_hundred_thousand_sessions_are_written_listed_and_watched<S: Subject>() {
    let session = |number: usize| {
        let name = format!("debug-session-{number:06}");
        Key::namespaced(ObjectKind::DebugSession, "breakglass", &name)
    };
    let subject = S::create();
    let store = subject.open();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for number in (writer..MANY).step_by(WRITERS) {
                let body = json!({ "spec": { "cluster": "west", "number": number } });
                store
                    .commit(put(session(number), body, Expected::Absent))
                    .await
                    .unwrap();
            }
        });
    }
    writers.join_all().await;
    drop(store);
    let store = subject.open();
    let mut query = ListQuery::all(ObjectKind::DebugSession);
    query.limit = usize::MAX;
    let mut listed = 0;
    loop {
        let page = store.list(query.clone()).await.unwrap();
        assert!(page.objects.len() <= MAX_PAGE, "whatever is asked");
        for object in &page.objects {
            assert_eq!(object.key, session(listed));
            let body: Value = object.body.read().unwrap();
            assert_eq!(body["spec"]["number"], listed);
            listed += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(listed, MANY);
    let mut watch = store.watch(WatchFrom::After(Revision(0))).await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < MANY {
        assert!(
            seen.insert(next(&mut watch).await.key),
            "nothing comes twice"
        );
    }
}
