//! The people of the story as the hub knows them: names, groups and tokens for `--dev-users`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::process::write_whole;
use crate::user::User;

/// The hub's admins.
pub const ADMIN_GROUP: &str = "breakglass-admins";

/// Everybody's token, for as long as the stack lives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct People {
    users: Vec<Person>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Person {
    name: String,
    email: String,
    groups: Vec<String>,
    token: String,
}

impl People {
    /// The file as it is, or a new one with new tokens. JSON is YAML, so the hub reads it as it stands.
    pub fn load_or_make(file: &Path) -> Result<People> {
        if let Ok(bytes) = fs::read(file) {
            return serde_json::from_slice(&bytes)
                .with_context(|| format!("unreadable {}", file.display()));
        }
        let users = User::ALL.into_iter().map(person).collect::<Result<_>>()?;
        let people = People { users };
        write_whole(file, &serde_json::to_vec_pretty(&people)?)?;
        Ok(people)
    }

    pub fn token(&self, user: User) -> &str {
        let name = hub_name(user);
        let found = self.users.iter().find(|person| person.name == name);
        // Everybody of `User::ALL` is in the file.
        found.map_or("", |person| person.token.as_str())
    }
}

/// How the hub names them; for all but the administrator also their name in the clusters (D16).
pub fn hub_name(user: User) -> &'static str {
    match user {
        User::Admin => "admin@example.com",
        User::Alice | User::Bob | User::Mallory | User::Carol => user.username(),
    }
}

fn person(user: User) -> Result<Person> {
    let group = match user {
        User::Admin => ADMIN_GROUP,
        User::Alice | User::Bob | User::Mallory | User::Carol => user.group(),
    };
    Ok(Person {
        name: hub_name(user).to_owned(),
        email: hub_name(user).to_owned(),
        groups: vec![group.to_owned()],
        token: format!("{}-{}", user.short_name(), random_hex()?),
    })
}

fn random_hex() -> Result<String> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 20];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("random bytes")?;
    Ok(hex::encode(bytes))
}
