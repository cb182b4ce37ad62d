//! Random sequences of commands by several people and of passing time, against rules so simple that they can be read in
//! one go. The model knows nothing of the code under test: it keeps a state, roles and a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use breakglass_hub_core::bars::{self, Bars};
use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_hub_core::grant::{self, UserNames};
use breakglass_hub_core::lifecycle::{self, Command};
use breakglass_hub_core::observed::{Observation, observe};
use breakglass_hub_core::session::{InvitedRole, Role, Session, StateName, covers};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::kinds::debug_session::DebugSession;
use breakglass_protocol::wire::grant::{self as wire, AtExpiry};
use breakglass_protocol::wire::report::{Phase, Report};
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::*;
use crate::observed::report;

#[derive(Clone, Debug)]
enum Step {
    By(usize, Command),
    Expire,
    TimeOut,
    Fail,
    /// An admin bars somebody, and the job has seen it.
    Bar(usize),
    /// The agent reports, and has taken in every renewal that it was told of.
    Report,
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
        2 => (0..NAMES.len()).prop_map(|who| Command::Remove { user: identity(NAMES[who]).name }),
        1 => Just(Command::Terminate),
        3 => (1..5_000_u64).prop_map(|by| renew(&format!("{by}s"), "r")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..NAMES.len(), command()).prop_map(|(who, command)| Step::By(who, command)),
        1 => Just(Step::Expire),
        1 => Just(Step::TimeOut),
        1 => Just(Step::Fail),
        4 => Just(Step::Report),
        1 => (0..NAMES.len()).prop_map(Step::Bar),
        4 => (1..400_u64).prop_map(Step::Wait),
    ]
}

