//! Desired state to the agent: a snapshot after the handshake, then what changes. Pulled from the shell one grant at a time.

use breakglass_protocol::ids::{GrantUid, Revision};
use breakglass_protocol::limits::MAX_GRANTS_PER_CLUSTER;
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::to_agent::{GrantFrame, SnapshotBegin, SnapshotEnd, ToAgent};

use super::{Event, HubLink, Phase, QUEUE_FOR_GRANTS, Queued, Snapshot, Started};
use crate::grant::{Ended, Prepared};

impl HubLink {
    /// Everything this cluster should hold now: the UIDs of Active sessions and of ended ones that are not settled.
    /// Starts the sending of a snapshot; a snapshot under way starts over.
    pub fn snapshot(&mut self, revision: Revision, uids: Vec<GrantUid>) {
        if !matches!(self.phase, Phase::Online { .. }) {
            return;
        }
        if uids.len() > MAX_GRANTS_PER_CLUSTER {
            let message = format!(
                "the cluster has {} grants, over the limit of {MAX_GRANTS_PER_CLUSTER}",
                uids.len()
            );
            return self.close(CloseCode::Overloaded, message, None);
        }
        self.dirty.clear();
        self.wanted = None;
        self.started = Started::Yes;
        self.begin(revision, uids);
    }

    fn begin(&mut self, revision: Revision, all: Vec<GrantUid>) {
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        self.push(Queued::Frame(ToAgent::SnapshotBegin(SnapshotBegin {
            revision,
            count,
        })));
        let left = all.iter().cloned().collect();
        self.snapshot = Some(Snapshot {
            revision,
            all,
            left,
        });
        self.end_snapshot_if_complete();
    }

    /// A session of this cluster has changed: its newest state will be asked for. Before the snapshot was asked for this
    /// does nothing, since the snapshot will hold it.
    pub fn changed(&mut self, uid: GrantUid) {
        let counts = matches!(self.phase, Phase::Online { .. }) && self.started == Started::Yes;
        if counts && self.dirty.len() < MAX_GRANTS_PER_CLUSTER {
            self.dirty.insert(uid);
        }
    }

    /// The grant whose present state the link wants next, while there is room to send it. The shell loads the session and
    /// calls [`Self::provide`].
    pub fn poll_wanted(&mut self) -> Option<GrantUid> {
        let room = self.queue.len() < QUEUE_FOR_GRANTS && self.wanted.is_none();
        if !room || !matches!(self.phase, Phase::Online { .. }) {
            return None;
        }
        let next = match &mut self.snapshot {
            Some(snapshot) => snapshot.left.pop_front(),
            None => self.dirty.pop_first(),
        };
        self.wanted.clone_from(&next);
        next
    }

    /// The present state of the grant that [`Self::poll_wanted`] asked for; `None` if there is nothing to grant (any more).
    pub fn provide(&mut self, uid: &GrantUid, prepared: Option<Prepared>) {
        if self.wanted.as_ref() != Some(uid) {
            return;
        }
        self.wanted = None;
        let missing = prepared
            .as_ref()
            .map(|p| self.missing(p))
            .unwrap_or_default();
        let sendable = prepared.filter(|_| missing.is_empty());
        if !missing.is_empty() {
            self.event(Event::Unsupported {
                uid: uid.clone(),
                missing,
            });
        }
        match sendable {
            Some(grant) => {
                let frame = GrantFrame {
                    revision: grant.revision,
                    uid: grant.uid,
                    requires: grant.requires,
                    remaining_ms: 0,
                    body: grant.body,
                };
                self.push(Queued::Grant {
                    frame,
                    expires_at: grant.expires_at,
                });
                self.end_snapshot_if_complete();
            }
            None => self.leave_out(uid),
        }
    }

    /// A snapshot announced a grant that is not to be sent: it starts over without, so that its count stays true.
    fn leave_out(&mut self, uid: &GrantUid) {
        if let Some(snapshot) = self.snapshot.take() {
            let all = snapshot.all.into_iter().filter(|u| u != uid).collect();
            self.begin(snapshot.revision, all);
        }
    }

    fn missing(&self, grant: &Prepared) -> Vec<String> {
        match (&self.phase, grant.ended) {
            (Phase::Online { features }, Ended::No) => grant
                .requires
                .iter()
                .filter(|f| !features.contains(*f))
                .cloned()
                .collect(),
            (Phase::Online { .. }, Ended::Yes) | (Phase::Greeting { .. } | Phase::Closed, _) => {
                Vec::new()
            }
        }
    }

    fn end_snapshot_if_complete(&mut self) {
        if let Some(snapshot) = self.snapshot.take_if(|s| s.left.is_empty()) {
            self.push(Queued::Frame(ToAgent::SnapshotEnd(SnapshotEnd {
                revision: snapshot.revision,
            })));
        }
    }
}
