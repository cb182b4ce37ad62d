//! The templates folder of a running hub (D22): edits come in while it serves, and what is wrong harms nothing else.

use std::path::PathBuf;
use std::time::Duration;

use breakglass_hub::store::{Key, ObjectKind, Owner};
use breakglass_hub_core::audit::Action;
use serde_json::Value;

use crate::harness::TestHub;

/// A second pod template, in a file of its own.
const EXTRA: &str = "apiVersion: breakglass.t-caas.telekom.com/v1alpha1
kind: DebugPodTemplate
metadata: {name: extra}
spec:
  displayName: one
  template:
    spec:
      containers: [{name: c, image: busybox}]
";

struct Folder<'a> {
    hub: &'a TestHub,
    path: PathBuf,
}

impl Folder<'_> {
    fn of(hub: &TestHub) -> Folder<'_> {
        Folder {
            hub,
            path: hub.state().parent().unwrap().join("templates"),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path.join(name), text).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path.join(name)).unwrap();
    }

    /// The stored pod template `extra`, if there is one.
    async fn extra(&self) -> Option<Value> {
        let key = Key::cluster_scoped(ObjectKind::DebugPodTemplate, "extra");
        let object = self.hub.app.store.get(key).await.unwrap()?;
        assert!(matches!(object.owner, Owner::File(_)));
        Some(object.body.read().unwrap())
    }

    /// Lets the hub look again and again until `holds`.
    async fn until(&self, what: &str, holds: impl Fn(Option<&Value>) -> bool) {
        self.hub
            .as_time_passes(what, || async { holds(self.extra().await.as_ref()) })
            .await;
    }
}

fn shows(extra: Option<&Value>, name: &str) -> bool {
    extra.is_some_and(|extra| extra["spec"]["displayName"] == name)
}

fn ready(extra: Option<&Value>) -> Option<(&str, &str)> {
    let condition = extra?.pointer("/status/conditions/0")?;
    Some((
        condition["reason"].as_str()?,
        condition["message"].as_str()?,
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_comes_changes_breaks_is_mended_and_goes() {
    let hub = TestHub::start_empty().await;
    let folder = Folder::of(&hub);
    folder.write("extra.yaml", EXTRA);
    folder
        .until("the new file", |extra| shows(extra, "one"))
        .await;

    folder.write("extra.yaml", &EXTRA.replace("one", "two"));
    folder.until("the edit", |extra| shows(extra, "two")).await;

    folder.write("extra.yaml", &EXTRA.replace("containers", "containerz"));
    folder
        .until("the condition", |extra| {
            shows(extra, "two")
                && ready(extra).is_some_and(|(reason, message)| {
                    reason == "BrokenEdit" && message.starts_with("extra.yaml:7: ")
                })
        })
        .await;
    hub.until("the refusal", || async {
        !hub.app.template_errors().is_empty()
    })
    .await;
    let refused = hub.app.template_errors();
    assert!(
        refused.iter().all(|refusal| refusal.file == "extra.yaml"),
        "{refused:?}"
    );

    folder.write("extra.yaml", &EXTRA.replace("one", "three"));
    folder
        .until("the mended file", |extra| {
            shows(extra, "three") && ready(extra) == Some(("Valid", ""))
        })
        .await;
    hub.until("the end of the refusal", || async {
        hub.app.template_errors().is_empty()
    })
    .await;

    folder.remove("extra.yaml");
    folder.until("the removal", |extra| extra.is_none()).await;
    let events = hub.recorded().await;
    let of_extra: Vec<Action> = events
        .iter()
        .filter(|event| event.object.name == "extra")
        .map(|event| event.action)
        .collect();
    assert_eq!(
        of_extra,
        [
            Action::TemplateLoaded,
            Action::TemplateLoaded,
            Action::TemplateRefused,
            Action::TemplateLoaded,
            Action::TemplateRemoved
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_quick_edits_the_last_one_counts() {
    let hub = TestHub::start_empty().await;
    let folder = Folder::of(&hub);
    for edit in 0..200 {
        // Same length, often the same second: neither size nor time of the file tells that it changed.
        folder.write("extra.yaml", &EXTRA.replace("one", &format!("n{edit:03}")));
        hub.clock.advance(Duration::from_millis(300));
        tokio::task::yield_now().await;
    }
    folder
        .until("the last edit", |extra| shows(extra, "n199"))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_while_the_hub_was_away_is_taken_in_at_start() {
    let hub = TestHub::start_empty().await;
    let folder = Folder::of(&hub);
    folder.write("extra.yaml", EXTRA);
    folder
        .until("the new file", |extra| shows(extra, "one"))
        .await;
    folder.write("extra.yaml", &EXTRA.replace("one", "two"));
    let hub = hub.restart().await;
    let folder = Folder::of(&hub);
    assert!(
        shows(folder.extra().await.as_ref(), "two"),
        "before the first request"
    );
    folder.remove("extra.yaml");
    let hub = hub.restart().await;
    Folder::of(&hub)
        .until("the removal", |extra| extra.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_goes_away_takes_nothing_with_it() {
    let hub = TestHub::start_empty().await;
    let folder = Folder::of(&hub);
    folder.write("extra.yaml", EXTRA);
    folder
        .until("the new file", |extra| shows(extra, "one"))
        .await;
    let aside = folder.path.with_extension("aside");
    std::fs::rename(&folder.path, &aside).unwrap();
    hub.as_time_passes("the refusal", || async {
        hub.app
            .template_errors()
            .iter()
            .any(|refusal| refusal.file == ".")
    })
    .await;
    for _ in 0..5 {
        hub.clock.advance(Duration::from_secs(1));
        assert!(folder.extra().await.is_some());
    }
    std::fs::rename(&aside, &folder.path).unwrap();
    hub.as_time_passes("the end of the refusal", || async {
        hub.app.template_errors().is_empty()
    })
    .await;
    assert!(folder.extra().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_a_session_template_waits_for_its_pod_template() {
    let hub = TestHub::start_empty().await;
    let condition = || async {
        let key = Key::cluster_scoped(ObjectKind::DebugSessionTemplate, "dangling-debug");
        let object = hub.app.store.get(key).await.unwrap().unwrap();
        let body: Value = object.body.read().unwrap();
        body["status"]["conditions"][0]["reason"].clone()
    };
    assert_eq!(condition().await, "PodTemplateNotFound");
    Folder::of(&hub).write("late.yaml", &EXTRA.replace("extra", "lost-toolbox"));
    hub.as_time_passes("the reference", || async { condition().await == "Valid" })
        .await;
}
