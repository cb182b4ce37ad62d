use breakglass_protocol::wire::grant::{GrantedPerson, Role, WorkloadKind};
use breakglass_protocol::wire::report::Phase;
use proptest::prelude::*;

use breakglass_protocol::wire::grant::Desired;

use super::*;
use crate::sample::{self, at, holdings, received, wall};

fn uid() -> GrantUid {
    GrantUid::new(sample::UID)
}

fn grant() -> Grant {
    sample::grant(WorkloadKind::DaemonSet)
}

fn held_after(frames: Vec<(Received, Now)>) -> Held {
    let mut holdings = holdings(at(0));
    for (frame, now) in frames {
        holdings.receive(frame, &sample::seed(), now);
    }
    holdings.get(&uid()).unwrap().clone()
}

fn ended(reason: EndReason) -> Grant {
    Grant {
        desired: Desired::Ended {
            reason,
            by: Some("alice@example.com".into()),
            at: wall(60),
        },
        ..grant()
    }
}

#[test]
fn d17_a_missing_feature_is_refused_and_said() {
    let frame = Received {
        missing_features: vec!["impersonation.v1".into()],
        ..received(grant(), 3600)
    };
    let held = held_after(vec![(frame.clone(), at(0))]);
    let end = held.end.clone().unwrap();
    assert_eq!(end.reason, EndReason::Failed);
    assert!(end.message.unwrap().contains("impersonation.v1"));
    assert!(held.is_finished(), "nothing was made, nothing is left");
    let later = held_after(vec![(received(grant(), 3600), at(0)), (frame, at(5))]);
    assert_eq!(
        later.end.unwrap().reason,
        EndReason::Failed,
        "also when it comes later"
    );
}

#[test]
fn s09_beyond_the_ceiling_fails_naming_rule_and_value() {
    let mut wide = grant();
    wide.target_namespace = "kube-system".into();
    sample::spec_mut(&mut wide)["hostPID"] = true.into();
    let held = held_after(vec![(received(wide, 3600), at(0))]);
    let message = held.end.clone().unwrap().message.unwrap();
    assert!(message.contains("kube-system") && message.contains("ceiling.namespaces"));
    assert!(
        message.contains("ceiling.hostPID"),
        "every refusal: {message}"
    );
    assert!(held.is_finished());
}

#[test]
fn s09_no_renewal_passes_the_longest_duration() {
    let renewal = Grant {
        renewal: 1,
        expires_at: wall(20 * 3600),
        ..grant()
    };
    let held = held_after(vec![
        (received(grant(), 3600), at(0)),
        (received(renewal, 20 * 3600 - 60), at(60)),
    ]);
    assert_eq!(held.deadline.renewal(), 1);
    assert_eq!(held.deadline.expires_at(), wall(8 * 3600));
    assert!(held.deadline.has_passed(at(8 * 3600)));
}

#[test]
fn invariant_6_another_clusters_grant_is_refused() {
    let foreign = Grant {
        cluster: ClusterName::new("prod-2"),
        ..grant()
    };
    let mut holdings = holdings(at(0));
    let taken = holdings.receive(received(foreign.clone(), 3600), &sample::seed(), at(0));
    assert!(
        matches!(
            taken,
            Taken::Refused {
                report: Some(_),
                ..
            }
        ),
        "{taken:?}"
    );
    assert!(holdings.get(&uid()).is_none());
    let mut holdings = sample::holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    let taken = holdings.receive(received(foreign, 3600), &sample::seed(), at(1));
    assert!(
        matches!(taken, Taken::Refused { report: None, .. }),
        "{taken:?}"
    );
    assert!(
        !holdings.get(&uid()).unwrap().has_ended(),
        "what is held is not touched"
    );
}

#[test]
fn s07_what_was_approved_never_changes() {
    let mut other = grant();
    sample::spec_mut(&mut other)["containers"][0]["image"] = "evil".into();
    other.target_namespace = "kube-system".into();
    other.session = "other".into();
    let once = held_after(vec![(received(grant(), 3600), at(0))]);
    let twice = held_after(vec![
        (received(grant(), 3600), at(0)),
        (received(other, 3600), at(0)),
    ]);
    assert_eq!(once.rendered, twice.rendered);
    assert_eq!(once.grant.target_namespace, twice.grant.target_namespace);
    assert_eq!(once.grant.session, twice.grant.session);
}

