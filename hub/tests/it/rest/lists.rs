//! `GET /debug-sessions`: who sees what, filters, pages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Actor, TestHub};

fn names(list: &Value) -> Vec<String> {
    list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn list(who: &Actor, query: &str) -> Value {
    who.get(&format!("/debug-sessions{query}")).await.ok()
}

/// A session one second younger than everything before it.
async fn next_session(hub: &TestHub, who: &Actor, template: &str, cluster: &str) -> String {
    hub.clock.advance(Duration::from_secs(1));
    let made = who
        .post(
            "/debug-sessions",
            json!({ "templateRef": template, "cluster": cluster }),
        )
        .await
        .created();
    made["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everybody_sees_their_own_and_what_concerns_them() {
    let hub = TestHub::start().await;
    let (alice, bob) = (hub.alice(), hub.bob());
    let quick = next_session(&hub, &alice, "quick-debug", "west").await;
    let waiting = next_session(&hub, &alice, "approved-debug", "west").await;
    let bobs = next_session(&hub, &bob, "quick-debug", "east-1").await;
    let invited = json!({ "users": ["eve@example.com"] });
    alice
        .post(&format!("/debug-sessions/{quick}/invite"), invited)
        .await
        .ok();

    assert_eq!(
        names(&list(&alice, "").await),
        [&*waiting, &*quick],
        "newest first"
    );
    assert_eq!(names(&list(&bob, "").await), [&*bobs]);
    assert_eq!(
        names(&list(&hub.carol(), "").await),
        [&*waiting],
        "what she may decide on"
    );
    assert_eq!(
        names(&list(&hub.eve(), "").await),
        [&*quick],
        "what she is invited to"
    );
    assert_eq!(
        names(&list(&hub.root(), "").await),
        [&*bobs, &*waiting, &*quick]
    );
    let none = list(&hub.mallory(), "").await;
    assert_eq!(none, json!({ "sessions": [], "total": 0 }));
}

#[tokio::test]
async fn a_summary_says_what_a_table_needs() {
    let hub = TestHub::start().await;
    let session = next_session(&hub, &hub.alice(), "quick-debug", "west").await;
    hub.bob().verb("join", &session).await.ok();
    let seen = list(&hub.bob(), "").await;
    let summary = &seen["sessions"][0];
    let expected = json!({
        "name": session,
        "templateRef": "quick-debug",
        "targetNamespace": "breakglass-debug",
        "cluster": "west",
        "requestedBy": "alice@example.com",
        "requestedByDisplayName": "The alice",
        "state": "Active",
        "startsAt": hub.now().to_string(),
        "expiresAt": (hub.now() + Duration::from_secs(3600)).to_string(),
        "participants": 2,
        "isParticipant": true,
        "allowedPods": 0,
        "allowedPodOperations": { "exec": true, "attach": true, "logs": false, "portForward": true },
        "canApprove": false,
        "canReject": false,
        "canJoin": false,
        "canRenew": false,
        "canTerminate": false,
    });
    assert_eq!(*summary, expected);
    let own = list(&hub.alice(), "").await;
    assert_eq!(own["sessions"][0]["canTerminate"], true);
    let foreign = list(&hub.root(), "").await;
    assert_eq!(foreign["sessions"][0]["isParticipant"], false);
}

#[tokio::test]
async fn filters_narrow_and_unknown_ones_are_ignored() {
    let hub = TestHub::start().await;
    let (alice, bob, root) = (hub.alice(), hub.bob(), hub.root());
    let running = next_session(&hub, &alice, "quick-debug", "west").await;
    let waiting = next_session(&hub, &alice, "approved-debug", "east-1").await;
    let ended = next_session(&hub, &bob, "quick-debug", "west").await;
    bob.verb("terminate", &ended).await.ok();
    let (running, waiting, ended) = (&*running, &*waiting, &*ended);

    let cases: &[(&str, &[&str])] = &[
        ("?cluster=west", &[ended, running]),
        ("?cluster=nowhere", &[]),
        ("?state=Active", &[running]),
        ("?state=aCTIVE", &[running]),
        ("?state=active&state=pendingapproval", &[waiting, running]),
        ("?state=active,TERMINATED", &[ended, running]),
        ("?state=Expired", &[]),
        ("?user=alice@example.com", &[waiting, running]),
        ("?user=alice%40example.com&cluster=west", &[running]),
        ("?template=approved-debug", &[waiting]),
        ("?mine=true", &[]),
        ("?mine=false", &[ended, waiting, running]),
        ("?colour=blue", &[ended, waiting, running]),
    ];
    for (query, expected) in cases {
        let found = list(&root, query).await;
        assert_eq!(names(&found), *expected, "{query}");
        assert_eq!(found["total"], expected.len(), "{query}");
    }
    assert_eq!(names(&list(&alice, "?mine=true").await), [waiting, running]);
    // A filter never shows more than the caller may see.
    assert_eq!(
        names(&list(&alice, "?user=bob@example.com").await),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn pages_join_without_gap_or_repeat_while_sessions_come() {
    let hub = TestHub::start().await;
    let alice = hub.alice();
    let mut expected = Vec::new();
    for _ in 0..11 {
        expected.insert(0, next_session(&hub, &alice, "quick-debug", "west").await);
    }
    let mut found = Vec::new();
    let mut query = "?limit=3".to_owned();
    for page_number in 1.. {
        let page = list(&alice, &query).await;
        assert_eq!(page["total"], 10 + page_number, "{query}");
        let page_names = names(&page);
        assert!(page_names.len() <= 3);
        found.extend(page_names);
        // The world goes on between two pages: one more at the front.
        next_session(&hub, &alice, "quick-debug", "west").await;
        match page.get("continue") {
            Some(token) => query = format!("?limit=3&continue={}", token.as_str().unwrap()),
            None => break,
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn sessions_of_one_second_have_an_order_too() {
    let hub = TestHub::start().await;
    let alice = hub.alice();
    for _ in 0..5 {
        alice.asks_for("quick-debug").await;
    }
    let whole = names(&list(&alice, "").await);
    let mut found = Vec::new();
    let mut query = "?limit=1".to_owned();
    while found.len() < 5 {
        let page = list(&alice, &query).await;
        found.extend(names(&page));
        let Some(token) = page.get("continue") else {
            break;
        };
        query = format!("?limit=1&continue={}", token.as_str().unwrap());
    }
    assert_eq!(found, whole);
}

#[tokio::test]
async fn the_last_page_says_so_though_it_is_full() {
    let hub = TestHub::start().await;
    for _ in 0..4 {
        hub.alice().asks_for("quick-debug").await;
    }
    let first = list(&hub.alice(), "?limit=2").await;
    let token = first["continue"].as_str().unwrap();
    let last = list(&hub.alice(), &format!("?limit=2&continue={token}")).await;
    assert_eq!(names(&last).len(), 2);
    assert!(last.get("continue").is_none());
}

/// The index against the obvious: every session read and judged, for everybody, every filter and every page.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_what_judging_every_session_gives() {
    let hub = TestHub::start().await;
    let (alice, bob, dave) = (hub.alice(), hub.bob(), hub.dave());
    for (round, who) in [&alice, &bob, &dave, &alice, &bob, &alice]
        .into_iter()
        .enumerate()
    {
        let quick = next_session(&hub, who, "quick-debug", "west").await;
        let waiting = next_session(&hub, who, "approved-debug", "east-1").await;
        let guest = json!({ "users": ["eve@example.com"] });
        who.post(&format!("/debug-sessions/{quick}/invite"), guest)
            .await
            .ok();
        match round % 3 {
            0 => hub.carol().verb("approve", &waiting).await.ok(),
            1 => who.verb("terminate", &quick).await.ok(),
            _ => hub.mallory().verb("join", &quick).await.ok(),
        };
    }
    // Once as it was built change by change, once as it is read at a start.
    for hub in [hub.after_a_kill().await, hub] {
        let everybody = [
            hub.alice(),
            hub.bob(),
            hub.carol(),
            hub.dave(),
            hub.mallory(),
            hub.eve(),
            hub.root(),
        ];
        for (number, who) in everybody.iter().enumerate() {
            let mut seen = Vec::new();
            for session in list(&hub.root(), "?limit=500").await["sessions"]
                .as_array()
                .unwrap()
            {
                let name = session["name"].as_str().unwrap();
                let answer = who.sees(name).await;
                if answer.status == 200 {
                    let whole = answer.ok();
                    seen.push((name.to_owned(), whole));
                }
            }
            for filter in [
                "",
                "state=Active",
                "state=pendingapproval,terminated",
                "cluster=west",
                "template=approved-debug&state=Active",
                "user=bob@example.com",
            ] {
                let fits = |whole: &Value| {
                    form_urlencoded::parse(filter.as_bytes()).all(|(key, value)| match &*key {
                        "state" => value.split(',').any(|state| {
                            whole["status"]["state"]
                                .as_str()
                                .unwrap()
                                .eq_ignore_ascii_case(state)
                        }),
                        "cluster" => whole["spec"]["cluster"] == *value,
                        "template" => whole["spec"]["templateRef"] == *value,
                        _ => whole["spec"]["requestedBy"] == *value,
                    })
                };
                let expected: Vec<&(String, Value)> =
                    seen.iter().filter(|(_, whole)| fits(whole)).collect();
                let mut found = Vec::new();
                let mut query = format!("?limit=3&{filter}");
                loop {
                    let page = list(who, &query).await;
                    assert_eq!(page["total"], expected.len(), "{number} {filter}");
                    found.extend(page["sessions"].as_array().unwrap().clone());
                    match page.get("continue") {
                        Some(token) => {
                            query =
                                format!("?limit=3&{filter}&continue={}", token.as_str().unwrap())
                        }
                        None => break,
                    }
                }
                let names: Vec<&str> = found
                    .iter()
                    .map(|one| one["name"].as_str().unwrap())
                    .collect();
                let wanted: Vec<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, wanted, "{number} {filter}");
                for (line, (name, whole)) in found.iter().zip(expected) {
                    for flag in [
                        "canApprove",
                        "canReject",
                        "canJoin",
                        "canRenew",
                        "canTerminate",
                    ] {
                        assert_eq!(line[flag], whole[flag], "{number} {name} {flag}");
                    }
                    assert_eq!(line["state"], whole["status"]["state"]);
                }
            }
        }
    }
}
