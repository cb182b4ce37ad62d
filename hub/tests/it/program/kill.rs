//! SIGKILL at random moments, again and again, while people work: what was acknowledged is there, and once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use breakglass_hub::sessions;
use breakglass_hub::store::sqlite::SqliteStore;
use breakglass_hub::store::{AuditQuery, ListQuery, MAX_PAGE, ObjectKind, Store};
use breakglass_hub_core::audit::Action;
use breakglass_hub_core::ledger::Ledger;
use breakglass_hub_core::session::{Session, StateName};
use http::Method;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Client, Died, Program, is_for_later};

/// Acknowledged mutations before the test ends, and kills spread over them.
const MUTATIONS: usize = 1_000;
const KILLS: usize = 20;
/// Another seed: `BREAKGLASS_TEST_SEED=7 cargo test …`.
const SEED: u64 = 1;

/// Acknowledgements so far.
#[derive(Clone)]
struct Count(watch::Sender<usize>);

impl Count {
    fn one_more(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    fn is_enough(&self) -> bool {
        *self.0.borrow() >= MUTATIONS
    }
}

/// What one person was told of one session.
#[derive(Debug)]
struct Story {
    name: String,
    approved: bool,
    joined: bool,
    terminated: bool,
    /// Tries of a join that ended without an answer.
    unheard_joins: usize,
}

/// The people at one desk: one asks, one approves, one joins.
struct Desk {
    owner: Client,
    approver: Client,
    guest: Client,
    count: Count,
    /// Creates that ended without an answer.
    unheard: Arc<AtomicUsize>,
}

impl Desk {
    async fn work(mut self) -> Vec<Story> {
        let mut stories = Vec::new();
        while !self.count.is_enough() {
            if let Some(story) = self.story(stories.len() % 3 == 0).await {
                stories.push(story);
            }
        }
        stories
    }

    /// A session from its request to its end; every third is withdrawn instead of approved.
    async fn story(&mut self, withdrawn: bool) -> Option<Story> {
        let mut story = Story {
            name: self.create().await?,
            approved: false,
            joined: false,
            terminated: false,
            unheard_joins: 0,
        };
        let path = |verb: &str| format!("/debug-sessions/{}/{verb}", story.name);
        let (approve, join, terminate) = (path("approve"), path("join"), path("terminate"));
        if !withdrawn {
            story.approved = done(&mut self.approver, &approve, &self.count).await.0;
            (story.joined, story.unheard_joins) = done(&mut self.guest, &join, &self.count).await;
        }
        if !self.count.is_enough() {
            story.terminated = done(&mut self.owner, &terminate, &self.count).await.0;
        }
        Some(story)
    }

