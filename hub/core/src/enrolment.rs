//! How a cluster comes to speak for itself (spec 3 section 2, S18). One record per cluster holds its join token and the
//! certificates that speak for it, so that every step is one compare-and-set on one object:
//!
//! 1. An administrator registers the cluster: [`Enrolment::offer_token`].
//! 2. Its agent redeems the token, once: [`Enrolment::redeem`] → a certificate, valid for a day.
//! 3. Each connection is judged by [`Enrolment::judge`]; its first use of a renewed certificate retires the one before
//!    ([`Enrolment::used`]).
//! 4. At half-life the agent renews: [`Enrolment::renew`]. Two renewals from one predecessor mean that a key was copied:
//!    both are revoked.
//! 5. [`Enrolment::revoke`] ends all of it; after that the cluster may be registered again.

use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::limits::JOIN_TOKEN_LIFETIME;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::later;

/// Ended certificates are remembered to tell "revoked" from "unknown"; a day's worth of them would be three.
const MAX_ENDED: usize = 16;
/// Wrong secrets that are written down for one token. More of them change nothing: the secret has 256 bits.
pub const MAX_RECORDED_MISSES: u32 = 5;

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Enrolment {
    pub cluster: ClusterName,
    /// The newest token; an older one stopped working when this one was made.
    pub token: Option<Token>,
    pub speaks: Speaks,
    /// The newest last.
    pub ended: Vec<EndedCertificate>,
}

/// A join token as the hub keeps it: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    pub id: String,
    /// SHA-256 of the secret, lower-case hex.
    pub secret_sha256: String,
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub redeemed_at: Option<Timestamp>,
    /// Times somebody came with a wrong secret, counted up to [`MAX_RECORDED_MISSES`].
    pub misses: u32,
}

/// Which certificates speak for the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Speaks {
    Nobody {},
    One {
        current: Certificate,
    },
    /// Renewed, and the new one was not used yet: its delivery may have been lost.
    Renewing {
        current: Certificate,
        next: Certificate,
    },
}

/// A certificate that was issued to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// Lower-case hex.
    pub serial: String,
    /// SHA-256 of the public key, lower-case hex.
    pub key_fingerprint: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A certificate that no longer counts, whatever its own dates say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndedCertificate {
    pub serial: String,
    pub why: EndedBy,
    pub at: Timestamp,
}

/// Why a certificate no longer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndedBy {
    /// Its successor was used.
    Renewal,
    /// An administrator, or two renewals from one predecessor.
    Revocation,
    /// The cluster enrolled anew after this one had expired.
    Enrolment,
}

/// Why a cluster cannot be registered again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cluster {cluster} has a certificate that is valid until {until}; a join token never replaces a living identity: run `bgctl cluster revoke {cluster}` first if its agent is to enrol anew"
)]
pub struct AlreadySpeaks {
    pub cluster: ClusterName,
    pub until: Timestamp,
}

/// Why a token is not redeemed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedeemed {
    /// Also for a wrong secret: who guesses learns nothing.
    #[error("the join token is not known; get a new one with `bgctl cluster register NAME`")]
    Unknown,
    #[error(
        "the join token was used on {at}; a token works once. If that was not this cluster's agent, run `bgctl cluster revoke {cluster}`; then get a new token with `bgctl cluster register {cluster}`"
    )]
    Used { cluster: ClusterName, at: Timestamp },
    #[error(
        "the join token stopped working on {at}; get a new one with `bgctl cluster register {cluster}`"
    )]
    Expired { cluster: ClusterName, at: Timestamp },
    #[error(transparent)]
    AlreadySpeaks(#[from] AlreadySpeaks),
}

/// Why a certificate does not speak for the cluster (any more).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    #[error(
        "the certificate of cluster {cluster} expired on {at}; get a join token with `bgctl cluster register {cluster}` and give it to the agent"
    )]
    Expired { cluster: ClusterName, at: Timestamp },
    #[error(
        "the certificate of cluster {cluster} was revoked on {at}; if the cluster is to come back, get a join token with `bgctl cluster register {cluster}`"
    )]
    Revoked { cluster: ClusterName, at: Timestamp },
    #[error(
        "the certificate of cluster {cluster} was replaced by a newer one on {at}; use the newer one"
    )]
    Replaced { cluster: ClusterName, at: Timestamp },
    #[error(
        "this hub has issued no such certificate for cluster {cluster}; get a join token with `bgctl cluster register {cluster}`"
    )]
    Unknown { cluster: ClusterName },
}

/// Why a text cannot be a cluster's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a DNS label: 1 to 63 of a-z, 0-9 and \"-\", beginning and ending with a letter or digit"
)]
pub struct BadClusterName;

