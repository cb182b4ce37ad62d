//! Sizes and times that both ends agree on. Each has its reason; a limit without one is a guess.

use std::time::Duration;

/// Largest frame on the link, encoded. Eight times the largest grant: room for a report with thousands of pods,
/// small enough that a hostile peer cannot make the other end hold much.
pub const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;
/// Largest grant body (JSON). A grant must fit one Secret in the agent's journal (Kubernetes: 1 MiB) with its rendered
/// documents beside it (D17).
pub const MAX_GRANT_BYTES: usize = 512 * 1024;
/// Largest report body (JSON): 5,000 pods with container status come to about 1.5 MiB.
pub const MAX_REPORT_BYTES: usize = 2 * 1024 * 1024;
/// Grants one cluster may hold at once; the agent keeps all of them in memory for the webhook.
pub const MAX_GRANTS_PER_CLUSTER: usize = 100_000;
/// Largest set of deny policies of one cluster (JSON): it must fit one Secret in the agent's journal, as a grant does.
pub const MAX_POLICIES_BYTES: usize = 512 * 1024;
/// Deny policies that cover one cluster: people read them in their order.
pub const MAX_POLICIES_PER_CLUSTER: usize = 500;
/// Rules of all deny policies that cover one cluster. A request that none of them matches may be compared with all of
/// them; this many stay well below the webhook's millisecond.
pub const MAX_DENY_RULES_PER_CLUSTER: usize = 2_000;
/// Audit records in one frame: with what the hub adds to them they are one commit of its store.
pub const MAX_AUDIT_RECORDS: usize = 50;
/// Largest body of an audit frame (JSON): 50 records of some 400 bytes, and room for long names.
pub const MAX_AUDIT_BYTES: usize = 64 * 1024;
/// Characters of one text in an audit record. Kubernetes bounds names by 253; a person's name is whatever an
/// authenticator says.
pub const MAX_AUDIT_TEXT: usize = 256;
/// People in one grant. A session is a handful of engineers; the bound keeps the webhook's index small.
pub const MAX_PEOPLE_PER_SESSION: usize = 200;
/// Largest value of one variable: a certificate chain or a configuration file of some pages.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;
/// Largest sum of a session's values. They stand in the grant three times (as given, resolved and rendered).
pub const MAX_VALUES_BYTES: usize = 64 * 1024;
/// Terms of a pod's required node affinity: those of every set of constraints are multiplied. The largest honest product is
/// a dozen; this many of some requirements each still fit the agent's journal.
pub const MAX_NODE_AFFINITY_TERMS: usize = 512;
/// Labels in the `nodeSelector` of a request: more than anybody chooses nodes by.
pub const MAX_NODE_SELECTOR_KEYS: usize = 32;
/// Largest REST request body. The biggest honest body is a template of a few hundred KiB.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Nesting of a JSON or YAML document. Pod specs nest about 15 deep.
pub const MAX_DEPTH: usize = 64;
/// YAML nodes of a file after aliases are followed (S13): stops alias bombs.
pub const MAX_YAML_NODES: usize = 100_000;
/// Largest manifest file: several hundred templates.
pub const MAX_MANIFEST_BYTES: usize = 1024 * 1024;

/// Either end pings this often when it has nothing else to say; half of common proxies' 30 s idle cut.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Silence after which the peer is taken for dead: three pings lost.
pub const DEAD_AFTER: Duration = Duration::from_secs(45);
/// First and longest pause between an agent's attempts to connect (full jitter in between).
pub const RECONNECT_MIN: Duration = Duration::from_millis(500);
/// See [`RECONNECT_MIN`].
pub const RECONNECT_MAX: Duration = Duration::from_secs(60);
/// Pause after a refusal that only a person can mend (401, 403, unknown cluster).
pub const RECONNECT_REFUSED: Duration = Duration::from_secs(60);
/// What a superseded connection waits before it dials again (D8).
pub const RECONNECT_SUPERSEDED: Duration = Duration::from_secs(60);
/// Time for the first frame after the WebSocket opened, and for any HTTP exchange before it.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A join token works this long (spec 3 section 2).
pub const JOIN_TOKEN_LIFETIME: Duration = Duration::from_secs(3600);
/// Life of an agent's certificate; renewed at half of it (spec 3 section 2).
pub const AGENT_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Life of the API server's client certificate for the webhook (D20).
pub const WEBHOOK_CLIENT_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
/// `DEBUG_SESSION_APPROVAL_TIMEOUT` when it is not set.
pub const APPROVAL_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// A renewal needs this much of the session left (S12).
pub const RENEWAL_MARGIN: Duration = Duration::from_secs(30);
/// The pod watch must have made progress within this time, or nothing is allowed (S3).
pub const WATCH_FRESHNESS: Duration = Duration::from_secs(60);
/// Leftovers of an ended session are retried at most this long before they are only told about (S11).
pub const CLEANUP_RETENTION: Duration = Duration::from_secs(24 * 3600);
/// `terminationGracePeriodSeconds` of session pods; the kubelet never kills sooner than 2 s after SIGTERM (D1).
pub const POD_GRACE_SECONDS: i64 = 2;
