//! `POST /debug-sessions/{name}/{verb}`: one way for all verbs (D25): load → judge → transition → commit, again on a
//! version conflict → respond. The handlers only say which command a body is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::lifecycle::{Command, Declined, StillOffered, perform};
use breakglass_hub_core::session::{InvitedRole, Renewal, Session, StateName};
use breakglass_protocol::api::debug_session::{
    DebugSessionView, Decide, Invite, Join, JoinRole, NoFields, Remove, Renew,
};
use breakglass_protocol::duration;
use breakglass_protocol::ids::RenewalId;
use uuid::Uuid;

use crate::api::body::{JsonBody, OptionalBody};
use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::{App, UpdateError};

type Answer = Result<Json<DebugSessionView>, ApiError>;

pub async fn approve(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(Decide { reason, renewal_id }): OptionalBody<Decide>,
) -> Answer {
    let renewal = renewal_id.map(RenewalId::new);
    run(&app, &who, &name, Command::Approve { reason, renewal }).await
}

pub async fn reject(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(Decide { reason, renewal_id }): OptionalBody<Decide>,
) -> Answer {
    let renewal = renewal_id.map(RenewalId::new);
    run(&app, &who, &name, Command::Reject { reason, renewal }).await
}

pub async fn invite(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    JsonBody(Invite { users, role }): JsonBody<Invite>,
) -> Answer {
    run(
        &app,
        &who,
        &name,
        Command::Invite {
            users,
            role: role.map(invited),
        },
    )
    .await
}

pub async fn join(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(Join { role }): OptionalBody<Join>,
) -> Answer {
    run(
        &app,
        &who,
        &name,
        Command::Join {
            role: role.map(invited),
        },
    )
    .await
}

pub async fn leave(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Answer {
    run(&app, &who, &name, Command::Leave).await
}

pub async fn remove(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    JsonBody(Remove { user }): JsonBody<Remove>,
) -> Answer {
    run(&app, &who, &name, Command::Remove { user }).await
}

pub async fn renew(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    JsonBody(Renew { extend_by }): JsonBody<Renew>,
) -> Answer {
    let id = RenewalId::new(Uuid::new_v4().to_string());
    run(&app, &who, &name, Command::Renew { extend_by, id }).await
}

pub async fn terminate(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(NoFields {}): OptionalBody<NoFields>,
) -> Answer {
    run(&app, &who, &name, Command::Terminate).await
}

fn invited(role: JoinRole) -> InvitedRole {
    match role {
        JoinRole::Viewer => InvitedRole::Viewer,
        JoinRole::Participant => InvitedRole::Participant,
    }
}

async fn run(app: &Arc<App>, who: &Authenticated, name: &str, command: Command) -> Answer {
    let offer = offer(app, name, &command).await?;
    let session = app
        .update_session::<Declined>(name, |session, now| {
            let before = Before::of(&session);
            let session = perform(session, &command, &who.caller, &offer, now)?;
            let events = events(&session, &before, &command, who, now.wall);
            Ok((session, events))
        })
        .await
        .inspect_err(|error| record_refusal(app, who, name, &command, error))?;
    let reach = super::reach_of(app, &session).await?;
    Ok(Json(super::view(&session, &who.caller, reach)))
}

/// What was tried on a session that the person may know of, and which rule forbade it.
fn record_refusal(
    app: &App,
    who: &Authenticated,
    name: &str,
    command: &Command,
    error: &UpdateError<Declined>,
) {
    let UpdateError::Refused(declined) = error else {
        return;
    };
    let rules = match declined {
        Declined::NotFound => return,
        Declined::Forbidden(why) => why.rule.to_owned(),
        Declined::NotAllowed(why) => format!("state {}", why.from),
        Declined::Refused(refusal) => {
            let rules: Vec<&str> = refusal.violations.iter().map(|v| v.rule).collect();
            rules.join(",")
        }
    };
    let namespace = Some(app.settings.namespace.as_str());
    let event = AuditEvent::new(
        app.now().wall,
        Actor::Person(who.caller.identity.clone()),
        Action::RequestRefused,
        ObjectRef::new("DebugSession", namespace, name),
        Outcome::Refused,
    );
    app.intake.offer(
        event
            .with("verb", command.verb().as_str())
            .with("rules", rules)
            .from(
                Some(who.origin.request_id.clone()),
                who.origin.address.clone(),
            ),
    );
}

/// What the catalogue says now of the session's template (S7); approvals and renewals depend on it.
async fn offer(app: &App, name: &str, command: &Command) -> Result<StillOffered, ApiError> {
    match command {
        Command::Approve { .. } | Command::Renew { .. } => {
            let session = app.session(name).await?.ok_or(Declined::NotFound)?;
            Ok(crate::catalogue::still_offered(app, &session).await?)
        }
        Command::Reject { .. }
        | Command::Join { .. }
        | Command::Leave
        | Command::Invite { .. }
        | Command::Remove { .. }
        | Command::Terminate => Ok(StillOffered::Yes),
    }
}

/// What the record needs to know of the session as it was.
struct Before {
    state: StateName,
    /// The renewal that waited for an approver.
    renewal: Option<Renewal>,
    /// The people whose invitations did.
    invited: Vec<String>,
}

impl Before {
    fn of(session: &Session) -> Self {
        let waiting = session.renewal().filter(|_| session.has_waiting_renewal());
        Self {
            state: session.state.name(),
            renewal: waiting.cloned(),
            invited: session
                .waiting_invitations()
                .map(|invitation| invitation.user.clone())
                .collect(),
        }
    }
}

fn events(
    session: &Session,
    before: &Before,
    command: &Command,
    who: &Authenticated,
    at: jiff::Timestamp,
) -> Vec<AuditEvent> {
    let person = || Actor::Person(who.caller.identity.clone());
    let event = |action| {
        let object = ObjectRef::new("DebugSession", Some(&session.namespace), &session.name);
        AuditEvent::new(at, person(), action, object, Outcome::Done).from(
            Some(who.origin.request_id.clone()),
            who.origin.address.clone(),
        )
    };
    let mut events = vec![match command {
        Command::Approve { reason, .. } => {
            decided(event(Action::Approved), reason.as_deref(), before)
        }
        Command::Reject { reason, .. } => {
            decided(event(Action::Rejected), reason.as_deref(), before)
        }
        Command::Join { .. } => event(Action::Joined),
        Command::Leave => event(Action::Left),
        Command::Invite { users, .. } => event(Action::Invited).with("users", users.join(",")),
        Command::Remove { user } => event(Action::Removed).with("user", user),
        Command::Terminate => event(Action::Terminated),
        Command::Renew { extend_by, id } => event(Action::RenewalRequested)
            .with("renewal", id.as_str())
            .with("extendBy", extend_by),
    }];
    if before.state != StateName::Active && session.state.name() == StateName::Active {
        events.push(event(Action::Activated));
    }
    events
}

/// An approver's word, and which renewal or which people it was about, if about such.
fn decided(event: AuditEvent, reason: Option<&str>, before: &Before) -> AuditEvent {
    let event = event.with("reason", reason.unwrap_or_default());
    match &before.renewal {
        Some(renewal) => event
            .with("renewal", renewal.id.as_str())
            .with("extendBy", duration::format(renewal.extend_by)),
        None if before.invited.is_empty() => event,
        None => event.with("users", before.invited.join(",")),
    }
}
