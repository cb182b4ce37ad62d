//! Who a bearer token is. Today only the static tokens of `--dev-users`; OIDC is to be a second variant of [`Users`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use breakglass_hub_core::caller::{Caller, Standing};
use breakglass_protocol::person::{Identity, check_person_name, check_visible};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// A file of test users is small; a larger one is not one.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Shorter tokens can be guessed within a rate limit's patience.
const MIN_TOKEN_CHARS: usize = 16;
/// The issuer of everybody from the file (S6).
const ISSUER: &str = "dev-users";

/// Where callers come from.
pub enum Users {
    /// Static tokens, by the SHA-256 of the token: the token itself is not kept.
    Dev(HashMap<[u8; 32], DevUser>),
    /// Nobody can sign in; only agents and probes are served.
    Nobody,
}

/// One person of the file.
#[derive(Clone, Debug)]
pub struct DevUser {
    identity: Identity,
    display_name: Option<String>,
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    users: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// As clusters know them (D16).
    name: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    token: String,
}

/// Why the users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("cannot read --dev-users {}: {source}", file.display())]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("--dev-users {} has {bytes} bytes, more than {MAX_FILE_BYTES}", file.display())]
    TooLarge { file: PathBuf, bytes: u64 },
    #[error("--dev-users {}: {message}", file.display())]
    Content { file: PathBuf, message: String },
}

impl Users {
    /// Reads the file of static tokens.
    ///
    /// # Errors
    /// If it cannot be read, or a user in it could not be told from another.
    pub fn load_dev(file: &Path) -> Result<Self, UsersError> {
        let read = |source| UsersError::Read {
            file: file.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(file).map_err(read)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(UsersError::TooLarge {
                file: file.to_owned(),
                bytes,
            });
        }
        let text = std::fs::read_to_string(file).map_err(read)?;
        Self::parse_dev(&text).map_err(|message| UsersError::Content {
            file: file.to_owned(),
            message,
        })
    }

    fn parse_dev(text: &str) -> Result<Self, String> {
        let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let mut users = HashMap::new();
        for (i, entry) in file.users.into_iter().enumerate() {
            let field = |name: &str| format!("users[{i}].{name}");
            check_person_name(&entry.name).map_err(|e| format!("{} {e}", field("name")))?;
            for (g, group) in entry.groups.iter().enumerate() {
                check_visible(group).map_err(|e| format!("{}[{g}] {e}", field("groups")))?;
            }
            if entry.token.chars().count() < MIN_TOKEN_CHARS {
                return Err(format!(
                    "{} has fewer than {MIN_TOKEN_CHARS} characters",
                    field("token")
                ));
            }
            let user = DevUser {
                identity: Identity {
                    issuer: ISSUER.to_owned(),
                    subject: entry.name.clone(),
                    email_verified: entry.email.is_some(),
                    email: entry.email,
                    name: entry.name,
                },
                display_name: entry.display_name,
                groups: entry.groups,
            };
            if users
                .values()
                .any(|other: &DevUser| other.identity.subject == user.identity.subject)
            {
                return Err(format!(
                    "{} {:?} is there twice",
                    field("name"),
                    user.identity.name
                ));
            }
            if users.insert(digest(&entry.token), user).is_some() {
                return Err(format!("{} is another user's token too", field("token")));
            }
        }
        Ok(Self::Dev(users))
    }

    /// The person whose token it is, with today's groups.
    #[must_use]
    pub fn caller(&self, token: &str, admin_groups: &[String]) -> Option<Caller> {
        let Self::Dev(users) = self else { return None };
        // A lookup by hash takes the same path whatever part of a guess is right.
        let user = users.get(&digest(token))?;
        let is_admin = user.groups.iter().any(|group| admin_groups.contains(group));
        Some(Caller {
            identity: user.identity.clone(),
            display_name: user.display_name.clone(),
            groups: user.groups.clone(),
            standing: if is_admin {
                Standing::Admin
            } else {
                Standing::User
            },
        })
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
users:
- {name: alice@example.com, email: alice@example.com, groups: [sre-team], token: alice-token-0123456789}
- {name: root@example.com, groups: [admins], token: admin-token-0123456789}
";

    #[test]
    fn a_token_is_its_person_and_admins_are_by_group() {
        let users = Users::parse_dev(FILE).unwrap();
        let admins = ["admins".to_owned()];
        let alice = users.caller("alice-token-0123456789", &admins).unwrap();
        assert_eq!(alice.identity.name, "alice@example.com");
        assert_eq!(alice.standing, Standing::User);
        assert_eq!(
            users
                .caller("admin-token-0123456789", &admins)
                .unwrap()
                .standing,
            Standing::Admin
        );
        assert!(users.caller("alice-token-012345678", &admins).is_none());
        assert!(users.caller("", &admins).is_none());
        assert!(
            Users::Nobody
                .caller("alice-token-0123456789", &admins)
                .is_none()
        );
    }

    #[test]
    fn mistakes_name_the_field() {
        for (text, wanted) in [
            (
                "users: [{name: a, token: short}]",
                "users[0].token has fewer than 16",
            ),
            (
                "users: [{name: 'system:admin', token: long-enough-token-1}]",
                "users[0].name starts with \"system:\"",
            ),
            (
                "users: [{name: a, token: long-enough-token-1}, {name: a, token: long-enough-token-2}]",
                "users[1].name \"a\" is there twice",
            ),
            (
                "users: [{name: a, token: long-enough-token-1}, {name: b, token: long-enough-token-1}]",
                "users[1].token is another",
            ),
            ("users: [{name: a, tokn: x}]", "tokn"),
        ] {
            let message = Users::parse_dev(text).err().unwrap();
            assert!(message.contains(wanted), "{text}: {message}");
        }
    }
}