/// Checks that a text can be a cluster's name (D16).
///
/// # Errors
/// Worded to follow the field's name.
pub fn check_cluster_name(name: &str) -> Result<ClusterName, BadClusterName> {
    let ends = |c: Option<char>| c.is_some_and(|c| c != '-');
    let label = name.len() <= 63
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && ends(name.chars().next())
        && ends(name.chars().next_back());
    if label {
        Ok(ClusterName::new(name))
    } else {
        Err(BadClusterName)
    }
}

/// What came of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    Issued(Enrolment),
    /// A second key was renewed from the same certificate: somebody copied one. Nobody speaks for the cluster now.
    Copied(Enrolment),
}

impl Enrolment {
    /// A cluster that nobody speaks for.
    #[must_use]
    pub fn new(cluster: ClusterName) -> Self {
        Self {
            cluster,
            token: None,
            speaks: Speaks::Nobody {},
            ended: Vec::new(),
        }
    }

    /// Puts a new token in place of an older one.
    ///
    /// # Errors
    /// If the cluster has a certificate that is still good.
    pub fn offer_token(
        mut self,
        id: String,
        secret_sha256: String,
        now: Timestamp,
    ) -> Result<Self, AlreadySpeaks> {
        self.check_silent(now)?;
        self.token = Some(Token {
            id,
            secret_sha256,
            expires_at: later(now, JOIN_TOKEN_LIFETIME),
            redeemed_at: None,
            misses: 0,
        });
        Ok(self)
    }

    /// Uses the token up for `certificate`. The caller has compared the secret.
    ///
    /// # Errors
    /// If the token does not work (any more), or the cluster has a certificate that is still good.
    pub fn redeem(
        mut self,
        token_id: &str,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<Self, NotRedeemed> {
        let cluster = self.cluster.clone();
        let token = self
            .token
            .as_mut()
            .filter(|token| token.id == token_id)
            .ok_or(NotRedeemed::Unknown)?;
        if let Some(at) = token.redeemed_at {
            return Err(NotRedeemed::Used { cluster, at });
        }
        if token.expires_at <= now {
            let at = token.expires_at;
            return Err(NotRedeemed::Expired { cluster, at });
        }
        token.redeemed_at = Some(now);
        self.check_silent(now)?;
        self.end_all(EndedBy::Enrolment, now);
        self.speaks = Speaks::One {
            current: certificate,
        };
        Ok(self)
    }

    /// Counts a wrong secret; `None` once enough of them are written down.
    #[must_use]
    pub fn missed(mut self) -> Option<Self> {
        let token = self.token.as_mut()?;
        if token.misses >= MAX_RECORDED_MISSES {
            return None;
        }
        token.misses += 1;
        Some(self)
    }

    /// Whether the certificate with this serial and key speaks for the cluster now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn judge(
        &self,
        serial: &str,
        key_fingerprint: &str,
        now: Timestamp,
    ) -> Result<&Certificate, NotHeard> {
        let cluster = || self.cluster.clone();
        let known = match &self.speaks {
            Speaks::Nobody {} => None,
            Speaks::One { current } => Some(current).filter(|it| it.serial == serial),
            Speaks::Renewing { current, next } => {
                [current, next].into_iter().find(|it| it.serial == serial)
            }
        };
        let Some(certificate) = known.filter(|it| it.key_fingerprint == key_fingerprint) else {
            return Err(self.why_not(serial));
        };
        if certificate.expires_at <= now {
            return Err(NotHeard::Expired {
                cluster: cluster(),
                at: certificate.expires_at,
            });
        }
        Ok(certificate)
    }

    /// Takes in that a certificate was used for a connection: a renewed one is the current one from then on.
    #[must_use]
    pub fn used(mut self, serial: &str, now: Timestamp) -> Self {
        if let Speaks::Renewing { current, next } = self.speaks {
            if next.serial == serial {
                self.ended.push(ended(&current, EndedBy::Renewal, now));
                self.speaks = Speaks::One { current: next };
                self.trim();
            } else {
                self.speaks = Speaks::Renewing { current, next };
            }
        }
        self
    }