#[test]
fn people_and_renewals_change() {
    let mut later = grant();
    later.renewal = 1;
    later.expires_at = wall(7200);
    later
        .people
        .retain(|person| person.role != Role::Participant);
    later.people.push(GrantedPerson {
        user: "new@example.com".into(),
        role: Role::Participant,
    });
    let mut holdings = holdings(at(0));
    assert_eq!(
        holdings.receive(received(grant(), 3600), &sample::seed(), at(0)),
        Taken::Changed
    );
    holdings.get_mut(&uid()).unwrap().handle_saved(1);
    assert_eq!(
        holdings.receive(received(later.clone(), 7100), &sample::seed(), at(100)),
        Taken::Changed
    );
    let held = holdings.get(&uid()).unwrap();
    assert!(!held.is_saved());
    assert_eq!(held.grant.people, later.people);
    assert_eq!(held.deadline.expires_at(), wall(7200));
    assert_eq!(
        holdings.receive(received(later, 7100), &sample::seed(), at(100)),
        Taken::Same,
        "doubled"
    );
}

#[test]
fn s12_a_stale_renewal_changes_no_time() {
    let renewed = Grant {
        renewal: 1,
        expires_at: wall(7200),
        ..grant()
    };
    let held = held_after(vec![
        (received(renewed, 7200), at(0)),
        (received(grant(), 3600), at(1)),
    ]);
    assert_eq!(
        (held.deadline.renewal(), held.deadline.expires_at()),
        (1, wall(7200))
    );
}

#[test]
fn s12_the_first_end_stays_and_an_ended_uid_never_comes_back() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    assert_eq!(holdings.handle_time(at(3599)), []);
    assert_eq!(holdings.handle_time(at(3600)), [uid()]);
    let renewed = Grant {
        renewal: 1,
        expires_at: wall(7200),
        ..grant()
    };
    assert_eq!(
        holdings.receive(received(renewed.clone(), 3599), &sample::seed(), at(3601)),
        Taken::Same
    );
    holdings.receive(
        received(ended(EndReason::Terminated), 0),
        &sample::seed(),
        at(3602),
    );
    let held = holdings.get_mut(&uid()).unwrap();
    assert_eq!(held.end.as_ref().unwrap().reason, EndReason::Expired);
    assert!(
        !holdings.settle(&uid(), at(3603)),
        "not before it is finished"
    );
    let held = holdings.get_mut(&uid()).unwrap();
    held.searched.insert(0);
    held.try_finish(at(3610));
    assert!(holdings.settle(&uid(), at(3620)));
    assert!(holdings.get(&uid()).is_none());
    let Taken::EndedBefore(report) =
        holdings.receive(received(renewed, 3599), &sample::seed(), at(3700))
    else {
        panic!("an ended UID came back");
    };
    assert_eq!(report.phase, Phase::Ended);
    assert_eq!(report.end.unwrap().reason, EndReason::Expired);
}

#[test]
fn s12_ended_before_it_came_is_looked_for_and_never_deployed() {
    let held = held_after(vec![(received(ended(EndReason::Terminated), 0), at(0))]);
    assert_eq!(held.end.clone().unwrap().reason, EndReason::Terminated);
    assert!(!held.is_finished(), "its objects are looked for first");
    let late = held_after(vec![(received(grant(), 0), at(0))]);
    assert_eq!(
        late.end.unwrap().reason,
        EndReason::Expired,
        "no time was left"
    );
}

#[test]
fn unreadable_updates_end_and_unreadable_news_are_refused() {
    let mut holdings = holdings(at(0));
    let taken = holdings.refuse_unreadable(&uid(), "x", at(0));
    assert!(matches!(
        taken,
        Taken::Refused {
            report: Some(_),
            ..
        }
    ));
    assert!(matches!(
        holdings.receive(received(grant(), 3600), &sample::seed(), at(1)),
        Taken::EndedBefore(_)
    ));
    let mut holdings = sample::holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    assert_eq!(
        holdings.refuse_unreadable(&uid(), "x", at(1)),
        Taken::Changed
    );
    assert!(holdings.get(&uid()).unwrap().has_ended());
}

#[test]
fn absent_from_a_complete_snapshot_is_withdrawn() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    assert_eq!(
        holdings.withdraw_absent(&BTreeSet::from([uid()]), at(1)),
        []
    );
    assert_eq!(holdings.withdraw_absent(&BTreeSet::new(), at(2)), [uid()]);
    let end = holdings.get(&uid()).unwrap().end.clone().unwrap();
    assert_eq!(end.reason, EndReason::Withdrawn);
    assert_eq!(
        holdings.withdraw_absent(&BTreeSet::new(), at(3)),
        [],
        "once"
    );
}

