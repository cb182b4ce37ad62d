use breakglass_hub_core::audit::Action;
use serde_json::json;

use super::*;
use crate::store::{Expected, Write};
use crate::store::{ObjectKind, Version};
use breakglass_protocol::ids::Revision;

/// A folder and a catalogue: `apply` carries a plan out as the store would.
#[derive(Default)]
struct World {
    folder: Folder,
    stored: Vec<Object<Value>>,
    memo: TextMemo,
    revision: u64,
    refusals: Vec<String>,
    events: Vec<Action>,
}

impl World {
    fn run(&mut self) -> usize {
        let now = Timestamp::from_second(i64::try_from(self.revision).unwrap()).unwrap();
        let mut uids = 0;
        let plan = plan(
            Some(&self.folder),
            &self.stored,
            Vec::new(),
            &mut self.memo,
            now,
            &mut || {
                uids += 1;
                format!("uid-{uids}")
            },
        );
        self.refusals = plan.refusals.iter().map(ToString::to_string).collect();
        let commits = plan.commits.len();
        for commit in plan.commits {
            self.commit(commit);
        }
        commits
    }

    fn commit(&mut self, commit: Commit) {
        let found = self.stored.iter().position(|o| o.key == commit.key);
        let version = found.map(|at| self.stored.remove(at).version);
        assert_eq!(
            commit.expected,
            version.map_or(Expected::Absent, Expected::At)
        );
        self.events.extend(commit.events.iter().map(|e| e.action));
        self.revision += 1;
        if let Write::Put { owner, body } = commit.change {
            self.stored.push(Object {
                key: commit.key,
                version: Version(Revision(self.revision)),
                owner,
                body: body.read().unwrap(),
            });
        }
    }

    fn file(&mut self, name: &str, documents: Vec<Document>, refused: Vec<Refused>) {
        let documents = documents
            .into_iter()
            .map(|d| Document {
                file: name.to_owned(),
                ..d
            })
            .collect();
        let file = FileDocuments { documents, refused };
        self.folder.files.insert(name.to_owned(), file);
    }

    fn object(&self, name: &str) -> &Object<Value> {
        self.stored.iter().find(|o| o.key.name == name).unwrap()
    }

    fn ready(&self, name: &str) -> (String, String, String) {
        let condition = &self.object(name).body["status"]["conditions"][0];
        let field = |f: &str| condition[f].as_str().unwrap().to_owned();
        (field("status"), field("reason"), field("message"))
    }
}

fn document(kind: ObjectKind, name: &str, spec: Value) -> Document {
    Document {
        key: Key::cluster_scoped(kind, name),
        file: String::new(),
        line: 3,
        api_version: "breakglass.t-caas.telekom.com/v1alpha1".to_owned(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec,
    }
}

fn pod_spec(image: &str) -> Value {
    json!({"template": {"spec": {"containers": [{"name": "c", "image": image}]}}})
}

fn pod(name: &str) -> Document {
    document(ObjectKind::DebugPodTemplate, name, pod_spec("busybox"))
}

fn session(name: &str, pod: &str) -> Document {
    let spec = json!({"podTemplateRef": {"name": pod}});
    document(ObjectKind::DebugSessionTemplate, name, spec)
}

fn refused(name: Option<&str>, file: &str) -> Refused {
    let key = name.map(|name| Key::cluster_scoped(ObjectKind::DebugPodTemplate, name));
    Refused {
        refusals: vec![TemplateRefusal {
            file: file.to_owned(),
            line: Some(7),
            column: None,
            object: key.as_ref().map(ToString::to_string),
            path: Some("spec.template".to_owned()),
            message: "is wrong".to_owned(),
        }],
        key,
    }
}

#[test]
fn a_second_plan_is_empty() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p"), session("s", "p")], vec![]);
    assert_eq!(world.run(), 2);
    assert_eq!(world.run(), 0);
    assert_eq!(world.ready("s").0, "True");
    assert_eq!(
        world.object("s").body["status"]["podTemplateResolved"],
        true
    );
    assert_eq!(world.object("p").owner, Owner::File("a.yaml".to_owned()));
    assert_eq!(world.events, [Action::TemplateLoaded; 2]);
}

#[test]
fn an_edit_raises_the_generation_and_keeps_uid_and_status() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p")], vec![]);
    world.run();
    world.stored[0].body["status"]["usageCount"] = json!(3);
    let uid = world.object("p").body["metadata"]["uid"].clone();
    let mut edited = pod("p");
    edited.spec = pod_spec("alpine");
    world.file("a.yaml", vec![edited], vec![]);
    assert_eq!(world.run(), 1);
    let body = &world.object("p").body;
    assert_eq!(body["metadata"]["uid"], uid);
    assert_eq!(body["metadata"]["generation"], 2);
    assert_eq!(body["status"]["observedGeneration"], 2);
    assert_eq!(body["status"]["usageCount"], 3);
}

