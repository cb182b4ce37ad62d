//! `bgctl person …`.

use anyhow::Result;
use breakglass_protocol::api::people::{BarPerson, BarredPeople, UnbarPerson};

use crate::args::{Format, Person};
use crate::client::Client;
use crate::output::{self, Shown};

/// Runs one of the commands.
pub async fn run(client: &Client, format: Format, command: Person) -> Result<()> {
    let people: BarredPeople = match command {
        Person::Bar { user, reason, yes } => {
            if !yes {
                super::confirm(&format!(
                    "Bar {user} from everything? Their sessions end, and the pods of others that they are in are replaced."
                ))?;
            }
            let body = BarPerson { user, reason };
            client.post(&["people", "bar"], &body).await?
        }
        Person::Unbar { user } => {
            client
                .post(&["people", "unbar"], &UnbarPerson { user })
                .await?
        }
        Person::List => client.get(&["people", "barred"], &[]).await?,
    };
    show(format, &people)
}

fn show(format: Format, list: &BarredPeople) -> Result<()> {
    let names = list.people.iter().map(|p| p.user.clone()).collect();
    let row = |p: &breakglass_protocol::api::people::BarredPerson| {
        vec![
            p.user.clone(),
            p.barred_by.clone(),
            p.barred_at.clone(),
            p.reason.clone().unwrap_or_default(),
        ]
    };
    output::show(
        format,
        &Shown {
            whole: list,
            names,
            columns: vec!["NAME", "BARRED_BY", "BARRED_AT", "REASON"],
            rows: list.people.iter().map(row).collect(),
        },
    )
}