#[test]
fn the_kill_switch_ends_everything() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    assert_eq!(
        holdings.end_all("the cluster's owner ended everything", at(1)),
        [uid()]
    );
    let end = holdings.get(&uid()).unwrap().end.clone().unwrap();
    assert_eq!(end.reason, EndReason::Terminated);
    assert!(end.message.unwrap().contains("owner"));
}

fn restart(holdings: &Holdings, now: Now) -> Holdings {
    let json = |value: &Held| serde_json::to_string(value).unwrap();
    let held = holdings
        .iter()
        .map(|held| serde_json::from_str(&json(held)).unwrap())
        .collect();
    let memory = serde_json::to_string(&holdings.memory).unwrap();
    let mut memory: Memory = serde_json::from_str(&memory).unwrap();
    let mark = holdings.high_water.unsaved();
    memory.high_water = mark.and_then(|mark| mark.high_water);
    Holdings::restore(
        holdings.cluster.clone(),
        holdings.ceiling.clone(),
        held,
        memory,
        now,
    )
}

fn now(wall_seconds: i64, monotonic: u64) -> Now {
    Now {
        wall: wall(wall_seconds),
        monotonic: Duration::from_secs(monotonic),
    }
}

#[test]
fn s12_a_restart_with_the_clock_set_back_lengthens_nothing() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    holdings.handle_time(at(3000));
    let mut holdings = restart(&holdings, now(-86_400, 0));
    assert_eq!(holdings.handle_time(now(-86_400 + 599, 599)), []);
    assert_eq!(holdings.handle_time(now(-86_400 + 600, 600)), [uid()]);
}

#[test]
fn s12_a_restart_with_a_right_clock_goes_on() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    holdings.handle_time(at(30));
    let mut holdings = restart(&holdings, now(1000, 0));
    assert_eq!(holdings.next_deadline(), Some(Duration::from_secs(2600)));
    assert_eq!(holdings.handle_time(now(3599, 2599)), []);
    assert_eq!(holdings.handle_time(now(3600, 2600)), [uid()]);
}

#[test]
fn s12_a_clock_that_was_ahead_does_not_spoil_later_sessions() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    holdings.handle_time(now(1_000_000, 1010));
    assert!(holdings.get(&uid()).unwrap().has_ended());
    holdings.handle_time(at(20));
    let other = Grant {
        uid: GrantUid::new("2"),
        ..grant()
    };
    holdings.receive(received(other, 3580), &sample::seed(), at(20));
    let mut holdings = restart(&holdings, now(30, 0));
    assert_eq!(holdings.handle_time(now(40, 10)), []);
}

#[test]
fn s12_a_record_written_last_counts_for_every_grant() {
    let mut holdings = holdings(at(0));
    let other = Grant {
        uid: GrantUid::new("2"),
        ..grant()
    };
    for grant in [grant(), other] {
        holdings.receive(received(grant, 3600), &sample::seed(), at(0));
    }
    let old: Vec<Held> = holdings.iter().cloned().collect();
    // Of one grant a later moment was written: the other's time went on too.
    holdings.handle_time(at(3000));
    let newer = holdings.get(&GrantUid::new("2")).unwrap().clone();
    let held = [old[0].clone(), newer];
    let back = now(-86_400, 0);
    let mut holdings = Holdings::restore(
        holdings.cluster().clone(),
        Ceiling::default(),
        held.iter().map(journaled).collect(),
        Memory::default(),
        back,
    );
    assert_eq!(holdings.handle_time(now(-86_400 + 599, 599)), []);
    assert_eq!(holdings.handle_time(now(-86_400 + 600, 600)).len(), 2);
}

/// As the journal gives it back.
fn journaled(held: &Held) -> Held {
    serde_json::from_str(&serde_json::to_string(held).unwrap()).unwrap()
}

