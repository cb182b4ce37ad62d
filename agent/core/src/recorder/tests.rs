use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::wire::access::{Access, Denial, SessionRef};
use proptest::prelude::*;

use super::*;
use crate::sample::at;

fn decision(user: &str, decided: Decided) -> Decision {
    Decision {
        access: Access {
            session: Some(SessionRef {
                uid: GrantUid::new("11111111-1111-4111-8111-111111111111"),
                name: "debug-session-abc123".into(),
            }),
            user: user.into(),
            operation: "exec".into(),
            namespace: "breakglass-debug".into(),
            name: "p-1".into(),
        },
        decided,
    }
}

fn allowed(user: &str) -> Decision {
    decision(user, Decided::Allowed)
}

fn denied(user: &str) -> Decision {
    decision(user, Decided::Denied(Denial::NotInSession))
}

fn recorder() -> Recorder {
    Recorder::restore("a", HeldRecords::default(), None, at(0))
}

/// What a batch tells, shortly.
fn told(frame: &AuditFrame) -> Vec<(u64, String)> {
    let records: Vec<AccessRecord> = serde_json::from_slice(&frame.body).unwrap();
    records
        .iter()
        .map(|record| {
            let text = match &record.what {
                Recorded::Allowed { access, count } => format!("{} in {count}", access.user),
                Recorded::Denied { access, count, .. } => format!("{} out {count}", access.user),
                Recorded::Gap { allows, denials } => format!("gap {allows} {denials}"),
                Recorded::Restart => "restart".to_owned(),
            };
            (record.sequence, text)
        })
        .collect()
}

fn tell(recorder: &mut Recorder, now: Now) -> Vec<(u64, String)> {
    let frame = recorder.batch(now).unwrap();
    let told = told(&frame);
    recorder.handle_accepted(&frame.boot, told.last().unwrap().0);
    told
}

fn lines(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    let expected = expected.iter();
    expected.map(|(n, text)| (*n, (*text).to_owned())).collect()
}

#[test]
fn s20_the_first_is_told_at_once_and_its_repeats_within_a_minute_are_one() {
    let mut recorder = recorder();
    recorder.record(allowed("alice"), at(0));
    assert_eq!(tell(&mut recorder, at(0)), lines(&[(1, "alice in 1")]));
    for second in 1..40 {
        recorder.record(allowed("alice"), at(second));
    }
    assert_eq!(recorder.batch(at(59)), None, "repeats are collected");
    assert_eq!(recorder.due(), Some(at(61).monotonic));
    recorder.record(allowed("bob"), at(60));
    // In order: bob's is behind the repeats.
    assert_eq!(
        tell(&mut recorder, at(61)),
        lines(&[(2, "alice in 39"), (3, "bob in 1")])
    );
    recorder.record(allowed("alice"), at(200));
    assert_eq!(tell(&mut recorder, at(200)), lines(&[(4, "alice in 1")]));
    assert_eq!((recorder.waiting(), recorder.bytes), (0, 0));
}

#[test]
fn s20_without_a_hub_allows_stay_by_the_minute_and_denials_grow() {
    let mut recorder = recorder();
    for minute in 0..3 {
        for second in 0..50 {
            recorder.record(allowed("alice"), at(60 * minute + second));
            recorder.record(denied("mallory"), at(60 * minute + second));
        }
    }
    assert_eq!(
        tell(&mut recorder, at(300)),
        lines(&[
            (1, "alice in 50"),
            (2, "mallory out 150"),
            (3, "alice in 50"),
            (4, "alice in 50")
        ])
    );
}

#[test]
fn s20_what_may_have_been_told_never_changes() {
    let mut recorder = recorder();
    recorder.record(denied("mallory"), at(0));
    let first = recorder.batch(at(0)).unwrap();
    assert_eq!(recorder.batch(at(0)), None, "one batch at a time");
    recorder.handle_disconnected();
    recorder.record(denied("mallory"), at(1));
    recorder.handle_accepted("a", 1);
    assert_eq!(recorder.waiting(), 2, "nothing was on its way");
    assert_eq!(recorder.batch(at(1)).unwrap(), first);
    recorder.handle_accepted("b", 1);
    recorder.handle_accepted("a", 7);
    assert_eq!(recorder.waiting(), 2, "another batch's acceptance");
    recorder.handle_accepted("a", 1);
    assert_eq!(tell(&mut recorder, at(61)), lines(&[(2, "mallory out 1")]));
}