/// What must be true, kept as plainly as possible.
struct Model {
    state: StateName,
    started: Option<u64>,
    expires: u64,
    renewals: u32,
    /// By how much, and whether it is agreed.
    renewal: Option<(u64, Agreed)>,
    /// What an approval would make of a renewal that is asked for.
    first: Agreed,
    renewal_approvers: Vec<usize>,
    barred: Vec<usize>,
    /// Removed, and not invited since.
    out: Vec<usize>,
    /// How often somebody was cut off who may have had an open stream, and who may.
    cuts: u32,
    streams: Vec<usize>,
    approver: Option<usize>,
    /// Strongest invitation: role, and whether it may be used as participant.
    invited: BTreeMap<usize, Vec<(InvitedRole, Cleared)>>,
    present: BTreeMap<usize, Role>,
    ever: Vec<usize>,
    ever_invited: Vec<usize>,
    clearers: Vec<usize>,
    stays: BTreeMap<usize, u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agreed {
    Yes,
    Waiting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cleared {
    Yes,
    Waiting,
    No,
}

impl Model {
    fn new(first: Agreed) -> Self {
        Self {
            state: StateName::PendingApproval,
            started: None,
            expires: u64::MAX,
            renewals: 0,
            renewal: None,
            first,
            renewal_approvers: vec![],
            barred: vec![],
            out: vec![],
            cuts: 0,
            streams: vec![],
            approver: None,
            invited: BTreeMap::new(),
            present: BTreeMap::from([(0, Role::Owner)]),
            ever: vec![0],
            ever_invited: vec![],
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
        let approved = self.approver == Some(who)
            || self.clearers.contains(&who)
            || self.renewal_approvers.contains(&who);
        self.newest(who) == Some((InvitedRole::Participant, Cleared::Yes))
            && is_admitted(who)
            && !approved
    }

    /// Whether it must be done, and does it.
    fn perform(&mut self, who: usize, command: &Command, now: u64) -> bool {
        if self.barred.contains(&who) && !matches!(command, Command::Leave) {
            return false;
        }
        match command {
            Command::Remove { user } => {
                let whom = NAMES
                    .iter()
                    .position(|n| identity(n).name == *user)
                    .unwrap();
                let open = matches!(self.state, StateName::PendingApproval | StateName::Active);
                let known = self.ever.contains(&whom) || self.ever_invited.contains(&whom);
                let may = who == 0 && open && whom != 0 && known;
                if may {
                    self.cut_off(whom);
                }
                may
            }
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
            Command::Renew { extend_by, .. } => {
                let by: u64 = extend_by.trim_end_matches('s').parse().unwrap();
                self.renew(who, by, now)
            }
        }
    }

    fn cut_off(&mut self, whom: usize) {
        if self.state == StateName::Active && self.streams.contains(&whom) {
            self.cuts += 1;
        }
        self.streams.retain(|other| *other != whom);
        self.present.remove(&whom);
        let was_in = self.ever.contains(&whom) || self.invited.contains_key(&whom);
        self.invited.remove(&whom);
        if was_in {
            self.out.push(whom);
        }
    }

    fn bar(&mut self, whom: usize) {
        self.barred.push(whom);
        self.see_barred();
    }

    /// What the job does whenever something has changed.
    fn see_barred(&mut self) {
        let open = matches!(self.state, StateName::PendingApproval | StateName::Active);
        for whom in self.barred.clone() {
            if open && whom == 0 {
                self.state = StateName::Terminated;
                return;
            }
        }
        for whom in self.barred.clone() {
            if open && (self.ever.contains(&whom) || self.invited.contains_key(&whom)) {
                self.cut_off(whom);
            }
        }
    }

    fn renew(&mut self, who: usize, by: u64, now: u64) -> bool {
        let longest = self.started.unwrap_or_default() + 4 * 3600;
        let may = who == 0
            && self.state == StateName::Active
            && now + 30 <= self.expires
            && self.renewal.is_none()
            && self.renewals < 3
            && self.expires + by <= longest;
        if may {
            self.renewal = Some((by, self.first));
        }
        may
    }

    fn report(&mut self) {
        if let (StateName::Active, Some((by, Agreed::Yes))) = (self.state, self.renewal) {
            self.expires += by;
            self.renewals += 1;
            self.renewal = None;
        }
    }

    fn decide_renewal(&mut self, who: usize, by: u64, command: &Command, now: u64) -> bool {
        let approves = matches!(command, Command::Approve { .. });
        let needed = if approves { 30 } else { 1 };
        let in_time = now + needed <= self.expires;
        if in_time && approves {
            self.renewal = Some((by, Agreed::Yes));
            self.renewal_approvers.push(who);
        } else if in_time {
            self.renewal = None;
        }
        in_time
    }

    fn decide(&mut self, who: usize, command: &Command, now: u64) -> bool {
        let involved = self.ever.contains(&who) || self.ever_invited.contains(&who);
        let decides_request = self.state == StateName::PendingApproval;
        let active = self.state == StateName::Active;
        let renewal = self
            .renewal
            .filter(|(_, agreed)| active && *agreed == Agreed::Waiting);
        let decides_people = active && self.any_waiting();
        let waits = decides_request || decides_people || renewal.is_some();
        if !is_approver(who) || involved || !waits {
            return false;
        }
        if let Some((by, _)) = renewal {
            return self.decide_renewal(who, by, command, now);
        }
        let approves = matches!(command, Command::Approve { .. });
        if decides_request {
            if approves {
                (self.state, self.started, self.approver) =
                    (StateName::Active, Some(now), Some(who));
                self.expires = now + 3600;
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
        let over = now >= self.expires;
        let invited = self.invited.contains_key(&who);
        let out = self.out.contains(&who) && !invited;
        let may = (invited || is_admitted(who)) && !out;
        if self.state != StateName::Active || over || who == 0 || !may {
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
        if becomes == Role::Participant {
            self.streams.push(who);
        }
        true
    }

    fn invite(&mut self, who: usize, name: &str, role: InvitedRole) -> bool {
        let open = matches!(
            self.state,
            StateName::Pending | StateName::PendingApproval | StateName::Active
        );
        let whom = NAMES.iter().position(|n| identity(n).name == name).unwrap();
        let approved = self.approver == Some(whom) || self.renewal_approvers.contains(&whom);
        let approver_as_more = approved && role == InvitedRole::Participant;
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
            self.ever_invited.push(whom);
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
    assert_eq!(session.recycle, model.cuts, "D7");
    if let Some(running) = session.state.running() {
        assert_eq!(running.expires_at, at(model.expires).wall);
        assert_eq!(running.renewals, model.renewals);
    }
    // Nobody but those present in an Active session is ever named to the agent, and never a decider as more than viewer.
    let grant = grant::of(session, &UserNames::default());
    let people = grant.map(|g| g.people).unwrap_or_default();
    if session.state.name() != StateName::Active {
        assert!(people.is_empty());
    }
    for person in people {
        let who = NAMES
            .iter()
            .position(|n| identity(n).name == person.user)
            .unwrap();
        let decided = model.approver == Some(who) || model.renewal_approvers.contains(&who);
        assert!(!(decided && person.role != wire::Role::Viewer), "S5");
    }
}

/// S11: a workload outlives its time only where the template says so, never an end by somebody, and for nobody.
fn stays_only_as_told(session: &Session, kept: AtExpiry) {
    let Some(grant) = grant::of(session, &UserNames::default()) else {
        return;
    };
    let in_time = matches!(session.state.name(), StateName::Active | StateName::Expired);
    let stays = kept == AtExpiry::KeepWorkload && in_time && session.cleanup_request.is_none();
    assert_eq!(grant.at_expiry == AtExpiry::KeepWorkload, stays);
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
    if let Some(old) = before.state.running() {
        let new = after.state.running().unwrap();
        assert_eq!(old.starts_at, new.starts_at);
        assert!(old.expires_at <= new.expires_at && old.renewals <= new.renewals);
        assert!(
            old.renewals < new.renewals || old == new,
            "only a renewal moves the end"
        );
    }
    if before.state.end().is_some() {
        assert_eq!(before.state, after.state, "terminal states never change");
    }
}

fn start_of(first: Agreed, kept: AtExpiry) -> Session {
    let constraints = json!({"requireApprovalForRenewal": first == Agreed::Waiting});
    let at_end = match kept {
        AtExpiry::RemoveAll => "terminate",
        AtExpiry::KeepWorkload => "notify-only",
    };
    let session = pending_with(json!({"constraints": constraints, "expirationBehavior": at_end}));
    lifecycle::submit(session, at(0)).unwrap()
}

/// What the agent says that does what it is told; nothing of a session that it was never told of.
fn reported(session: Session, now: u64) -> Session {
    let Some(grant) = grant::of(&session, &UserNames::default()) else {
        return session;
    };
    let said = Report {
        renewal: grant.renewal,
        expires_at: Some(grant.expires_at),
        ..report(&session, now, Phase::Running)
    };
    match observe(session, &ClusterName::new(CLUSTER), &said, at(now)).unwrap() {
        Observation::Changed(session) | Observation::Unchanged(session) => session,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn sessions_do_what_the_model_does(
        first in prop_oneof![Just(Agreed::Yes), Just(Agreed::Waiting)],
        kept in prop_oneof![Just(AtExpiry::RemoveAll), Just(AtExpiry::KeepWorkload)],
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let people = people();
        let mut session = start_of(first, kept);
        let mut model = Model::new(first);
        let mut bars = Bars::default();
        let mut now = 10;
        for step in steps {
            let before = session.clone();
            let (result, expected) = match &step {
                Step::Wait(seconds) => { now += seconds; continue; }
                Step::By(who, command) => {
                    let mut caller = people[*who].clone();
                    if bars.find(&caller.identity).is_some() { caller.standing = Standing::Barred; }
                    let result = act(session.clone(), &caller, command.clone(), now);
                    (result.map_err(|e| e.to_string()), model.perform(*who, command, now))
                }
                Step::Expire => {
                    let due = model.state == StateName::Active && now >= model.expires;
                    if due { model.state = StateName::Expired; }
                    (lifecycle::expire(session.clone(), at(now)).map_err(|e| e.to_string()), due)
                }
                Step::TimeOut => {
                    let due = model.state == StateName::PendingApproval && now >= TIMEOUT;
                    if due { model.state = StateName::Failed; }
                    let timeout = Duration::from_secs(TIMEOUT);
                    (lifecycle::time_out(session.clone(), timeout, at(now)).map_err(|e| e.to_string()), due)
                }
                Step::Bar(who) => {
                    let bar = bars.clone().bar(&identity(NAMES[*who]).name, None, &admin(), at(now));
                    bars = bar.unwrap();
                    model.bar(*who);
                    (Ok(session.clone()), true)
                }
                Step::Report => {
                    model.report();
                    (Ok(reported(session.clone(), now)), true)
                }
                Step::Fail => {
                    let due = matches!(model.state, StateName::Pending | StateName::PendingApproval | StateName::Active);
                    if due { model.state = StateName::Failed; }
                    (lifecycle::fail(session.clone(), "broken", at(now)).map_err(|e| e.to_string()), due)
                }
            };
            prop_assert_eq!(result.is_ok(), expected, "{:?} at {}: {:?}", step, now, result);
            if let Ok(after) = result { session = after; }
            if let Some((after, _)) = bars::apply(&session, &bars, at(now)) { session = after; }
            model.see_barred();
            same(&model, &session);
            stays_only_as_told(&session, kept);
            only_forward(&before, &session);
        }
        // What is stored is read back the same.
        prop_assert_eq!(Session::try_from(&DebugSession::from(&session)).unwrap(), session);
    }
}
