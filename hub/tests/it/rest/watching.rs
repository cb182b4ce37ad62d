//! `GET /watch`: what changes, for whom, from where.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use breakglass_protocol::limits::MAX_BODY_BYTES;
use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Actor, TestHub, request};

/// No event comes later than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event as a client reads it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

/// An open watch.
struct Watch {
    body: BodyDataStream,
    text: String,
}

impl Watch {
    async fn open(who: &Actor, query: &str, after: Option<&str>) -> Self {
        let mut asked = request(Method::GET, &format!("/watch{query}"), Body::empty());
        if let Some(id) = after {
            asked
                .headers_mut()
                .insert("last-event-id", id.parse().unwrap());
        }
        let response = who.open(asked).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// An open watch that said that it is ready.
    async fn ready(who: &Actor, query: &str) -> Self {
        let mut watch = Self::open(who, query, None).await;
        assert_eq!(watch.next().await.unwrap().name, "ready");
        watch
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|text| text.trim_start_matches(": ").to_owned())
            };
            if let Some(data) = field("data") {
                return Some(Event {
                    name: field("event").unwrap(),
                    id: field("id").unwrap(),
                    data: serde_json::from_str(&data).unwrap(),
                });
            }
        }
    }

    /// The next block of lines, a sign of life too.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return Some(block);
            }
            let read = tokio::time::timeout(PATIENCE, self.body.next());
            let chunk = read.await.expect("nothing came")?.unwrap();
            assert!(self.text.len() < MAX_BODY_BYTES);
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn told(&mut self, name: &str) -> Value {
        let event = self.next().await.unwrap();
        assert_eq!(event.name, name, "{event:?}");
        event.data
    }
}

#[tokio::test]
async fn a_watch_tells_each_person_what_they_may_see_with_their_own_flags() {
    let hub = TestHub::start().await;
    let mut alice = Watch::ready(&hub.alice(), "").await;
    let mut carol = Watch::ready(&hub.carol(), "").await;
    let mut mallory = Watch::ready(&hub.mallory(), "").await;
    let session = hub.alice().asks_for("approved-debug").await;
    let told = alice.told("session").await;
    assert_eq!(
        (&told["name"], &told["state"]),
        (&json!(session), &json!("PendingApproval"))
    );
    assert_eq!(
        (&told["canApprove"], &told["canTerminate"]),
        (&json!(false), &json!(true))
    );
    let listed = hub.alice().get("/debug-sessions").await.ok();
    assert_eq!(
        told, listed["sessions"][0],
        "no more and no less than the list tells"
    );
    assert_eq!(carol.told("session").await["canApprove"], true);

    // Invited, somebody sees the session; of what was before they hear nothing.
    let invite = json!({ "users": ["mallory@example.com"] });
    hub.alice()
        .post(&format!("/debug-sessions/{session}/invite"), invite)
        .await
        .ok();
    assert_eq!(mallory.told("session").await["name"], json!(session));
    assert_eq!(alice.told("session").await["state"], "PendingApproval");
    hub.carol().verb("approve", &session).await.ok();
    assert_eq!(alice.told("session").await["state"], "Active");
}

#[tokio::test]
async fn a_watch_goes_on_after_the_last_event_that_was_read() {
    let hub = TestHub::start().await;
    let mut watch = Watch::ready(&hub.alice(), "").await;
    let first = hub.alice().asks_for("quick-debug").await;
    let event = watch.next().await.unwrap();
    assert_eq!(event.data["name"], json!(first));
    drop(watch);
    hub.alice().verb("terminate", &first).await.ok();
    let second = hub.alice().asks_for("quick-debug").await;
    let mut again = Watch::open(&hub.alice(), "", Some(&event.id)).await;
    assert_eq!(again.next().await.unwrap().name, "ready");
    assert_eq!(again.told("session").await["state"], "Terminated");
    assert_eq!(again.told("session").await["name"], json!(second));

    let mut ahead = Watch::open(&hub.alice(), "", Some("999999999")).await;
    assert_eq!(ahead.next().await.unwrap().name, "resync");
    assert_eq!(ahead.next().await, None);
    let mut odd = request(Method::GET, "/watch", Body::empty());
    odd.headers_mut()
        .insert("last-event-id", "x".parse().unwrap());
    hub.alice().send(odd).await.refused(400, "malformed");
}

#[tokio::test]
async fn filters_say_when_a_session_no_longer_fits() {
    let hub = TestHub::start().await;
    let mut watch = Watch::ready(&hub.alice(), "?state=active&mine=true").await;
    let session = hub.alice().asks_for("quick-debug").await;
    assert_eq!(watch.told("session").await["state"], "Active");
    hub.alice().verb("terminate", &session).await.ok();
    assert_eq!(watch.told("gone").await, json!({ "name": session }));
    let bad = request(Method::GET, "/watch?state=dreaming", Body::empty());
    hub.alice().send(bad).await.refused(400, "malformed");
}

#[tokio::test]
async fn a_removed_session_is_gone_for_who_saw_it_and_silent_for_others() {
    let hub = TestHub::start().await;
    let session = hub.alice().asks_for("quick-debug").await;
    let mut alice = Watch::ready(&hub.alice(), "").await;
    let mut eve = Watch::ready(&hub.eve(), "").await;
    let key = hub.app.session_key(&session);
    let stored = hub.app.store.get(key.clone()).await.unwrap().unwrap();
    let removal = breakglass_hub::store::typed::delete(key, stored.version, Vec::new());
    hub.app.store.commit(removal).await.unwrap();
    assert_eq!(alice.told("gone").await, json!({ "name": session }));
    hub.clock.advance(Duration::from_secs(15));
    let beat = eve.block().await.unwrap();
    assert!(beat.starts_with(": alive\nid: "), "{beat}");
}

#[tokio::test]
async fn watches_are_limited_for_each_person_and_end_with_the_hub() {
    let hub = TestHub::start().await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(Watch::ready(&hub.alice(), "").await);
    }
    let one_more = request(Method::GET, "/watch", Body::empty());
    let refused = hub.alice().send(one_more).await;
    assert_eq!(refused.header("retry-after"), Some("15"));
    refused.refused(429, "tooManyRequests");
    let mut other = Watch::ready(&hub.bob(), "").await;
    open.pop();
    hub.until("the place to be given back", || async {
        let asked = request(Method::GET, "/watch", Body::empty());
        hub.alice().open(asked).await.status() == 200
    })
    .await;
    hub.app.shutdown.cancel();
    assert_eq!(other.next().await, None);
}

#[tokio::test]
async fn a_watch_ends_after_its_longest_time_and_goes_on_after_its_last_event() {
    let hub = TestHub::start().await;
    let mut watch = Watch::open(&hub.alice(), "", None).await;
    let ready = watch.next().await.unwrap();
    hub.clock.advance(Duration::from_secs(3600));
    assert_eq!(watch.next().await, None);
    let session = hub.alice().asks_for("quick-debug").await;
    let mut again = Watch::open(&hub.alice(), "", Some(&ready.id)).await;
    assert_eq!(again.next().await.unwrap().name, "ready");
    assert_eq!(again.told("session").await["name"], json!(session));
}
