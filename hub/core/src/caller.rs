//! Who is asking, as proved by this very request.

use breakglass_protocol::person::Identity;

/// A person with what their token says now. Approve, join and renew use these groups, not recorded ones (S6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub identity: Identity,
    /// For display only.
    pub display_name: Option<String>,
    pub groups: Vec<String>,
    pub standing: Standing,
}

/// Whether the caller is in one of the hub's admin groups, or barred by an admin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    User,
    Admin,
    /// May look at what was theirs, and nothing else, admin or not (S11).
    Barred,
}

impl Caller {
    /// Whether the caller's current groups hold one of `groups`.
    #[must_use]
    pub fn is_in_any(&self, groups: &[String]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }

    /// Whether `users` names the caller, byte for byte.
    #[must_use]
    pub fn is_named_in(&self, users: &[String]) -> bool {
        users.contains(&self.identity.name)
    }
}
