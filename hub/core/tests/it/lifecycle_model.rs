//! Random sequences of commands by several people and of passing time, against rules so simple that they can be read in
//! one go. The model knows nothing of the code under test: it keeps a state, roles and a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_hub_core::caller::Caller;
use breakglass_hub_core::grant::{self, UserNames};
use breakglass_hub_core::lifecycle::{self, Command};
use breakglass_hub_core::session::{InvitedRole, Role, Session, StateName, covers};
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::grant as wire;
use proptest::prelude::*;

use crate::fixture::*;

#[derive(Clone, Debug)]
enum Step {
    By(usize, Command),
    Expire,
    TimeOut,
    Fail,
    Wait(u64),
}

const TIMEOUT: u64 = 1_000;
/// alice owns; bob and mallory are admitted; dora is admitted and an approver; carol approves; eve is nobody.
const NAMES: [&str; 6] = ["alice", "bob", "mallory", "dora", "carol", "eve"];

fn people() -> Vec<Caller> {
    vec![
        alice(),
        bob(),
        mallory(),
        caller("dora", &["sre-team", "sre-leads"]),
        carol(),
        stranger(),
    ]
}

fn is_admitted(who: usize) -> bool {
    who <= 3
}

fn is_approver(who: usize) -> bool {
    who == 3 || who == 4
}

