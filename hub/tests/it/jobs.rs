//! What time does, with no agent connected at all: the hub's own view of the clock is enough.

use std::time::Duration;

use breakglass_hub::app::Change;
use breakglass_hub::jobs;
use breakglass_hub::store::typed;
use breakglass_hub::store::{Key, ObjectKind};
use breakglass_hub_core::audit::Action;
use breakglass_hub_core::ledger::Ledger;
use breakglass_hub_core::session::{Session, StateName};
use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::kinds::cluster::Cluster;
use breakglass_protocol::kinds::debug_session::DebugSession;
use tokio::task::JoinSet;

use crate::harness::TestHub;

const HOUR: Duration = Duration::from_secs(3600);

async fn state(hub: &TestHub, session: &str) -> Option<StateName> {
    let session: Option<Session> = hub.app.session(session).await.unwrap();
    session.map(|session| session.state.name())
}

async fn until_state(hub: &TestHub, session: &str, wanted: StateName) {
    let what = format!("{session} to be {wanted}");
    hub.until(&what, || async {
        state(hub, session).await == Some(wanted)
    })
    .await;
}

async fn actions(hub: &TestHub, session: &str) -> Vec<Action> {
    let events = hub.recorded().await;
    events
        .into_iter()
        .filter(|event| event.object.name == session)
        .map(|event| event.action)
        .collect()
}