    /// `None` if nobody knows what became of it.
    async fn create(&mut self) -> Option<String> {
        let wish = json!({ "templateRef": "approved-debug", "cluster": "west" });
        loop {
            match self
                .owner
                .send(Method::POST, "/debug-sessions", &wish)
                .await
            {
                Ok(answer) if is_for_later(&answer) => tokio::task::yield_now().await,
                Ok(answer) => {
                    let name = crate::harness::name_of(&answer.created());
                    self.count.one_more();
                    return Some(name);
                }
                Err(Died) => {
                    self.unheard.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            }
        }
    }
}

/// A verb until it is known to be done, and how many tries may have been done before.
async fn done(client: &mut Client, path: &str, count: &Count) -> (bool, usize) {
    let decided = client.until_answered(path, &json!({})).await;
    match decided.answer.status.as_u16() {
        200 => {}
        // A try before, whose answer was lost, did it.
        409 if decided.deaths > 0 => {}
        _ => panic!("{path}: {}", decided.answer.text()),
    }
    count.one_more();
    (true, decided.deaths)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_mutations_and_twenty_kills_lose_nothing_and_double_nothing() {
    let program = tokio::task::spawn_blocking(Program::start).await.unwrap();
    let mut root = program.client("root");
    let west = json!({ "name": "west" });
    root.until_answered("/clusters", &west)
        .await
        .answer
        .created();
    let count = Count(watch::Sender::new(0));
    let unheard = Arc::new(AtomicUsize::new(0));
    let mut desks = JoinSet::new();
    for (owner, approver, guest) in [
        ("alice", "carol", "mallory"),
        ("bob", "dave", "alice"),
        ("mallory", "carol", "bob"),
        ("dave", "carol", "bob"),
    ] {
        let desk = Desk {
            owner: program.client(owner),
            approver: program.client(approver),
            guest: program.client(guest),
            count: count.clone(),
            unheard: unheard.clone(),
        };
        desks.spawn(desk.work());
    }
    let mut program = kill_at_random(program, &count).await;
    let stories: Vec<Story> = desks.join_all().await.into_iter().flatten().collect();
    program.kill();
    let store = SqliteStore::open(&program.state().join("hub.db")).unwrap();
    check(&store, &stories, unheard.load(Ordering::Relaxed)).await;
}

async fn kill_at_random(mut program: Program, count: &Count) -> Program {
    let seed = std::env::var("BREAKGLASS_TEST_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut reached = count.0.subscribe();
    for kill in 0..KILLS {
        // One in each twentieth of the way, somewhere in it.
        let share = MUTATIONS / KILLS;
        let at = kill * share + random.random_range(0..share);
        reached.wait_for(|count| *count >= at).await.unwrap();
        program = tokio::task::spawn_blocking(move || {
            program.kill_and_start_again();
            program
        })
        .await
        .unwrap();
    }
    program
}

async fn check(store: &SqliteStore, stories: &[Story], unheard: usize) {
    let stored = all_sessions(store).await;
    let told: BTreeSet<&str> = stories.iter().map(|story| story.name.as_str()).collect();
    assert_eq!(told.len(), stories.len(), "no name was given twice");
    let unknown = stored.keys().filter(|name| !told.contains(name.as_str()));
    assert!(unknown.count() <= unheard, "more sessions than requests");
    let events = events(store).await;
    for story in stories {
        let session = stored
            .get(&story.name)
            .unwrap_or_else(|| panic!("lost: {story:?}"));
        let times = |action| {
            events
                .get(&(story.name.clone(), action))
                .copied()
                .unwrap_or(0)
        };
        assert_eq!(session.decision.is_some(), story.approved, "{story:?}");
        assert_eq!(
            times(Action::Approved),
            usize::from(story.approved),
            "{story:?}"
        );
        let stays = session.participants.len() - 1;
        assert_eq!(stays, usize::from(story.joined), "{story:?}: joined once");
        // Joining again is allowed and told of; it changes nothing.
        let joins = times(Action::Joined);
        assert!(
            joins <= stays + story.unheard_joins && joins >= stays,
            "{story:?}"
        );
        let ended = session.state.name() == StateName::Terminated;
        assert_eq!(ended, story.terminated, "{story:?}");
        assert!(times(Action::Terminated) >= usize::from(ended), "{story:?}");
    }
    for name in stored.keys() {
        let requested = (name.clone(), Action::Requested);
        assert_eq!(events.get(&requested), Some(&1), "{name} was made once");
    }
    check_places(store, &stored).await;
}

/// Every open session counts under its limit, once.
async fn check_places(store: &SqliteStore, stored: &BTreeMap<String, Session>) {
    let page = store
        .list(ListQuery::all(ObjectKind::Ledger))
        .await
        .unwrap();
    let ledgers: Vec<Ledger> = page
        .objects
        .into_iter()
        .map(|object| object.body.read().unwrap())
        .collect();
    for session in stored
        .values()
        .filter(|session| session.state.end().is_none())
    {
        let places = ledgers
            .iter()
            .filter(|ledger| ledger.open.contains_key(&session.uid));
        assert_eq!(places.count(), 1, "{}", session.name);
    }
}

async fn all_sessions(store: &SqliteStore) -> BTreeMap<String, Session> {
    let mut found = BTreeMap::new();
    let mut query = ListQuery::all(ObjectKind::DebugSession);
    loop {
        let page = store.list(query.clone()).await.unwrap();
        for object in page.objects {
            found.insert(object.key.name.clone(), sessions::read(&object).unwrap());
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return found,
        }
    }
}

async fn events(store: &SqliteStore) -> BTreeMap<(String, Action), usize> {
    let mut found = BTreeMap::new();
    let mut query = AuditQuery {
        of: None,
        after: 0,
        limit: MAX_PAGE,
    };
    loop {
        let page = store.audit(query.clone()).await.unwrap();
        let Some(last) = page.last() else {
            return found;
        };
        query.after = last.sequence;
        for record in page {
            let of = (record.event.object.name, record.event.action);
            *found.entry(of).or_default() += 1;
        }
    }
}
