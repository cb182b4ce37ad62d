//! Session → grant.

use breakglass_hub_core::grant::{Claim, Ended, GrantError, UserNames, of, prepare};
use breakglass_hub_core::lifecycle::{self, Command};
use breakglass_hub_core::session::{InvitedRole, Session, Settled};
use breakglass_hub_core::snapshot::{Requirement, Snapshot};
use breakglass_protocol::ids::Revision;
use breakglass_protocol::wire::grant::{Desired, EndReason, Grant, PodSource, Role, Work, feature};

use crate::fixture::*;

fn names() -> UserNames {
    UserNames::default()
}

#[test]
fn only_sessions_that_ran_have_a_grant() {
    assert!(of(&pending(Requirement::Required), &names()).is_none());
    assert!(of(&waiting(), &names()).is_none());
    assert!(
        of(
            &act(waiting(), &alice(), Command::Terminate, 5).unwrap(),
            &names()
        )
        .is_none()
    );
    assert!(of(&act(waiting(), &carol(), reject(), 5).unwrap(), &names()).is_none());
    assert!(of(&active(), &names()).is_some());
}

#[test]
fn a_grant_names_those_who_joined_and_have_not_left() {
    let session = invited(
        invited(waiting(), "bob", InvitedRole::Participant),
        "victor",
        InvitedRole::Viewer,
    );
    let session = act(session, &carol(), approve(), 10).unwrap();
    let people = |session: &Session| -> Vec<(String, Role)> {
        of(session, &names())
            .unwrap()
            .people
            .into_iter()
            .map(|p| (p.user, p.role))
            .collect()
    };
    assert_eq!(
        people(&session),
        [("alice@example.com".into(), Role::Owner)],
        "S5: invited people are not in it"
    );
    let session = act(session, &bob(), join(None), 20).unwrap();
    let session = act(session, &caller("victor", &["sre-team"]), join(None), 21).unwrap();
    assert_eq!(
        people(&session),
        [
            ("alice@example.com".into(), Role::Owner),
            ("bob@example.com".into(), Role::Participant),
            ("victor@example.com".into(), Role::Viewer)
        ]
    );
    let session = act(session, &bob(), Command::Leave, 22).unwrap();
    assert!(
        !people(&session)
            .iter()
            .any(|(user, _)| user == "bob@example.com")
    );
}

#[test]
fn s07_a_grant_carries_what_was_approved() {
    let session = active();
    let grant = of(&session, &names()).unwrap();
    assert_eq!(grant.digest, session.decision.unwrap().digest);
    assert_eq!(
        grant.context.approved_by.as_deref(),
        Some("carol@example.com")
    );
    assert_eq!(
        (grant.starts_at, grant.expires_at, grant.last_end),
        (at(10).wall, at(3610).wall, at(4 * 3600 + 10).wall)
    );
    assert_eq!(grant.desired, Desired::Running {});
}

#[test]
fn d02_the_last_end_is_that_of_the_last_possible_renewal() {
    let mut session = pending(Requirement::NotRequired);
    let mut source = session.snapshot.source.clone();
    source.resolved.max_renewals = Some(3);
    source.resolved.max_duration_seconds = Some(4 * 3600);
    session.snapshot = Snapshot::restore(&session.spec, session.snapshot.digest, source).unwrap();
    let session = lifecycle::submit(session, at(0)).unwrap();
    assert_eq!(of(&session, &names()).unwrap().last_end, at(4 * 3600).wall);
}

#[test]
fn an_ended_session_is_granted_as_ended_until_the_proof_is_stored() {
    let mut session = act(active(), &alice(), Command::Terminate, 20).unwrap();
    let grant = of(&session, &names()).unwrap();
    assert_eq!(
        grant.desired,
        Desired::Ended {
            reason: EndReason::Terminated,
            by: Some("alice@example.com".into()),
            at: at(20).wall
        }
    );
    assert!(grant.people.is_empty(), "nobody is in an ended session");
    assert_eq!(
        prepare(&session, &names(), Revision(1))
            .unwrap()
            .unwrap()
            .ended,
        Ended::Yes
    );
    session.observed.settled = Settled::Yes;
    assert!(of(&session, &names()).is_none());
}

#[test]
fn s06_names_are_mapped_as_the_cluster_says() {
    let mut person = identity("alice");
    let names = |prefix: &str, claim| UserNames {
        prefix: prefix.into(),
        claim,
    };
    assert_eq!(
        names("oidc:", Claim::Name).of(&person).as_deref(),
        Some("oidc:alice@example.com")
    );
    assert_eq!(
        names("", Claim::Sub).of(&person).as_deref(),
        Some("subject-of-alice")
    );
    assert_eq!(
        names("", Claim::Email).of(&person).as_deref(),
        Some("alice@example.com")
    );
    person.email_verified = false;
    assert_eq!(
        names("", Claim::Email).of(&person),
        None,
        "an unverified address is nobody's name"
    );
}

#[test]
fn a_prepared_grant_reads_back_and_says_what_it_requires() {
    let prepared = prepare(&active(), &names(), Revision(7)).unwrap().unwrap();
    assert_eq!(prepared.requires, [feature::WORKLOAD]);
    let grant: Grant = serde_json::from_slice(&prepared.body).unwrap();
    assert_eq!(Some(grant), of(&active(), &names()));
}

#[test]
fn a_grant_too_large_for_an_agent_is_an_error_with_its_size() {
    let mut session = active();
    let Work::Workload(workload) = &mut session.snapshot.terms.work;
    workload.pod = PodSource::Structured {
        labels: Default::default(),
        annotations: Default::default(),
        spec: serde_json::json!({"x": "y".repeat(600 * 1024)}),
    };
    assert!(matches!(
        prepare(&session, &names(), Revision(1)),
        Err(GrantError::TooLarge { bytes, .. }) if bytes > 600 * 1024
    ));
}
