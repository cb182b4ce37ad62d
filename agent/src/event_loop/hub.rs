//! The loop's side of the conversation with the hub: events of the link in, reports and status out, and what the hub may
//! ask. The words are spoken by the core's [`Link`](breakglass_agent_core::link::Link).

use std::time::Duration;

use breakglass_agent_core::clock::Now;
use breakglass_agent_core::holdings::{Holdings, Received, Taken};
use breakglass_agent_core::link::{Disconnect, LinkEvent as Said};
use breakglass_agent_core::report::report;
use breakglass_protocol::ids::{CallId, GrantUid, Revision};
use breakglass_protocol::wire::hello::Welcome;
use breakglass_protocol::wire::report::Report;
use breakglass_protocol::wire::to_agent::{Ask, Call};
use breakglass_protocol::wire::to_hub::{Answer, Answered, Blame, Declined};

use super::{EventLoop, LinkEvent};
use crate::cluster::watch::KillSwitch;
use crate::webhook::certs::CertError;

/// Reports of all grants are looked at together, at most this often: pods of a starting DaemonSet change many times a
/// second, and people read the result.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// Clocks further apart than this are told about: sessions end by this agent's clock.
const CLOCK_DIFFERENCE: u64 = 30_000;

impl EventLoop {
    pub(super) fn handle_link_event(&mut self, event: LinkEvent) {
        let now = self.now();
        let link = &mut self.parts.link;
        match event {
            LinkEvent::Connected { frames } => {
                self.frames = Some(frames);
                self.waiting_frame = None;
                link.handle_connected(now);
                self.parts.recorder.handle_disconnected();
            }
            LinkEvent::Frame(frame) => link.handle_frame(*frame, now),
            LinkEvent::Heard => link.handle_heard(now),
            LinkEvent::Disconnected { why } => {
                tracing::debug!(%why, "the link is down");
                self.hang_up();
            }
        }
    }

    /// The connection is over, or is to be.
    fn hang_up(&mut self) {
        self.frames = None;
        self.waiting_frame = None;
        self.parts.link.handle_disconnected();
        self.parts.recorder.handle_disconnected();
    }

    /// Does what the conversation asks for.
    pub(super) fn drain_link(&mut self, now: Now) {
        while let Some(said) = self.parts.link.poll_event() {
            match said {
                Said::Online(welcome) => greet(&welcome, now),
                Said::Grant { received, revision } => self.take_grant(*received, revision, now),
                Said::Unreadable { uid, why } => {
                    self.take_in(&uid, now, |holdings| {
                        holdings.refuse_unreadable(&uid, &why, now)
                    });
                }
                Said::SnapshotComplete { present } => {
                    let withdrawn = self.parts.holdings.withdraw_absent(&present, now);
                    self.close(withdrawn);
                }
                Said::Settled(uid) => {
                    if self.parts.holdings.settle(&uid, now) {
                        self.settled.insert(uid);
                    }
                }
                Said::Policies(received) => self.take_policies(received),
                Said::UnreadablePolicies { why } => self.refuse_policies(why),
                Said::Call(call) => self.answer(call, now),
                Said::Certificate(certificate) => self.take_certificate(&certificate),
                Said::AuditAccepted(accepted) => {
                    let recorder = &mut self.parts.recorder;
                    recorder.handle_accepted(&accepted.boot, accepted.through);
                }
                // The link's task pings by itself.
                Said::Ping => {}
                Said::Disconnect(why) => self.disconnect(&why),
            }
        }
    }

    /// Says what is still to be said, then closes.
    fn disconnect(&mut self, why: &Disconnect) {
        match why {
            Disconnect::ByHub(close) => {
                tracing::info!(code = ?close.code, message = %close.message, "the hub ends the conversation");
            }
            Disconnect::ByAgent { why } => tracing::warn!(%why, "ending the conversation"),
        }
        self.send_frames();
        self.hang_up();
    }

    fn take_grant(&mut self, received: Received, revision: Revision, now: Now) {
        let uid = received.grant.uid.clone();
        self.acks.push((uid.clone(), revision));
        let seed = self.parts.journal.seed(&uid);
        self.take_in(&uid, now, |holdings| holdings.receive(received, &seed, now));
        if self.view.kill_switch() == KillSwitch::On {
            self.end_all(now);
        }
        self.acknowledge(&uid);
    }

