//! `POST /debug-sessions/{name}/{verb}`: one way for all verbs (D25): load → judge → transition → commit, again on a
//! version conflict → respond. The handlers only say which command a body is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use breakglass_hub_core::audit::{Action, Actor, AuditEvent, ObjectRef, Outcome};
use breakglass_hub_core::lifecycle::{Command, Declined, StillOffered, perform};
use breakglass_hub_core::session::{InvitedRole, Session, StateName};
use breakglass_protocol::api::debug_session::{
    DebugSessionView, Decide, Invite, Join, JoinRole, NoFields,
};

use crate::api::body::{JsonBody, OptionalBody};
use crate::api::caller::Authenticated;
use crate::api::error::ApiError;
use crate::app::{App, UpdateError};

type Answer = Result<Json<DebugSessionView>, ApiError>;

pub async fn approve(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(Decide { reason }): OptionalBody<Decide>,
) -> Answer {
    run(&app, &who, &name, Command::Approve { reason }).await
}

pub async fn reject(
    State(app): State<Arc<App>>,
    who: Authenticated,
    Path(name): Path<String>,
    OptionalBody(Decide { reason }): OptionalBody<Decide>,
) -> Answer {
    run(&app, &who, &name, Command::Reject { reason }).await
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
            let before = session.state.name();
            let session = perform(session, &command, &who.caller, &offer, now)?;
            let events = events(&session, before, &command, who, now.wall);
            Ok((session, events))
        })
        .await
        .inspect_err(|error| record_refusal(app, who, name, &command, error))?;
    let warnings = super::link_warning(app, &session).into_iter().collect();
    Ok(Json(super::view(&session, &who.caller, warnings)))
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

/// What the catalogue says now of the session's template (S7); only approvals depend on it.
async fn offer(app: &App, name: &str, command: &Command) -> Result<StillOffered, ApiError> {
    match command {
        Command::Approve { .. } => {
            let session = app.session(name).await?.ok_or(Declined::NotFound)?;
            Ok(crate::catalogue::still_offered(app, &session).await?)
        }
        Command::Reject { .. }
        | Command::Join { .. }
        | Command::Leave
        | Command::Invite { .. }
        | Command::Terminate
        | Command::Renew { .. } => Ok(StillOffered::Yes),
    }
}

fn events(
    session: &Session,
    before: StateName,
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
        Command::Approve { reason } => {
            event(Action::Approved).with("reason", reason.clone().unwrap_or_default())
        }
        Command::Reject { reason } => {
            event(Action::Rejected).with("reason", reason.clone().unwrap_or_default())
        }
        Command::Join { .. } => event(Action::Joined),
        Command::Leave => event(Action::Left),
        Command::Invite { users, .. } => event(Action::Invited).with("users", users.join(",")),
        Command::Terminate => event(Action::Terminated),
        Command::Renew { .. } => event(Action::Renewed),
    }];
    if before != StateName::Active && session.state.name() == StateName::Active {
        events.push(event(Action::Activated));
    }
    events
}
