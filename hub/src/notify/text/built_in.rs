//! The texts that come with the hub.

use breakglass_hub_core::notice::{Notice, Occasion};
use jiff::Timestamp;

/// Subject and body of one occasion.
pub(super) struct Source {
    pub(super) subject: String,
    pub(super) body: String,
}

/// What every mail tells of its session.
const FACTS: &str = "
Session:   {{ session }}
Cluster:   {{ cluster }}
Template:  {{ template }}
Namespace: {{ namespace }}
Requester: {{ requestedBy }}
Duration:  {{ duration }}
{% if extendBySeconds %}More time: {{ extension }}
{% endif %}{% if users %}Invited:   {{ users }}
{% endif %}Reason:    {{ reason or '(none)' }}
{% if expiresAt %}Ends:      {{ expiresAt }}
{% endif %}{% if decisionReason %}
{{ by or 'The hub' }} says: {{ decisionReason }}
{% endif %}";

pub(super) fn of(occasion: Occasion) -> Source {
    let (subject, first, last) = words(occasion);
    Source {
        subject: subject.to_owned(),
        body: format!("{first}\n{FACTS}{last}"),
    }
}

/// The subject, and what stands above and below the facts.
fn words(occasion: Occasion) -> (&'static str, &'static str, &'static str) {
    match occasion {
        Occasion::Request => (
            "{{ requestedBy }} asks for a debug session on {{ cluster }}",
            "{{ requestedBy }} asks for a debug session and waits for a decision.",
            "\nDecide with:\n  bgctl debug session approve {{ session }}\n  bgctl debug session reject {{ session }}\n",
        ),
        Occasion::Approval => (
            "The debug session {{ session }} on {{ cluster }} is approved",
            "{{ by }} approved the debug session.",
            "",
        ),
        Occasion::Rejection => (
            "The debug session {{ session }} on {{ cluster }} is rejected",
            "{{ by }} rejected the debug session.",
            "",
        ),
        Occasion::TimedOut => (
            "Nobody decided on the debug session {{ session }} on {{ cluster }}",
            "Nobody decided on the debug session in time. Request again and tell an approver.",
            "",
        ),
        Occasion::ExpiryNear => (
            "The debug session {{ session }} on {{ cluster }} ends soon",
            "The debug session ends soon, and open shells end with it. Save your work.",
            "",
        ),
        Occasion::Expired => (
            "The debug session {{ session }} on {{ cluster }} has expired",
            "The debug session's time is over.",
            "",
        ),
        Occasion::Terminated => (
            "The debug session {{ session }} on {{ cluster }} was terminated",
            "{{ by or 'The hub' }} terminated the debug session.",
            "",
        ),
        Occasion::Failed => (
            "The debug session {{ session }} on {{ cluster }} has failed",
            "The debug session could not be set up or deployed.",
            "\nSee why:\n  bgctl debug session get {{ session }}\n",
        ),
        Occasion::RenewalRequest => (
            "{{ by or requestedBy }} asks for {{ extension }} more on {{ cluster }}",
            "{{ by or requestedBy }} asks for more time in a debug session and waits for a decision. Without one the session ends at its time.",
            "\nDecide with:\n  bgctl debug session approve {{ session }}\n  bgctl debug session reject {{ session }}\n",
        ),
        Occasion::RenewalApproval => (
            "{{ extension }} more on {{ cluster }} is approved: {{ session }}",
            "{{ by }} approved {{ extension }} more for the debug session. It counts once the cluster has taken it in; until then the old end holds.",
            "\nSee the end that counts:\n  bgctl debug session get {{ session }}\n",
        ),
        Occasion::RenewalRejection => (
            "{{ extension }} more on {{ cluster }} is refused: {{ session }}",
            "{{ by }} refused {{ extension }} more for the debug session. It runs on until its end.",
            "",
        ),
        Occasion::InvitationRequest => (
            "{{ by or requestedBy }} invites people to a debug session on {{ cluster }}",
            "{{ by or requestedBy }} invites people to a debug session that was approved without them, and waits for a decision. Without one they stay out.",
            "\nDecide with:\n  bgctl debug session approve {{ session }}\n  bgctl debug session reject {{ session }}\n",
        ),
        Occasion::InvitationApproval => (
            "Invitations to {{ session }} on {{ cluster }} are approved",
            "{{ by }} approved the invitations to the debug session.",
            "",
        ),
        Occasion::InvitationRejection => (
            "Invitations to {{ session }} on {{ cluster }} are refused",
            "{{ by }} refused the invitations to the debug session. It runs on without these people.",
            "",
        ),
    }
}

/// A notice in which everything is set: what a text is tried with.
pub(super) fn sample(occasion: Occasion) -> Notice {
    Notice {
        occasion,
        at: Timestamp::UNIX_EPOCH,
        session: "debug-session-abc123".to_owned(),
        cluster: "cluster".to_owned(),
        template: "template".to_owned(),
        namespace: "namespace".to_owned(),
        requested_by: "alice@example.com".to_owned(),
        reason: "reason".to_owned(),
        by: "carol@example.com".to_owned(),
        decision_reason: "reason".to_owned(),
        requested_seconds: 3600,
        extend_by_seconds: 1800,
        users: "bob@example.com".to_owned(),
        expires_at: Some(Timestamp::UNIX_EPOCH),
    }
}
