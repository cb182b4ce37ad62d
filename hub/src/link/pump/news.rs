//! What the store's changes mean for one connection: sessions, deny policies, and the cluster's own standing.

use breakglass_protocol::wire::close::CloseCode;

use super::Pump;
use crate::link::registry::{Extent, Pending, Policies, Standing};
use crate::link::standing::{self, NoStanding};

impl Pump<'_> {
    pub(super) async fn handle_news(&mut self, pending: Pending) {
        if pending.standing == Standing::LookAgain {
            self.look_again().await;
        }
        let all_anew = pending.extent == Extent::Everything;
        if (all_anew || pending.policies == Policies::Changed)
            && let Err(error) = self.send_policies().await
        {
            return self.store_failed("the deny policies", &error);
        }
        match pending.extent {
            Extent::Everything => {
                let (revision, uids) = self.directory.wanted(&self.cluster);
                self.link.snapshot(revision, uids);
            }
            Extent::Sessions => {
                for uid in pending.sessions {
                    self.link.changed(uid);
                }
            }
        }
    }

    /// The cluster's certificates or settings have changed: a revoked one is cut at once.
    async fn look_again(&mut self) {
        match standing::of(self.app, &self.certificate).await {
            Ok(standing) => {
                self.expires_at = standing.expires_at;
                if standing.tenant != self.tenant {
                    self.tenant = standing.tenant;
                    if let Err(error) = self.send_policies().await {
                        return self.store_failed("the deny policies", &error);
                    }
                }
                if standing.names != self.names {
                    self.names = standing.names;
                    for uid in self.directory.wanted(&self.cluster).1 {
                        self.link.changed(uid);
                    }
                }
            }
            Err(NoStanding::Refused(refusal)) => {
                self.link
                    .close(CloseCode::Revoked, refusal.to_string(), None);
            }
            Err(NoStanding::Store(error)) => self.store_failed("the cluster", &error),
        }
    }
}