#[test]
fn s20_denials_go_first_then_allows_and_each_loss_is_told() {
    let bounds = Bounds {
        records: 4,
        bytes: 1_000_000,
    };
    let mut recorder = Recorder::bounded("a", HeldRecords::default(), at(0), bounds);
    recorder.record(denied("d1"), at(0));
    recorder.record(denied("d1"), at(1));
    recorder.record(allowed("a1"), at(1));
    recorder.record(denied("d2"), at(1));
    recorder.record(allowed("a2"), at(1));
    // One too many: its gap's record needs room, too.
    recorder.record(allowed("a3"), at(2));
    let all = |recorder: &Recorder| {
        let body = serde_json::to_vec(&recorder.held().1.0[0].records).unwrap();
        let boot = "a".into();
        told(&AuditFrame { boot, body })
    };
    assert_eq!(
        all(&recorder),
        lines(&[
            (2, "a1 in 1"),
            (4, "a2 in 1"),
            (5, "a3 in 1"),
            (6, "gap 0 3")
        ])
    );
    recorder.record(allowed("a4"), at(3));
    recorder.lost(
        Lost {
            allows: 1,
            denials: 2,
        },
        at(4),
    );
    assert_eq!(
        all(&recorder),
        lines(&[
            (4, "a2 in 1"),
            (5, "a3 in 1"),
            (6, "gap 2 5"),
            (7, "a4 in 1")
        ])
    );
    assert_eq!(
        recorder.take_dropped(),
        Lost {
            allows: 2,
            denials: 5
        }
    );
}

#[test]
fn a_restart_goes_on_under_the_start_that_numbered_the_records() {
    let mut recorder = recorder();
    recorder.record(allowed("alice"), at(0));
    recorder.record(allowed("alice"), at(1));
    let (version, held) = recorder.held();
    assert!(recorder.is_unsaved());
    recorder.handle_saved(version, &held);
    assert!(!recorder.is_unsaved());
    let text = serde_json::to_string(&held).unwrap();
    let held = serde_json::from_str(&text).unwrap();
    let mut recorder = Recorder::restore("b", held, None, at(2));
    recorder.record(allowed("alice"), at(3));
    let frame = recorder.batch(at(3)).unwrap();
    assert_eq!(
        (frame.boot.as_str(), told(&frame)),
        ("a", lines(&[(1, "alice in 2")]))
    );
    recorder.handle_accepted("a", 1);
    assert_eq!(tell(&mut recorder, at(3)), lines(&[(1, "alice in 1")]));
    assert!(recorder.is_unsaved(), "the journal holds what is delivered");
    let (version, held) = recorder.held();
    recorder.handle_saved(version, &held);
    recorder.record(allowed("bob"), at(4));
    tell(&mut recorder, at(4));
    assert!(!recorder.is_unsaved(), "what came and went is not written");
}

#[test]
fn s20_a_start_while_sessions_ran_is_told_with_the_time_that_may_be_missing() {
    let mut recorder = recorder();
    recorder.record(allowed("alice"), at(100));
    let (_, held) = recorder.held();
    let marked = Some(at(105).wall);
    let mut recorder = Recorder::restore("b", held, marked, at(120));
    assert!(recorder.is_unsaved(), "a second crash does not forget it");
    assert_eq!(tell(&mut recorder, at(120)), lines(&[(1, "alice in 1")]));
    let frame = recorder.batch(at(120)).unwrap();
    assert_eq!(told(&frame), lines(&[(1, "restart")]));
    let records: Vec<AccessRecord> = serde_json::from_slice(&frame.body).unwrap();
    // What was decided within ten seconds before the mark may not have been written either.
    assert_eq!(records[0].first_at, at(95).wall);
    assert_eq!(records[0].last_at, at(120).wall);
    // A clock that was set back meanwhile.
    let set_back = Recorder::restore("c", HeldRecords::default(), marked, at(10));
    let (_, held) = set_back.held();
    assert_eq!(held.0[0].records[0].first_at, at(10).wall);
}

#[derive(Clone, Debug)]
enum Op {
    Allow(u8),
    Deny(u8),
    Pass(i64),
    Deliver,
    /// The hub took it, the agent never hears of that.
    LoseAnswer,
    Restart,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => (0..6_u8).prop_map(Op::Allow),
        6 => (0..30_u8).prop_map(Op::Deny),
        4 => (1..90_i64).prop_map(Op::Pass),
        2 => Just(Op::Deliver),
        1 => Just(Op::LoseAnswer),
        1 => Just(Op::Restart),
    ];
    prop::collection::vec(op, 0..120)
}

