//! The people of the story. Each has a client certificate on every cluster, and but for the administrator no rights.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// Cluster administrator (`system:masters`).
    Admin,
    Alice,
    Bob,
    Mallory,
    /// Approves; the others are engineers.
    Carol,
}

impl User {
    pub const ALL: [User; 5] = [
        User::Admin,
        User::Alice,
        User::Bob,
        User::Mallory,
        User::Carol,
    ];

    /// Names the kubeconfig's file.
    pub fn short_name(self) -> &'static str {
        match self {
            User::Admin => "admin",
            User::Alice => "alice",
            User::Bob => "bob",
            User::Mallory => "mallory",
            User::Carol => "carol",
        }
    }

    /// Who the API server takes the certificate's holder for.
    pub fn username(self) -> &'static str {
        match self {
            User::Admin => "admin",
            User::Alice => "alice@example.com",
            User::Bob => "bob@example.com",
            User::Mallory => "mallory@example.com",
            User::Carol => "carol@example.com",
        }
    }

    pub fn group(self) -> &'static str {
        match self {
            User::Admin => "system:masters",
            User::Alice | User::Bob | User::Mallory => "sre-team",
            User::Carol => "sre-leads",
        }
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short_name())
    }
}

impl FromStr for User {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<User> {
        let names = User::ALL.map(User::short_name).join(", ");
        User::ALL
            .into_iter()
            .find(|user| user.short_name() == text)
            .with_context(|| format!("no user {text:?}; there are {names}"))
    }
}