    /// Puts `certificate` beside the one with the serial `of`, which asked for it.
    ///
    /// # Errors
    /// If the one that asked does not speak for the cluster (any more).
    pub fn renew(
        self,
        of: &str,
        certificate: Certificate,
        now: Timestamp,
    ) -> Result<Renewal, NotHeard> {
        // Who asks with the renewed one has received it.
        let mut renewed = self.used(of, now);
        let (current, earlier) = match &renewed.speaks {
            Speaks::One { current } if current.serial == of => (current, None),
            Speaks::Renewing { current, next } if current.serial == of => (current, Some(next)),
            Speaks::Nobody {} | Speaks::One { .. } | Speaks::Renewing { .. } => {
                return Err(renewed.why_not(of));
            }
        };
        if current.expires_at <= now {
            return Err(NotHeard::Expired {
                cluster: renewed.cluster.clone(),
                at: current.expires_at,
            });
        }
        // The same key again is the same agent, whose answer was lost on the way.
        if earlier.is_some_and(|it| it.key_fingerprint != certificate.key_fingerprint) {
            return Ok(Renewal::Copied(renewed.revoke(now)));
        }
        let current = current.clone();
        if let Some(lost) = earlier {
            let lost = ended(lost, EndedBy::Renewal, now);
            renewed.ended.push(lost);
        }
        renewed.speaks = Speaks::Renewing {
            current,
            next: certificate,
        };
        renewed.trim();
        Ok(Renewal::Issued(renewed))
    }

    /// Bars every certificate and the open token.
    #[must_use]
    pub fn revoke(mut self, now: Timestamp) -> Self {
        self.token = None;
        self.end_all(EndedBy::Revocation, now);
        self
    }

    /// When the last certificate that speaks for the cluster ends.
    #[must_use]
    pub fn speaks_until(&self) -> Option<Timestamp> {
        match &self.speaks {
            Speaks::Nobody {} => None,
            Speaks::One { current } => Some(current.expires_at),
            Speaks::Renewing { current, next } => Some(current.expires_at.max(next.expires_at)),
        }
    }

    fn check_silent(&self, now: Timestamp) -> Result<(), AlreadySpeaks> {
        match self.speaks_until().filter(|until| *until > now) {
            Some(until) => Err(AlreadySpeaks {
                cluster: self.cluster.clone(),
                until,
            }),
            None => Ok(()),
        }
    }

    fn why_not(&self, serial: &str) -> NotHeard {
        let cluster = self.cluster.clone();
        match self.ended.iter().rev().find(|it| it.serial == serial) {
            None => NotHeard::Unknown { cluster },
            Some(EndedCertificate { why, at, .. }) => match why {
                EndedBy::Revocation => NotHeard::Revoked { cluster, at: *at },
                EndedBy::Renewal | EndedBy::Enrolment => NotHeard::Replaced { cluster, at: *at },
            },
        }
    }

    fn end_all(&mut self, why: EndedBy, now: Timestamp) {
        match std::mem::replace(&mut self.speaks, Speaks::Nobody {}) {
            Speaks::Nobody {} => {}
            Speaks::One { current } => self.ended.push(ended(&current, why, now)),
            Speaks::Renewing { current, next } => {
                self.ended.push(ended(&current, why, now));
                self.ended.push(ended(&next, why, now));
            }
        }
        self.trim();
    }

    fn trim(&mut self) {
        let surplus = self.ended.len().saturating_sub(MAX_ENDED);
        self.ended.drain(..surplus);
    }
}

