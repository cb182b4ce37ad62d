//! `/people`: thin, since barring lives in [`crate::people`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use breakglass_hub_core::bars::{Bar, Bars};
use breakglass_protocol::api::people::{BarPerson, BarredPeople, BarredPerson, UnbarPerson};

use super::body::JsonBody;
use super::caller::Admin;
use super::endpoint::BodyNeed::Required;
use super::endpoint::{Endpoint, Method};
use super::error::ApiError;
use crate::app::App;

type Answer = Result<Json<BarredPeople>, ApiError>;

/// Every endpoint of this noun.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::on::<BarredPeople, _, _>(Method::Get,
            "/people/barred",
            "listBarredPeople",
            "People who are barred from debug sessions",
            list,
        )
        .for_admins(),
        Endpoint::on::<BarredPeople, _, _>(Method::Post,
            "/people/bar",
            "barPerson",
            "Bar somebody everywhere: their sessions end, their streams are cut, what they ask is refused",
            bar,
        )
        .taking::<BarPerson>(Required)
        .for_admins(),
        Endpoint::on::<BarredPeople, _, _>(Method::Post,
            "/people/unbar",
            "unbarPerson",
            "Let somebody ask again; what was ended stays ended",
            unbar,
        )
        .taking::<UnbarPerson>(Required)
        .for_admins(),
    ]
}

/// `GET /people/barred`
pub async fn list(State(app): State<Arc<App>>, _admin: Admin) -> Answer {
    Ok(Json(shown(&app.bars().await?)))
}

/// `POST /people/bar`
pub async fn bar(
    State(app): State<Arc<App>>,
    admin: Admin,
    JsonBody(BarPerson { user, reason }): JsonBody<BarPerson>,
) -> Answer {
    let bars = crate::people::bar(&app, &admin, &user, reason.as_deref()).await?;
    Ok(Json(shown(&bars)))
}

/// `POST /people/unbar`
pub async fn unbar(
    State(app): State<Arc<App>>,
    admin: Admin,
    JsonBody(UnbarPerson { user }): JsonBody<UnbarPerson>,
) -> Answer {
    Ok(Json(shown(
        &crate::people::unbar(&app, &admin, &user).await?,
    )))
}

fn shown(bars: &Bars) -> BarredPeople {
    let person = |bar: &Bar| BarredPerson {
        user: bar.user.clone(),
        reason: bar.reason.clone(),
        barred_by: bar.by.name.clone(),
        barred_at: bar.at.to_string(),
    };
    BarredPeople {
        people: bars.people.iter().map(person).collect(),
        total: bars.people.len(),
    }
}