    fn take_in(&mut self, uid: &GrantUid, now: Now, take: impl FnOnce(&mut Holdings) -> Taken) {
        let holdings = &mut self.parts.holdings;
        let had_ended = holdings.get(uid).is_some_and(|held| held.has_ended());
        match take(holdings) {
            Taken::Changed => {
                tracing::info!(%uid, "grant taken in");
                self.wake(uid, now.monotonic);
                // It may be the first or the last that runs: the clocks are read, and marked, accordingly.
                self.next_tick = self.next_tick.min(now.monotonic);
            }
            Taken::Same => {}
            Taken::EndedBefore(report) => self.parts.link.handle_report(&report),
            Taken::Refused { why, report } => {
                tracing::warn!(%uid, %why, "grant refused");
                self.parts.metrics.frames_refused.inc();
                if let Some(report) = report {
                    self.parts.link.handle_report(&report);
                }
            }
        }
        let held = self.parts.holdings.get(uid);
        if !had_ended && held.is_some_and(|held| held.has_ended()) {
            self.close(vec![uid.clone()]);
        }
    }

    /// Tells the hub what of this grant is in the journal.
    pub(super) fn acknowledge(&mut self, uid: &GrantUid) {
        if self
            .parts
            .holdings
            .get(uid)
            .is_some_and(|held| !held.is_saved())
        {
            return;
        }
        let link = &mut self.parts.link;
        self.acks.retain(|(pending, revision)| {
            let is_it = pending == uid;
            if is_it {
                link.handle_journaled(pending, *revision);
            }
            !is_it
        });
    }

    fn answer(&mut self, call: Call, now: Now) {
        let result = match &call.ask {
            Ask::SignWebhookClient(ask) => self.parts.webhook.sign_client(&ask.csr_der, now.wall),
        };
        let answer = match result {
            Ok(client) => {
                self.note_signed(client.expires_at);
                Ok(Answered::WebhookClient(client))
            }
            Err(error) => Err(Declined {
                blame: blame_for(&error),
                message: error.to_string(),
            }),
        };
        self.send_answer(call.id, answer);
    }

    fn send_answer(&mut self, id: CallId, result: Result<Answered, Declined>) {
        self.parts.link.handle_answer(Answer { id, result });
    }

    /// Reports of what was touched, if they say something new.
    pub(super) fn make_reports(&mut self, now: Now) {
        if self.unreported.is_empty() || now.monotonic < self.reports_from {
            return;
        }
        self.reports_from = now.monotonic + REPORT_INTERVAL;
        for uid in std::mem::take(&mut self.unreported) {
            let observed = self.observed(&uid);
            let Some(held) = self.parts.holdings.get(&uid) else {
                continue;
            };
            // Before every watch has told all, a report would say that pods are gone.
            if !held.has_ended() && !self.view.is_synced() {
                continue;
            }
            let report = report(held, &observed, now);
            let work = self.work.entry(uid).or_default();
            if work
                .reported
                .as_ref()
                .is_some_and(|told| says_the_same(told, &report))
            {
                continue;
            }
            self.parts.link.handle_report(&report);
            self.parts.metrics.reports_sent.inc();
            work.reported = Some(report);
        }
    }

    /// Frames go out as the socket takes them; one waits here.
    pub(super) fn send_frames(&mut self) {
        let Some(frames) = &self.frames else {
            return;
        };
        while self.waiting_frame.is_none() {
            let Some(frame) = self.parts.link.poll_frame() else {
                return;
            };
            if let Err(error) = frames.try_send(frame) {
                self.waiting_frame = Some(error.into_inner());
            }
        }
    }
}

fn greet(welcome: &Welcome, now: Now) {
    let difference = welcome.now_ms.abs_diff(now.wall.as_millisecond());
    tracing::info!(hub = %welcome.program_version, version = welcome.version, "talking to the hub");
    if difference > CLOCK_DIFFERENCE {
        tracing::warn!(
            seconds = difference / 1000,
            "this machine's clock and the hub's differ; sessions end by whichever is ahead"
        );
    }
}

fn blame_for(error: &CertError) -> Blame {
    match error {
        CertError::RequestTooLarge(_) | CertError::Request(_) => Blame::Asker,
        CertError::NoAddress => Blame::Cluster,
        CertError::Make { .. }
        | CertError::Root(_)
        | CertError::Name(_)
        | CertError::TooManyNames(_)
        | CertError::Tls(_) => Blame::Agent,
    }
}

fn says_the_same(told: &Report, new: &Report) -> bool {
    let mut new = new.clone();
    new.at = told.at;
    *told == new
}