fn command() -> impl Strategy<Value = Command> {
    let role = prop_oneof![
        Just(None),
        Just(Some(InvitedRole::Viewer)),
        Just(Some(InvitedRole::Participant))
    ];
    prop_oneof![
        2 => Just(approve()),
        1 => Just(reject()),
        4 => role.clone().prop_map(join),
        2 => Just(Command::Leave),
        3 => (1..NAMES.len(), role).prop_map(|(who, role)| Command::Invite { users: vec![identity(NAMES[who]).name], role }),
        1 => Just(Command::Terminate),
        1 => Just(Command::Renew { extend_by: Duration::from_secs(60) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..NAMES.len(), command()).prop_map(|(who, command)| Step::By(who, command)),
        1 => Just(Step::Expire),
        1 => Just(Step::TimeOut),
        1 => Just(Step::Fail),
        4 => (1..400_u64).prop_map(Step::Wait),
    ]
}

/// What must be true, kept as plainly as possible.
struct Model {
    state: StateName,
    started: Option<u64>,
    approver: Option<usize>,
    /// Strongest invitation: role, and whether it may be used as participant.
    invited: BTreeMap<usize, Vec<(InvitedRole, Cleared)>>,
    present: BTreeMap<usize, Role>,
    ever: Vec<usize>,
    clearers: Vec<usize>,
    stays: BTreeMap<usize, u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cleared {
    Yes,
    Waiting,
    No,
}

impl Model {
    fn new() -> Self {
        Self {
            state: StateName::PendingApproval,
            started: None,
            approver: None,
            invited: BTreeMap::new(),
            present: BTreeMap::from([(0, Role::Owner)]),
            ever: vec![0],
            clearers: vec![],
            stays: BTreeMap::new(),
        }
    }

    fn newest(&self, who: usize) -> Option<(InvitedRole, Cleared)> {
        self.invited.get(&who).and_then(|all| all.last().copied())
    }

    fn any_waiting(&self) -> bool {
        self.invited
            .values()
            .flatten()
            .any(|(_, cleared)| *cleared == Cleared::Waiting)
    }

    fn may_participate(&self, who: usize) -> bool {
        let approved = self.approver == Some(who) || self.clearers.contains(&who);
        self.newest(who) == Some((InvitedRole::Participant, Cleared::Yes))
            && is_admitted(who)
            && !approved
    }

    /// Whether it must be done, and does it.
    fn perform(&mut self, who: usize, command: &Command, now: u64) -> bool {
        match command {
            Command::Approve { .. } | Command::Reject { .. } => self.decide(who, command, now),
            Command::Join { role } => self.join(who, *role, now),
            Command::Leave => {
                let may =
                    self.state == StateName::Active && who != 0 && self.present.contains_key(&who);
                if may {
                    self.present.remove(&who);
                }
                may
            }
            Command::Invite { users, role } => {
                self.invite(who, &users[0], role.unwrap_or(InvitedRole::Viewer))
            }
            Command::Terminate => {
                let open = matches!(
                    self.state,
                    StateName::Pending | StateName::PendingApproval | StateName::Active
                );
                // Nothing was ever reported in this test, so whatever ran has leftovers.
                let may = who == 0 && (open || self.started.is_some());
                if may && open {
                    self.state = StateName::Terminated;
                }
                may
            }
            Command::Renew { .. } => false,
        }
    }

    fn decide(&mut self, who: usize, command: &Command, now: u64) -> bool {
        let involved = self.ever.contains(&who) || self.invited.contains_key(&who);
        let decides_request = self.state == StateName::PendingApproval;
        let decides_people = self.state == StateName::Active && self.any_waiting();
        if !is_approver(who) || involved || !(decides_request || decides_people) {
            return false;
        }
        let approves = matches!(command, Command::Approve { .. });
        if decides_request {
            if approves {
                (self.state, self.started, self.approver) =
                    (StateName::Active, Some(now), Some(who));
            } else {
                self.state = StateName::Failed;
            }
            return true;
        }
        if approves {
            self.clearers.push(who);
        }
        for (_, cleared) in self
            .invited
            .values_mut()
            .flatten()
            .filter(|(_, c)| *c == Cleared::Waiting)
        {
            *cleared = if approves { Cleared::Yes } else { Cleared::No };
        }
        true
    }

    fn join(&mut self, who: usize, role: Option<InvitedRole>, now: u64) -> bool {
        let over = self.started.is_some_and(|start| now >= start + 3600);
        let invited = self.invited.contains_key(&who);
        if self.state != StateName::Active || over || who == 0 || !(invited || is_admitted(who)) {
            return false;
        }
        let can = self.may_participate(who);
        if role == Some(InvitedRole::Participant) && !can {
            return false;
        }
        let becomes = if can && role != Some(InvitedRole::Viewer) {
            Role::Participant
        } else {
            Role::Viewer
        };
        let now_is = self.present.get(&who).copied();
        // Never less than one has, never a second stay for the same.
        if now_is == Some(Role::Participant) || now_is == Some(becomes) {
            return true;
        }
        let stays = self.stays.entry(who).or_default();
        if *stays >= 10 {
            return false;
        }
        *stays += 1;
        self.present.insert(who, becomes);
        self.ever.push(who);
        true
    }

    fn invite(&mut self, who: usize, name: &str, role: InvitedRole) -> bool {
        let open = matches!(
            self.state,
            StateName::Pending | StateName::PendingApproval | StateName::Active
        );
        let whom = NAMES.iter().position(|n| identity(n).name == name).unwrap();
        let approver_as_more = self.approver == Some(whom) && role == InvitedRole::Participant;
        if who != 0 || !open || approver_as_more {
            return false;
        }
        let stands = self
            .newest(whom)
            .is_some_and(|(has, cleared)| covers(has, role) && cleared != Cleared::No);
        if !stands {
            let waits = role == InvitedRole::Participant && self.approver.is_some();
            let cleared = if waits {
                Cleared::Waiting
            } else {
                Cleared::Yes
            };
            self.invited.entry(whom).or_default().push((role, cleared));
        }
        true
    }
}

fn same(model: &Model, session: &Session) {
    assert_eq!(session.state.name(), model.state);
    let present: BTreeMap<usize, Role> = session
        .present()
        .map(|p| {
            (
                NAMES
                    .iter()
                    .position(|n| identity(n) == p.identity)
                    .unwrap(),
                p.role,
            )
        })
        .collect();
    assert_eq!(present, model.present);
    // Nobody but those present in an Active session is ever named to the agent, and never a decider as more than viewer.
    let grant = grant::of(session, &UserNames::default());
    let people = grant.map(|g| g.people).unwrap_or_default();
    // What is stored is read back the same.
    assert_eq!(
        Session::try_from(&DebugSession::from(session)).unwrap(),
        *session
    );
    if session.state.name() != StateName::Active {
        assert!(people.is_empty());
    }
    for person in people {
        let who = NAMES
            .iter()
            .position(|n| identity(n).name == person.user)
            .unwrap();
        let decided = model.approver == Some(who);
        assert!(!(decided && person.role != wire::Role::Viewer), "S5");
    }
}

/// Times never move backwards and are never cleared; what ended stays as it is.
fn only_forward(before: &Session, after: &Session) {
    for (old, new) in before.participants.iter().zip(&after.participants) {
        assert_eq!(
            (&old.identity, old.joined_at),
            (&new.identity, new.joined_at)
        );
        assert!(old.left_at.is_none() || old.left_at == new.left_at);
    }
    assert!(after.participants.len() >= before.participants.len());
    assert!(before.decision.is_none() || before.decision == after.decision);
    assert_eq!(
        (&before.snapshot, &before.spec),
        (&after.snapshot, &after.spec),
        "S7"
    );
    if let Some(running) = before.state.running() {
        assert_eq!(Some(running), after.state.running());
    }
    if before.state.end().is_some() {
        assert_eq!(before.state, after.state, "terminal states never change");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn sessions_do_what_the_model_does(steps in prop::collection::vec(step(), 0..60)) {
        let people = people();
        let mut session = waiting();
        let mut model = Model::new();
        let mut now = 10;
        for step in steps {
            let before = session.clone();
            let (result, expected) = match &step {
                Step::Wait(seconds) => { now += seconds; continue; }
                Step::By(who, command) => {
                    let result = act(session.clone(), &people[*who], command.clone(), now);
                    (result.map_err(|e| e.to_string()), model.perform(*who, command, now))
                }
                Step::Expire => {
                    let due = model.state == StateName::Active && model.started.is_some_and(|s| now >= s + 3600);
                    if due { model.state = StateName::Expired; }
                    (lifecycle::expire(session.clone(), at(now)).map_err(|e| e.to_string()), due)
                }
                Step::TimeOut => {
                    let due = model.state == StateName::PendingApproval && now >= TIMEOUT;
                    if due { model.state = StateName::Failed; }
                    let timeout = Duration::from_secs(TIMEOUT);
                    (lifecycle::time_out(session.clone(), timeout, at(now)).map_err(|e| e.to_string()), due)
                }
                Step::Fail => {
                    let due = matches!(model.state, StateName::Pending | StateName::PendingApproval | StateName::Active);
                    if due { model.state = StateName::Failed; }
                    (lifecycle::fail(session.clone(), "broken", at(now)).map_err(|e| e.to_string()), due)
                }
            };
            prop_assert_eq!(result.is_ok(), expected, "{:?} at {}: {:?}", step, now, result);
            if let Ok(after) = result { session = after; }
            same(&model, &session);
            only_forward(&before, &session);
        }
    }
}