async fn open_places(hub: &TestHub, template: &str) -> usize {
    let key = Key::cluster_scoped(ObjectKind::Ledger, template);
    let ledger = typed::get::<Ledger>(hub.app.store.as_ref(), key)
        .await
        .unwrap();
    ledger.map_or(0, |stored| stored.object.open.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_expires_on_time_while_its_agent_is_away() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("few-debug").await;
    assert_eq!(state(&hub, &session).await, Some(StateName::Active));
    assert_eq!(open_places(&hub, "few-debug").await, 1);
    hub.clock.advance(HOUR - Duration::from_secs(2));
    assert_eq!(state(&hub, &session).await, Some(StateName::Active));
    hub.clock.advance(Duration::from_secs(2));
    until_state(&hub, &session, StateName::Expired).await;
    hub.until("the place", || async {
        open_places(&hub, "few-debug").await == 0
    })
    .await;
    assert!(actions(&hub, &session).await.ends_with(&[Action::Expired]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_due_while_the_hub_was_down_is_done_at_start() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    hub.clock.advance(HOUR - Duration::from_secs(1));
    let hub = {
        let clock = hub.clock.clone();
        let stopped = hub.after_a_kill().await;
        clock.advance(Duration::from_secs(5));
        stopped
    };
    until_state(&hub, &session, StateName::Expired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_decides_within_the_timeout_and_the_request_fails() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("approved-debug").await;
    hub.clock.advance(24 * HOUR);
    until_state(&hub, &session, StateName::Failed).await;
    let seen = hub.alice().sees(&session).await.ok();
    let message = seen["status"]["message"].as_str().unwrap();
    assert!(message.contains("nobody approved"), "{message}");
    assert_eq!(
        actions(&hub, &session).await,
        [Action::Requested, Action::TimedOut]
    );
    hub.until("the place", || async {
        open_places(&hub, "approved-debug").await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_is_kept_for_the_retention_and_its_events_for_ever() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    hub.clock.advance(HOUR);
    until_state(&hub, &session, StateName::Expired).await;
    hub.clock.advance(90 * 24 * HOUR - Duration::from_secs(10));
    assert_eq!(state(&hub, &session).await, Some(StateName::Expired));
    hub.clock.advance(Duration::from_secs(20));
    hub.until("the removal", || async {
        state(&hub, &session).await.is_none()
    })
    .await;
    assert!(actions(&hub, &session).await.ends_with(&[Action::Expired]));
}

/// More than the job notes in one go, as after a hub was away for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_ended_sessions_are_removed_however_many_are_due_at_once() {
    const SESSIONS: usize = 2_500;
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    hub.alice().verb("terminate", &session).await.ok();
    let ended = hub.app.session(&session).await.unwrap().unwrap();
    let mut writers = JoinSet::new();
    for number in 0..SESSIONS {
        let (app, mut like) = (hub.app.clone(), ended.clone());
        like.name = format!("debug-session-{number:06}");
        like.uid = GrantUid::new(format!("uid-{number}"));
        writers.spawn(async move {
            let key = app.session_key(&like.name);
            let object = DebugSession::from(&like);
            app.create(key, object, Vec::new()).await.unwrap();
        });
    }
    writers.join_all().await;
    let stored = || async {
        let counted = hub.app.sessions.census(hub.app.store.as_ref()).await;
        let by_state = counted.unwrap().by_state;
        by_state.iter().map(|(_, count)| count).sum::<usize>()
    };
    assert_eq!(stored().await, SESSIONS + 1);
    hub.clock.advance(91 * 24 * HOUR);
    hub.until("the removal", || async { stored().await == 0 })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_run_twice_do_everything_once() {
    let hub = TestHub::start().await;
    let mut again = JoinSet::new();
    jobs::start(&hub.app, &mut again);
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.push(hub.alice().asks_for("quick-debug").await);
    }
    hub.clock.advance(HOUR);
    for session in &sessions {
        until_state(&hub, session, StateName::Expired).await;
        let expired = actions(&hub, session).await;
        let times = expired
            .iter()
            .filter(|action| **action == Action::Expired)
            .count();
        assert_eq!(times, 1);
    }
}

/// How many run every job at once.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Runners {
    One,
    Three,
}

/// Everything that time does, in one story; what is there in the end, without the names that chance gives.
async fn what_time_makes(runners: Runners) -> Vec<String> {
    let hub = TestHub::start().await;
    let mut more = JoinSet::new();
    if runners == Runners::Three {
        jobs::start(&hub.app, &mut more);
        jobs::start(&hub.app, &mut more);
    }
    let mut sessions = Vec::new();
    for template in ["quick-debug", "approved-debug", "few-debug"] {
        for _ in 0..4 {
            sessions.push((template, hub.alice().asks_for(template).await));
        }
    }
    let west = Key::cluster_scoped(ObjectKind::Cluster, "west");
    let shown = |mut cluster: Cluster, _| {
        cluster.status.get_or_insert_default().connected = Some(true);
        Ok::<_, std::convert::Infallible>(Change {
            object: cluster,
            events: Vec::new(),
        })
    };
    hub.app.update(&west, shown).await.unwrap();
    let approved = &sessions[4].1;
    hub.carol().verb("approve", approved).await.ok();
    hub.alice().verb("terminate", &sessions[0].1).await.ok();
    // Expiry; then the approval timeout; then the ledgers' round. Each step is done before the next.
    hub.clock.advance(HOUR);
    for (template, session) in &sessions[1..] {
        if *template != "approved-debug" || session == approved {
            until_state(&hub, session, StateName::Expired).await;
        }
    }
    hub.clock.advance(24 * HOUR);
    for (_, session) in &sessions[5..8] {
        until_state(&hub, session, StateName::Failed).await;
    }
    for template in ["quick-debug", "approved-debug", "few-debug"] {
        hub.until("the places", || async {
            open_places(&hub, template).await == 0
        })
        .await;
    }
    hub.until("the cluster", || async {
        hub.recorded()
            .await
            .iter()
            .any(|event| event.action == Action::ClusterDisconnected)
    })
    .await;
    let mut end = Vec::new();
    for (template, session) in &sessions {
        let state = state(&hub, session).await;
        end.push(format!(
            "{template} {state:?} {:?}",
            actions(&hub, session).await
        ));
    }
    end.push(format!("{:?}", actions(&hub, "west").await));
    hub.clock.advance(91 * 24 * HOUR);
    for (_, session) in &sessions {
        hub.until("the removal", || async {
            state(&hub, session).await.is_none()
        })
        .await;
    }
    end.push(format!("{} events in all", hub.recorded().await.len()));
    end
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_that_run_every_job_at_once_make_what_one_makes() {
    let one = what_time_makes(Runners::One).await;
    assert_eq!(what_time_makes(Runners::Three).await, one);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_a_crash_left_is_given_back_and_a_lost_one_is_taken_again() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("few-debug").await;
    let key = Key::cluster_scoped(ObjectKind::Ledger, "few-debug");
    let now = hub.app.now().wall;
    hub.app
        .update(&key, |ledger: Ledger, _| {
            let mut left = ledger.open.values().next().cloned().unwrap();
            left.session = "debug-session-never-was".into();
            left.taken_at = now;
            let open = [(GrantUid::new("of-a-session-that-never-was"), left)];
            let object = Ledger {
                open: open.into_iter().collect(),
                made: 7,
                ..Ledger::default()
            };
            Ok::<_, std::convert::Infallible>(Change {
                object,
                events: Vec::new(),
            })
        })
        .await
        .unwrap();
    let wanted = hub.app.session(&session).await.unwrap().unwrap().uid;
    hub.as_time_passes("the repair", || async {
        let stored = typed::get::<Ledger>(hub.app.store.as_ref(), key.clone())
            .await
            .unwrap()
            .unwrap();
        let ledger = stored.object;
        // What was not made after all is not counted.
        ledger.open.len() == 1 && ledger.open.contains_key(&wanted) && ledger.made == 6
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_only_seems_connected_is_shown_as_away() {
    let hub = TestHub::start().await;
    let key = Key::cluster_scoped(ObjectKind::Cluster, "west");
    hub.app
        .update(&key, |mut cluster: Cluster, _| {
            cluster.status.get_or_insert_default().connected = Some(true);
            Ok::<_, std::convert::Infallible>(Change {
                object: cluster,
                events: Vec::new(),
            })
        })
        .await
        .unwrap();
    hub.as_time_passes("the truth", || async {
        let stored = typed::get::<Cluster>(hub.app.store.as_ref(), key.clone())
            .await
            .unwrap()
            .unwrap();
        stored.object.status.unwrap().connected == Some(false)
    })
    .await;
}