#[test]
fn s12_the_mark_is_written_every_ten_seconds_while_a_grant_runs_and_never_otherwise() {
    let mut holdings = holdings(at(0));
    let save = |holdings: &mut Holdings| {
        let mark = holdings.high_water().unsaved();
        if let Some(mark) = mark {
            holdings.high_water_mut().handle_saved(mark);
        }
        mark.map(|mark| mark.high_water)
    };
    holdings.handle_time(at(0));
    assert_eq!(save(&mut holdings), None, "nothing runs");
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    let mut writes = 0;
    for second in 1..=60 {
        holdings.handle_time(at(second));
        writes += usize::from(save(&mut holdings).is_some());
    }
    assert_eq!(writes, 6);
    assert_eq!(holdings.high_water().unsaved(), None);
    // A clock that is set back writes nothing.
    holdings.handle_time(now(20, 61));
    assert_eq!(save(&mut holdings), None);
    holdings.end_all("kill switch", at(62));
    holdings.handle_time(at(62));
    assert_eq!(save(&mut holdings), Some(None), "taken away, once");
    holdings.handle_time(at(600));
    assert_eq!(save(&mut holdings), None);
}

#[test]
fn s12_a_mark_of_an_older_agent_counts() {
    let mut holdings = holdings(at(0));
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    let held: Vec<Held> = holdings.iter().map(journaled).collect();
    let written = format!(r#"{{"highWater": "{}"}}"#, wall(3000));
    let mut holdings = Holdings::restore(
        holdings.cluster().clone(),
        Ceiling::default(),
        held,
        serde_json::from_str(&written).unwrap(),
        now(-86_400, 0),
    );
    assert_eq!(holdings.handle_time(now(-86_400 + 600, 600)), [uid()]);
}

#[test]
fn memory_is_written_when_it_changed() {
    let mut holdings = holdings(at(0));
    let version = holdings.unsaved_memory().unwrap().0;
    holdings.handle_memory_saved(version);
    assert!(
        holdings.unsaved_memory().is_none(),
        "written once at the start"
    );
    holdings.receive(received(grant(), 3600), &sample::seed(), at(0));
    holdings.handle_time(at(61));
    assert!(holdings.unsaved_memory().is_none(), "no UID has ended");
}

proptest! {
    /// S12: whatever the wall clock does, with or without restarts, the grant has ended when its real time is over, and
    /// once over it stays over.
    #[test]
    fn s12_never_later_than_the_earliest_bound(
        remaining in 1_u64..7200,
        steps in prop::collection::vec((0_u64..600, -100_000_i64..100_000, prop::bool::weighted(0.1)), 1..60),
    ) {
        let mut holdings = holdings(now(0, 0));
        let long = Grant { expires_at: wall(7200), ..grant() };
        holdings.receive(received(long, remaining), &sample::seed(), now(0, 0));
        let mut real = 0;
        let mut started = 0;
        for (elapsed, clock_error, restarts) in steps {
            real += elapsed;
            // the clock may show anything; the process's monotonic clock is true
            let reading = |started| now(i64::try_from(real).unwrap() + clock_error, real - started);
            if restarts {
                // written down just before going, back at once: no time passes unseen
                holdings.handle_time(reading(started));
                started = real;
                holdings = restart(&holdings, reading(started));
            }
            holdings.handle_time(reading(started));
            let held = holdings.get(&uid()).unwrap();
            if real >= remaining.min(7200) {
                prop_assert!(held.has_ended(), "real {real}, remaining {remaining}");
            }
            if i64::try_from(real).unwrap() + clock_error >= 7200 {
                prop_assert!(held.has_ended(), "by the wall clock");
            }
        }
    }

    /// Any order and repetition of the same frames ends in the same deadline.
    #[test]
    fn s12_frames_commute(
        frames in prop::collection::vec((0_u32..3, 60_i64..7200, 1_u64..7200), 1..8),
        order in Just(()).prop_perturb(|(), mut rng| rng.random::<u64>()),
    ) {
        let take = |frames: &[(u32, i64, u64)]| {
            let mut holdings = holdings(at(0));
            for (renewal, expires, remaining) in frames {
                let frame = Grant { renewal: *renewal, expires_at: wall(*expires), ..grant() };
                holdings.receive(received(frame, *remaining), &sample::seed(), at(0));
            }
            let held = holdings.get(&uid()).unwrap();
            (held.deadline.renewal(), held.deadline.expires_at(), held.deadline.ends())
        };
        let mut shuffled = frames.clone();
        let places = shuffled.len();
        for place in 0..places {
            let other = usize::try_from(order >> (place % 32)).unwrap() % places;
            shuffled.swap(place, other);
        }
        let doubled: Vec<_> = shuffled.iter().chain(&frames).copied().collect();
        prop_assert_eq!(take(&frames), take(&doubled));
    }
}
