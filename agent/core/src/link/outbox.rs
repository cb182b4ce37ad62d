//! What waits to be sent. Reports and the status are states, not messages: only the newest of each waits, and all are
//! sent anew on a new connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use breakglass_protocol::ids::GrantUid;
use breakglass_protocol::limits::MAX_REPORT_BYTES;
use breakglass_protocol::wire::report::{AgentStatus, Phase, Report};
use breakglass_protocol::wire::to_hub::{
    AuditFrame, RenewCertificate, ReportFrame, StatusFrame, ToHub,
};

/// Frames that are messages: Hello, answers, Close. As many answers as calls may run at once, and a few more.
const MAX_FIRST: usize = 64;
/// A final report that the hub has not settled is repeated this often: should a hub have lost it, people wait no longer
/// than this for the end of their session.
const REPEAT: Duration = Duration::from_secs(30);

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    first: VecDeque<ToHub>,
    acknowledged: Option<ToHub>,
    status: Option<Vec<u8>>,
    renewal: Option<RenewCertificate>,
    reports: BTreeMap<GrantUid, Waiting>,
    /// One batch of records of this conversation.
    audit: Option<AuditFrame>,
    unsent: Unsent,
    repeat_at: Option<Duration>,
}

#[derive(Debug)]
struct Waiting {
    body: Vec<u8>,
    is_final: bool,
}

#[derive(Debug, Default)]
struct Unsent {
    status: bool,
    renewal: bool,
    reports: BTreeSet<GrantUid>,
}

impl Outbox {
    /// A connection ended or begins: messages of the old one mean nothing on the new one.
    pub(super) fn start_over(&mut self) {
        self.first.clear();
        self.acknowledged = None;
        self.audit = None;
        self.unsent = Unsent::default();
        self.repeat_at = None;
    }

    /// The hub greeted: everything that it may have missed is sent.
    pub(super) fn open(&mut self, now: Duration) {
        self.unsent = Unsent {
            status: self.status.is_some(),
            renewal: self.renewal.is_some(),
            reports: self.reports.keys().cloned().collect(),
        };
        self.repeat_at = Some(now.saturating_add(REPEAT));
    }

    /// A message; the oldest gives way to one too many (its asker asks again).
    pub(super) fn push(&mut self, frame: ToHub) {
        if self.first.len() >= MAX_FIRST {
            self.first.pop_front();
        }
        self.first.push_back(frame);
    }

    pub(super) fn acknowledge(&mut self, frame: ToHub) {
        self.acknowledged = Some(frame);
    }

    pub(super) fn set_report(&mut self, report: &Report) {
        let waiting = Waiting {
            body: body_of(report),
            is_final: report.phase == Phase::Ended,
        };
        self.unsent.reports.insert(report.uid.clone());
        self.reports.insert(report.uid.clone(), waiting);
    }

    pub(super) fn set_status(&mut self, status: &AgentStatus) {
        self.status = serde_json::to_vec(status).ok();
        self.unsent.status = self.status.is_some();
    }

    pub(super) fn set_audit(&mut self, frame: AuditFrame) {
        self.audit = Some(frame);
    }

    pub(super) fn set_renewal(&mut self, request: RenewCertificate) {
        self.renewal = Some(request);
        self.unsent.renewal = true;
    }

    pub(super) fn certificate_came(&mut self) {
        self.renewal = None;
        self.unsent.renewal = false;
    }

    pub(super) fn forget(&mut self, uid: &GrantUid) {
        self.reports.remove(uid);
        self.unsent.reports.remove(uid);
    }

    /// The hub has the final report. A `Settled` for a grant that is not finished here is a mistake and changes nothing.
    pub(super) fn forget_ended(&mut self, uid: &GrantUid) {
        if self.reports.get(uid).is_some_and(|report| report.is_final) {
            self.forget(uid);
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) {
        if self.repeat_at.is_some_and(|at| now >= at) {
            let unsettled = self
                .reports
                .iter()
                .filter(|(_, report)| report.is_final)
                .map(|(uid, _)| uid.clone());
            self.unsent.reports.extend(unsettled);
            self.repeat_at = Some(now.saturating_add(REPEAT));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.repeat_at
            .filter(|_| self.reports.values().any(|report| report.is_final))
    }

    pub(super) fn poll_first(&mut self) -> Option<ToHub> {
        self.first.pop_front()
    }

    /// The next frame: messages, then the small states, then reports, then records.
    pub(super) fn poll(&mut self) -> Option<ToHub> {
        if let Some(frame) = self.first.pop_front().or_else(|| self.acknowledged.take()) {
            return Some(frame);
        }
        if std::mem::take(&mut self.unsent.renewal)
            && let Some(request) = &self.renewal
        {
            return Some(ToHub::RenewCertificate(request.clone()));
        }
        if std::mem::take(&mut self.unsent.status)
            && let Some(body) = &self.status
        {
            return Some(ToHub::Status(StatusFrame { body: body.clone() }));
        }
        while let Some(uid) = self.unsent.reports.pop_first() {
            if let Some(report) = self.reports.get(&uid) {
                return Some(ToHub::Report(ReportFrame {
                    uid,
                    body: report.body.clone(),
                }));
            }
        }
        self.audit.take().map(ToHub::Audit)
    }
}

/// The report as JSON; one that is too large goes without its pods, which says so.
fn body_of(report: &Report) -> Vec<u8> {
    let encode = |report: &Report| serde_json::to_vec(report).unwrap_or_default();
    let body = encode(report);
    if body.len() <= MAX_REPORT_BYTES {
        return body;
    }
    let said = report.message.as_deref().unwrap_or_default();
    let mut small = Report {
        message: Some(
            format!(
                "{said} ({} pods are too many to be listed)",
                report.pods.len()
            )
            .trim_start()
            .to_owned(),
        ),
        pods: Vec::new(),
        ..report.clone()
    };
    if let Some(cleanup) = &mut small.cleanup {
        cleanup
            .removed
            .retain(|removed| removed.object.kind != "Pod");
        cleanup.remaining.truncate(100);
    }
    encode(&small)
}
