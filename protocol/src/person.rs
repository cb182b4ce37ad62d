//! Who somebody is. A person is (issuer, subject) (S6); name and e-mail are kept beside it for display and for the
//! rule that nobody approves their own session under another name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A person as recorded in a session, at the time of the act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Identity {
    /// Who vouches for them: an OIDC issuer URL, or `dev-users`.
    pub issuer: String,
    /// The issuer's own, never reused, name for them.
    pub subject: String,
    /// The name under which they act, and which clusters know (`alice@example.com`).
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Only a verified e-mail counts in comparisons.
    #[serde(default)]
    pub email_verified: bool,
}

impl Identity {
    /// Whether two records mean one person: same (issuer, subject), or same name, or same verified e-mail with case
    /// folded. Errs on the side of "same", since it is used to forbid (approving oneself), never to permit.
    #[must_use]
    pub fn is_same_person(&self, other: &Self) -> bool {
        let same_subject = self.issuer == other.issuer && self.subject == other.subject;
        same_subject || self.name == other.name || self.shares_verified_email(other)
    }

    /// Whether this record is the very account of `other`: what permits (being the owner) compares only this.
    #[must_use]
    pub fn is_same_account(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.subject == other.subject
    }

    fn shares_verified_email(&self, other: &Self) -> bool {
        match (self.verified_email(), other.verified_email()) {
            (Some(mine), Some(theirs)) => mine.to_lowercase() == theirs.to_lowercase(),
            (None, _) | (_, None) => false,
        }
    }

    fn verified_email(&self) -> Option<&str> {
        self.email
            .as_deref()
            .filter(|mail| self.email_verified && !mail.is_empty())
    }
}

/// Why a text cannot be a person's, group's or cluster user's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("is empty")]
    Empty,
    #[error("is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
    #[error(
        "holds the character U+{0:04X}, which cannot be seen or changes how text reads; remove it"
    )]
    Unseen(u32),
    #[error("starts with \"system:\", which is Kubernetes's own; sessions are for people")]
    System,
}

/// Longest name of a person or group: room for any e-mail address (254) and for prefixed names.
pub const MAX_NAME_BYTES: usize = 512;

/// Checks the name of a person: not empty, nothing invisible in it (S6), not Kubernetes's own (S5).
///
/// # Errors
/// What is wrong with the name, worded to follow the field's name.
pub fn check_person_name(name: &str) -> Result<(), NameError> {
    check_visible(name)?;
    if name.starts_with("system:") {
        Err(NameError::System)
    } else {
        Ok(())
    }
}

/// Checks that a name of a group or person is not empty, bounded, and holds nothing invisible.
///
/// # Errors
/// What is wrong with the name, worded to follow the field's name.
pub fn check_visible(name: &str) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong);
    }
    match name.chars().find(|c| is_unseen(*c)) {
        Some(c) => Err(NameError::Unseen(u32::from(c))),
        None => Ok(()),
    }
}

/// Longest mail address (RFC 5321).
const MAX_ADDRESS_BYTES: usize = 254;

/// Whether a text is one plain mail address and nothing else: no display name, no list, nothing that could end a header
/// or a command of SMTP (S20).
#[must_use]
pub fn is_mail_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str, more: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with('.')
            && !part.contains("..")
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    text.len() <= MAX_ADDRESS_BYTES
        && local.len() <= 64
        && plain(local, ".!#$%&'*+-/=?^_`{|}~")
        && plain(domain, ".-")
}

/// Control, bidirectional, zero-width and other format characters: what makes two names look alike.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
            | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
            | 0xE0000..=0xE0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(subject: &str, name: &str, email: Option<(&str, bool)>) -> Identity {
        Identity {
            issuer: "https://id.example.com".into(),
            subject: subject.into(),
            name: name.into(),
            email: email.map(|(mail, _)| mail.to_owned()),
            email_verified: email.is_some_and(|(_, verified)| verified),
        }
    }

    #[test]
    fn s06_same_person_by_subject_name_or_verified_email() {
        let alice = person("1", "alice", Some(("Alice@Example.com", true)));
        for (other, same) in [
            (person("1", "alice-renamed", None), true),
            (person("2", "alice", None), true),
            (person("2", "al", Some(("alice@example.COM", true))), true),
            (person("2", "al", Some(("alice@example.com", false))), false),
            (person("2", "al", None), false),
        ] {
            assert_eq!(alice.is_same_person(&other), same, "{other:?}");
        }
        let nobody = person("3", "x", Some(("", true)));
        assert!(
            !nobody.is_same_person(&person("4", "y", Some(("", true)))),
            "an empty e-mail never matches"
        );
    }

    #[test]
    fn s20_an_address_is_one_address_and_nothing_else() {
        for good in [
            "a@b",
            "alice.b+breakglass@example.com",
            "o'neil@ex-ample.com",
        ] {
            assert!(is_mail_address(good), "{good}");
        }
        for bad in [
            "",
            "alice",
            "@example.com",
            "alice@",
            "a@b@c",
            "alice@example.com\r\nBcc: eve@example.com",
            "a@example.com, b@example.com",
            "Alice <a@example.com>",
            "a b@example.com",
            "a@exa mple.com",
            "a..b@example.com",
            "a@[10.0.0.1]",
        ] {
            assert!(!is_mail_address(bad), "{bad}");
        }
    }

    #[test]
    fn s06_names_that_read_alike_are_refused() {
        assert_eq!(check_person_name("alice@example.com"), Ok(()));
        assert_eq!(check_person_name("Ünal Ö"), Ok(()));
        assert_eq!(check_person_name(" "), Err(NameError::Empty));
        assert_eq!(
            check_person_name("ali\u{200B}ce"),
            Err(NameError::Unseen(0x200B))
        );
        assert_eq!(
            check_person_name("ali\u{202E}ce"),
            Err(NameError::Unseen(0x202E))
        );
        assert_eq!(check_person_name("ali\nce"), Err(NameError::Unseen(0x0A)));
        assert_eq!(check_person_name("system:masters"), Err(NameError::System));
    }
}