/// A hub: takes each record once, by start and number.
#[derive(Default)]
struct Hub {
    through: BTreeMap<String, u64>,
    allows: u64,
    denials: u64,
    lost: Lost,
}

impl Hub {
    fn take(&mut self, frame: &AuditFrame) -> u64 {
        let records: Vec<AccessRecord> = serde_json::from_slice(&frame.body).unwrap();
        assert!(records.len() <= MAX_AUDIT_RECORDS && frame.body.len() <= MAX_AUDIT_BYTES);
        let through = self.through.entry(frame.boot.clone()).or_default();
        for record in &records {
            if record.sequence <= *through {
                continue;
            }
            *through = record.sequence;
            match &record.what {
                Recorded::Allowed { count, .. } => self.allows += count,
                Recorded::Denied { count, .. } => self.denials += count,
                Recorded::Gap { allows, denials } => {
                    self.lost.allows += allows;
                    self.lost.denials += denials;
                }
                Recorded::Restart => {}
            }
        }
        records.last().unwrap().sequence
    }
}

proptest! {
    /// Whatever happens, the bounds hold, and what was decided is in the hub's record or counted as lost. A loss is
    /// counted twice at most where an answer got lost.
    #[test]
    fn s20_nothing_is_lost_silently(ops in ops(), records in 3..12_usize, bytes in 2_000..6_000_usize) {
        let bounds = Bounds { records, bytes };
        let mut recorder = Recorder::bounded("start-0", HeldRecords::default(), at(0), bounds);
        let (mut hub, mut second, mut starts) = (Hub::default(), 0, 0);
        let (mut allows, mut denials, mut may_count_twice) = (0, 0, false);
        for op in ops {
            let now = at(second);
            match op {
                Op::Allow(who) => {
                    allows += 1;
                    recorder.record(allowed(&format!("a{who}")), now);
                }
                Op::Deny(who) => {
                    denials += 1;
                    recorder.record(denied(&format!("d{who}")), now);
                }
                Op::Pass(seconds) => second += seconds,
                Op::Deliver => {
                    if let Some(frame) = recorder.batch(now) {
                        let through = hub.take(&frame);
                        recorder.handle_accepted(&frame.boot, through);
                    }
                }
                Op::LoseAnswer => {
                    if let Some(frame) = recorder.batch(now) {
                        hub.take(&frame);
                        may_count_twice = true;
                    }
                    recorder.handle_disconnected();
                }
                Op::Restart => {
                    starts += 1;
                    let (_, held) = recorder.held();
                    recorder = Recorder::bounded(&format!("start-{starts}"), held, now, bounds);
                }
            }
            let (_, held) = recorder.held();
            prop_assert!(recorder.waiting() <= records);
            prop_assert!(serde_json::to_vec(&held).unwrap().len() <= bytes);
        }
        second += 100;
        while let Some(frame) = recorder.batch(at(second)) {
            let through = hub.take(&frame);
            recorder.handle_accepted(&frame.boot, through);
        }
        prop_assert_eq!(recorder.waiting(), 0);
        prop_assert_eq!(recorder.bytes, 0);
        let (told_allows, told_denials) = (hub.allows + hub.lost.allows, hub.denials + hub.lost.denials);
        if may_count_twice {
            prop_assert!(told_allows >= allows && told_denials >= denials);
        } else {
            prop_assert_eq!((told_allows, told_denials), (allows, denials));
        }
    }

    /// Each person's allows reach the hub in the order in which they were made.
    #[test]
    fn s20_allows_keep_their_order(people in prop::collection::vec(0..9_u8, 1..60)) {
        let mut recorder = recorder();
        let mut expected: Vec<String> = Vec::new();
        for (place, who) in people.iter().enumerate() {
            let who = format!("a{who}");
            recorder.record(allowed(&who), at(i64::try_from(place).unwrap()));
            if !expected.contains(&who) {
                expected.push(who);
            }
        }
        let mut users = Vec::new();
        while let Some(frame) = recorder.batch(at(1_000)) {
            for (_, text) in told(&frame) {
                users.push(text.split(' ').next().unwrap().to_owned());
            }
            let through = told(&frame).last().unwrap().0;
            recorder.handle_accepted(&frame.boot, through);
        }
        prop_assert_eq!(users, expected);
    }
}
