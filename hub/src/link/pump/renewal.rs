//! A new certificate at half-life, over the link (S18).

use std::time::Duration;

use breakglass_hub_core::audit::{Action, Outcome};
use breakglass_hub_core::enrolment::{Enrolment, NotHeard, Renewal};
use breakglass_protocol::wire::close::CloseCode;
use breakglass_protocol::wire::to_agent::Certificate;

use super::Pump;
use crate::app::{Change, UpdateError};
use crate::ca::{CaError, IssuedToAgent, ProvenKey};
use crate::link::enrol::certificate;
use crate::link::standing::enrolment_key;

/// A certificate is renewed twice a day; an agent that asks more often than this on one connection is broken.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// What became of the record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outlook {
    Issued,
    Copied,
}

impl Pump<'_> {
    /// Issues and records a certificate for the key in the request, and hands it to the link.
    pub(super) async fn renew(&mut self, csr_der: &[u8]) {
        let now = self.app.now();
        if self
            .renewed_at
            .is_some_and(|at| now.monotonic < at + MIN_INTERVAL)
        {
            let message = "the agent asks for certificates too often".to_owned();
            return self.link.handle_unacceptable(message);
        }
        self.renewed_at = Some(now.monotonic);
        let key = match ProvenKey::from_der(csr_der) {
            Ok(key) => key,
            Err(error) => {
                let message = format!("the certificate request {error}");
                return self.link.handle_unacceptable(message);
            }
        };
        let issued = match self
            .app
            .agents
            .authority
            .issue_agent(&key, &self.cluster, now.wall)
        {
            Ok(issued) => issued,
            Err(error) => return self.cannot_issue(&error),
        };
        match self.record_renewal(&issued).await {
            Ok(Outlook::Issued) => self.hand_over(issued),
            Ok(Outlook::Copied) => {
                let message = format!(
                    "two keys were renewed from one certificate of cluster {0}: one of them was copied, so both are revoked; run `bgctl cluster register {0}` and enrol anew",
                    self.cluster
                );
                self.record_misbehaviour(CloseCode::Revoked, message.clone())
                    .await;
                self.link.close(CloseCode::Revoked, message, None);
            }
            Err(UpdateError::Refused(refused)) => {
                self.link
                    .close(CloseCode::Revoked, refused.to_string(), None);
            }
            Err(
                error @ (UpdateError::NotFound(_)
                | UpdateError::Contended { .. }
                | UpdateError::Commit(_)
                | UpdateError::Store(_)),
            ) => self.store_failed("a renewed certificate", &error),
        }
    }

    async fn record_renewal(
        &self,
        issued: &IssuedToAgent,
    ) -> Result<Outlook, UpdateError<NotHeard>> {
        let of = self.certificate.serial.clone();
        let mut outlook = Outlook::Issued;
        self.app
            .update(
                &enrolment_key(&self.cluster),
                |enrolment: Enrolment, now| {
                    let renewal = enrolment.renew(&of, certificate(issued, now.wall), now.wall)?;
                    let (object, event) = match renewal {
                        Renewal::Issued(object) => {
                            outlook = Outlook::Issued;
                            let event = self.event(now, Action::CertificateRenewed, Outcome::Done);
                            (object, event.with("serial", issued.serial.clone()))
                        }
                        Renewal::Copied(object) => {
                            outlook = Outlook::Copied;
                            let event = self.event(now, Action::ClusterRevoked, Outcome::Done);
                            (
                                object,
                                event.with("why", "two renewals from one certificate"),
                            )
                        }
                    };
                    Ok(Change {
                        object,
                        events: vec![event],
                    })
                },
            )
            .await?;
        Ok(outlook)
    }

    fn hand_over(&mut self, issued: IssuedToAgent) {
        self.app.agents.metrics.certificates.inc();
        self.certificate.serial = issued.serial;
        self.certificate.key_fingerprint = issued.key_fingerprint;
        self.expires_at = issued.expires_at;
        self.shown.changed();
        self.link.certificate(Certificate {
            certificate_pem: issued.certificate_pem,
            ca_pem: self.app.agents.authority.certificate_pem().to_owned(),
        });
    }

    fn cannot_issue(&mut self, error: &CaError) {
        tracing::error!(cluster = %self.cluster, %error, "cannot renew an agent's certificate");
        let message = "the hub cannot issue certificates now; connect again shortly";
        self.link.close(
            CloseCode::GoingAway,
            message.to_owned(),
            Some(super::STORE_TROUBLE),
        );
    }
}