#[test]
fn d22_a_broken_edit_keeps_the_last_good_version_and_says_where() {
    for broken in [Some("p"), None] {
        let mut world = World::default();
        world.file("a.yaml", vec![pod("p"), pod("q")], vec![]);
        world.run();
        world.file("a.yaml", vec![pod("q")], vec![refused(broken, "a.yaml")]);
        assert_eq!(world.run(), 1);
        assert_eq!(world.run(), 0, "told once");
        let (status, reason, message) = world.ready("p");
        assert_eq!((status.as_str(), reason.as_str()), ("False", "BrokenEdit"));
        assert!(message.starts_with("a.yaml:7: "), "{message}");
        assert_eq!(world.object("p").body["spec"], pod("p").spec);
        assert_eq!(world.ready("q").0, "True");
        assert_eq!(world.refusals.len(), 1);
        assert!(world.events.ends_with(&[Action::TemplateRefused]));
        world.file("a.yaml", vec![pod("p"), pod("q")], vec![]);
        world.run();
        assert_eq!(world.ready("p").0, "True", "mended");
    }
}

#[test]
fn a_document_taken_out_of_a_file_removes_its_object_even_beside_a_broken_one() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p"), pod("q")], vec![]);
    world.run();
    world.file("a.yaml", vec![], vec![refused(Some("q"), "a.yaml")]);
    world.run();
    assert_eq!(world.stored.len(), 1);
    assert_eq!(world.ready("q").1, "BrokenEdit");
    assert!(world.events.contains(&Action::TemplateRemoved));
}

#[test]
fn d22_a_removed_file_removes_but_not_while_it_is_unsettled() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p")], vec![]);
    world.run();
    world.folder.files.clear();
    world.folder.unsettled.insert("a.yaml".to_owned());
    assert_eq!(world.run(), 0);
    world.folder.unsettled.clear();
    assert_eq!(world.run(), 1);
    assert!(world.stored.is_empty());
}

#[test]
fn a_folder_that_cannot_be_read_removes_nothing() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p")], vec![]);
    world.run();
    let plan = plan(
        None,
        &world.stored,
        Vec::new(),
        &mut world.memo,
        Timestamp::UNIX_EPOCH,
        &mut String::new,
    );
    assert!(plan.commits.is_empty());
}

#[test]
fn of_two_files_with_one_object_the_first_stays_and_both_are_named() {
    let mut world = World::default();
    world.file("b.yaml", vec![pod("p")], vec![]);
    world.run();
    world.file("a.yaml", vec![pod("p")], vec![]);
    assert_eq!(world.run(), 0, "b.yaml came first");
    assert_eq!(world.object("p").owner, Owner::File("b.yaml".to_owned()));
    let [refusal] = world.refusals.as_slice() else {
        panic!("{:?}", world.refusals)
    };
    assert!(
        refusal.contains("a.yaml:3") && refusal.contains("b.yaml:3"),
        "{refusal}"
    );
    world.folder.files.remove("b.yaml");
    assert_eq!(world.run(), 1, "now a.yaml is the only one");
    assert_eq!(world.object("p").owner, Owner::File("a.yaml".to_owned()));
    assert!(world.refusals.is_empty());
}

#[test]
fn while_a_file_is_being_written_nothing_becomes_of_what_it_owns() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p")], vec![]);
    world.run();
    world.folder.files.remove("a.yaml");
    world.folder.unsettled.insert("a.yaml".to_owned());
    world.file("b.yaml", vec![pod("p")], vec![]);
    assert_eq!(world.run(), 0);
    assert_eq!(world.object("p").owner, Owner::File("a.yaml".to_owned()));
}

#[test]
fn an_object_of_the_api_is_never_taken_over() {
    let mut world = World::default();
    world.file("a.yaml", vec![pod("p")], vec![]);
    world.run();
    world.stored[0].owner = Owner::Hub;
    let mut other = pod("p");
    other.spec = pod_spec("alpine");
    world.file("a.yaml", vec![other], vec![]);
    assert_eq!(world.run(), 0);
    assert!(
        world.refusals[0].contains("through the API"),
        "{:?}",
        world.refusals
    );
    world.folder.files.clear();
    world.run();
    assert_eq!(world.stored.len(), 1);
}

#[test]
fn d11_a_dangling_reference_is_not_ready_until_its_target_comes() {
    let mut world = World::default();
    world.file("s.yaml", vec![session("s", "p")], vec![]);
    world.run();
    let (status, reason, message) = world.ready("s");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("False", "PodTemplateNotFound")
    );
    assert!(message.contains("names p"), "{message}");
    world.file("p.yaml", vec![pod("p")], vec![]);
    assert_eq!(world.run(), 2);
    assert_eq!(world.ready("s").0, "True");
    world.folder.files.remove("p.yaml");
    world.run();
    assert_eq!(world.ready("s").0, "False");
    assert_eq!(
        world.object("s").body["status"]["podTemplateResolved"],
        false
    );
}