fn ended(certificate: &Certificate, why: EndedBy, at: Timestamp) -> EndedCertificate {
    EndedCertificate {
        serial: certificate.serial.clone(),
        why,
        at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(hours * HOUR).unwrap()
    }

    fn certificate(serial: &str, key: &str, hours: i64) -> Certificate {
        Certificate {
            serial: serial.into(),
            key_fingerprint: key.into(),
            issued_at: at(hours),
            expires_at: at(hours + 24),
        }
    }

    fn registered() -> Enrolment {
        Enrolment::new(ClusterName::new("west"))
            .offer_token("west.1".into(), "hash".into(), at(0))
            .unwrap()
    }

    fn enrolled() -> Enrolment {
        registered()
            .redeem("west.1", certificate("a", "k1", 0), at(0))
            .unwrap()
    }

    fn issued(renewal: Result<Renewal, NotHeard>) -> Enrolment {
        match renewal.unwrap() {
            Renewal::Issued(enrolment) => enrolment,
            Renewal::Copied(_) => panic!("taken for a copy"),
        }
    }

    #[test]
    fn names_are_dns_labels() {
        for good in ["w", "west", "west-1", "1a"] {
            assert!(check_cluster_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-",
            "-a",
            "a-",
            "West",
            "we.st",
            "we/st",
            "wést",
            &"a".repeat(64),
        ] {
            assert!(check_cluster_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn s18_a_token_works_once_and_for_an_hour() {
        let used = enrolled().redeem("west.1", certificate("b", "k2", 0), at(0));
        assert!(matches!(used, Err(NotRedeemed::Used { .. })));
        let late = registered().redeem("west.1", certificate("a", "k1", 1), at(1));
        assert!(matches!(late, Err(NotRedeemed::Expired { .. })));
        let other = registered().redeem("west.2", certificate("a", "k1", 0), at(0));
        assert_eq!(other, Err(NotRedeemed::Unknown));
    }

    #[test]
    fn s18_a_newer_token_ends_the_older_one() {
        let twice = registered()
            .offer_token("west.2".into(), "hash".into(), at(0))
            .unwrap();
        assert_eq!(
            twice.redeem("west.1", certificate("a", "k1", 0), at(0)),
            Err(NotRedeemed::Unknown)
        );
    }

    #[test]
    fn s18_a_token_never_replaces_a_living_identity() {
        let refused = enrolled().offer_token("west.2".into(), "hash".into(), at(23));
        assert_eq!(
            refused,
            Err(AlreadySpeaks {
                cluster: ClusterName::new("west"),
                until: at(24)
            })
        );
        // Once it has expired, or was revoked, a person may start over.
        assert!(
            enrolled()
                .offer_token("x".into(), "h".into(), at(24))
                .is_ok()
        );
        assert!(
            enrolled()
                .revoke(at(1))
                .offer_token("x".into(), "h".into(), at(1))
                .is_ok()
        );
    }

    #[test]
    fn judgement_names_the_reason() {
        let enrolment = enrolled();
        assert!(enrolment.judge("a", "k1", at(1)).is_ok());
        assert!(matches!(
            enrolment.judge("a", "k1", at(24)),
            Err(NotHeard::Expired { .. })
        ));
        // The right serial on another key is nothing that this hub issued.
        assert!(matches!(
            enrolment.judge("a", "k9", at(1)),
            Err(NotHeard::Unknown { .. })
        ));
        assert!(matches!(
            enrolment.judge("z", "k1", at(1)),
            Err(NotHeard::Unknown { .. })
        ));
        let revoked = enrolment.revoke(at(2));
        assert!(matches!(
            revoked.judge("a", "k1", at(3)),
            Err(NotHeard::Revoked { .. })
        ));
        assert!(revoked.token.is_none());
    }

    #[test]
    fn a_renewed_certificate_retires_the_older_one_at_its_first_use() {
        let renewed = issued(enrolled().renew("a", certificate("b", "k1", 12), at(12)));
        assert!(renewed.judge("a", "k1", at(13)).is_ok());
        assert!(renewed.judge("b", "k1", at(13)).is_ok());
        let used = renewed.used("b", at(13));
        assert!(matches!(
            used.judge("a", "k1", at(14)),
            Err(NotHeard::Replaced { .. })
        ));
        assert_eq!(used.judge("b", "k1", at(14)).unwrap().expires_at, at(36));
    }

    #[test]
    fn a_lost_answer_is_asked_again_with_the_same_key() {
        let renewed = issued(enrolled().renew("a", certificate("b", "k2", 12), at(12)));
        let again = issued(renewed.renew("a", certificate("c", "k2", 12), at(12)));
        assert!(again.judge("c", "k2", at(13)).is_ok());
        assert!(again.judge("b", "k2", at(13)).is_err());
    }

    #[test]
    fn s18_two_renewals_from_one_predecessor_revoke_both() {
        let renewed = issued(enrolled().renew("a", certificate("b", "k2", 12), at(12)));
        let Renewal::Copied(ended) = renewed
            .renew("a", certificate("c", "k3", 12), at(13))
            .unwrap()
        else {
            panic!("a copied key went unseen");
        };
        for (serial, key) in [("a", "k1"), ("b", "k2")] {
            assert!(matches!(
                ended.judge(serial, key, at(14)),
                Err(NotHeard::Revoked { .. })
            ));
        }
        assert!(matches!(
            ended.judge("c", "k3", at(14)),
            Err(NotHeard::Unknown { .. })
        ));
    }

    #[test]
    fn a_connection_renews_on_from_the_certificate_it_was_given_last() {
        let first = issued(enrolled().renew("a", certificate("b", "k1", 12), at(12)));
        let second = issued(first.renew("b", certificate("c", "k1", 24), at(24)));
        assert!(matches!(
            second.judge("a", "k1", at(24)),
            Err(NotHeard::Replaced { .. })
        ));
        assert!(second.judge("c", "k1", at(40)).is_ok());
        assert!(matches!(
            second.renew("a", certificate("d", "k1", 24), at(24)),
            Err(NotHeard::Replaced { .. })
        ));
    }

    #[test]
    fn the_memory_of_ended_certificates_is_bounded() {
        let mut enrolment = enrolled();
        for n in 0..50 {
            let serial = format!("n{n}");
            let before = if n == 0 {
                "a".into()
            } else {
                format!("n{}", n - 1)
            };
            enrolment = issued(enrolment.renew(&before, certificate(&serial, "k1", 1), at(1)));
        }
        assert!(enrolment.ended.len() <= MAX_ENDED);
    }
}
